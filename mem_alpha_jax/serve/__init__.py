"""A trained writer in an agent: Python, REST and MCP over one store."""

from mem_alpha_jax.serve.memory import Memory as Memory
