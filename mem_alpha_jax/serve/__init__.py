"""A trained writer in an agent: Python, REST and MCP over one store."""

from mem_alpha_jax.system import optional

optional.load('sqlalchemy', 'serve')  # or one line says what to install

from mem_alpha_jax.serve.memory import Memory as Memory  # noqa: E402
