"""Command line of the service: python -m mem_alpha_jax.serve --help."""

import gc
import logging
import sys

from absl import app, flags

from mem_alpha_jax.serve import model
from mem_alpha_jax.serve import store as store_lib
from mem_alpha_jax.system import machine, optional

_STORE = flags.DEFINE_string(
  'store', None, 'File of the store, made if missing; or postgresql://...'
)
_RUNS = flags.DEFINE_string(
  'runs', None, 'Folder of workdirs, which the page at / shows.'
)
_RUN = flags.DEFINE_string(
  'run', '', 'Workdir of a run, or a config file; the shipped writer if empty.'
)
_FIELDS = flags.DEFINE_string('fields', '', 'field=value,... of its config.')
_HOST = flags.DEFINE_string('host', '127.0.0.1', 'Where REST listens.')
_PORT = flags.DEFINE_integer('port', 8700, 'Where REST listens.')
_BATCH = flags.DEFINE_integer(
  'batch', model.BATCH, 'Namespaces whose texts are read in one call.', 1
)
_RATE = flags.DEFINE_float('rate', 50.0, 'Requests a second with a key.', 0.01)
_BODY = flags.DEFINE_integer('body', 256, 'KiB of a request, at most.', 1)
_MCP = flags.DEFINE_bool('mcp', False, 'MCP over stdio instead of REST.')
_NAMESPACE = flags.DEFINE_string('namespace', 'default', 'Of MCP.')
_NEW_KEY = flags.DEFINE_string('new_key', None, 'Prints a key of this name.')
_NAMESPACES = flags.DEFINE_list(
  'namespaces', [], "Of the new key; '*' for all."
)
_READS = flags.DEFINE_bool('read_only', False, 'Of the new key.')
_REMOVE_KEY = flags.DEFINE_string('remove_key', None, 'Name of a key.')
_KEYS = flags.DEFINE_bool('keys', False, 'Lists the keys.')


def main(argv: list[str]) -> int:
  """Serves; what a user can fix is reported on one line, code 2."""
  if len(argv) > 1:
    raise app.UsageError(f'unknown argument {argv[1]!r}')
  try:
    _main()
  except (OSError, ValueError, FloatingPointError) as error:
    print(f'error: {error}', file=sys.stderr)
    return 2
  return 0


def _main() -> None:
  if not _STORE.value:
    _page_alone()
    return
  store = store_lib.Store(_STORE.value)
  if _NEW_KEY.value or _REMOVE_KEY.value or _KEYS.value:
    _keys(store)
    return
  from mem_alpha_jax.serve.memory import Memory
  from mem_alpha_jax.serve.service import Service

  logging.getLogger().setLevel(logging.WARNING)
  machine.use_compilation_cache()
  parts = model.open_run(_RUN.value, _FIELDS.value)
  serving = model.Model(*parts, _BATCH.value)
  serving.warm()
  gc.freeze()  # what is here stays: the collector need not look again
  service = Service(store, serving)
  try:
    if _MCP.value:
      from mem_alpha_jax.serve import mcp_tools

      memory = Memory(service, _NAMESPACE.value)
      mcp_tools.make(lambda *unused: memory).run('stdio')
    else:
      _rest(service)
  finally:
    service.close()


def _rest(service) -> None:
  optional.load('uvicorn', 'serve')
  from mem_alpha_jax.serve import page, rest

  rate = _RATE.value
  limits = rest.Limits(_BODY.value * 1024, rate, 2 * max(rate, 1))
  app = rest.make(service, limits)
  app.router.routes += page.routes(_RUNS.value, store=True)
  where = f'http://{_HOST.value}:{_PORT.value}'
  print(f'{where}/v1, docs at {where}/docs', flush=True)
  _serve(app)


def _page_alone() -> None:
  of_store = (_MCP, _NEW_KEY, _REMOVE_KEY, _KEYS)
  if not _RUNS.value or any(flag.value for flag in of_store):
    raise ValueError('give --store=FILE; --runs=FOLDER alone is for the page')
  optional.load('uvicorn', 'serve')
  from starlette.applications import Starlette

  from mem_alpha_jax.serve import page

  _serve(Starlette(routes=page.routes(_RUNS.value, store=False)))


def _serve(app) -> None:
  import uvicorn

  from mem_alpha_jax.serve import page

  print(f'http://{_HOST.value}:{_PORT.value}/ is the page', flush=True)
  if _RUNS.value:
    page.guard(app, _HOST.value)
    print(f'{_RUNS.value} can be read there without a key', flush=True)
  uvicorn.run(
    app, host=_HOST.value, port=_PORT.value, log_level='warning',
    access_log=False,
  )  # fmt: skip


def _keys(store: store_lib.Store) -> None:
  if _NEW_KEY.value:
    if not _NAMESPACES.value:
      raise ValueError("--new_key needs --namespaces=a,b, or '*' for all")
    print(store.make_key(_NEW_KEY.value, _NAMESPACES.value, not _READS.value))
  if _REMOVE_KEY.value:
    store.remove_key(_REMOVE_KEY.value)
  for key in store.keys() if _KEYS.value else ():
    rights = 'reads and writes' if key.writes else 'reads'
    print(f'{key.name}: {rights} {",".join(key.namespaces)}, of {key.made}')


if __name__ == '__main__':
  app.run(main)
