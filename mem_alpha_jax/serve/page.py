"""The inspector: a page of runs and of a store, and the JSON it asks for.

Runs are read, never written, without a key; what the page asks of a store goes
through the routes of `rest`, with the key that its user types.
"""

import functools
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mem_alpha_jax.config import compare as compare_lib
from mem_alpha_jax.report import metrics
from mem_alpha_jax.report import page as page_lib
from mem_alpha_jax.run import compare, summary

_HERE = ('127.0.0.1', 'localhost')
_DEPTHS = ('', '*/', '*/*/')  # at which workdirs are looked for
_GROWING = (metrics.FILE, page_lib.TURNS)
_MOST = 16 * 2**20  # bytes of a file in one answer
_SAFE = {'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store'}


def routes(runs: str | None, store: bool) -> list[Route]:
  """Those of the page.

  Args:
    runs: the folder of workdirs, if there is one.
    store: whether the routes of a store stand beside these.

  Raises:
    FileNotFoundError: if there is no such folder.
  """
  root = pathlib.Path(runs) if runs else None
  if root and not root.is_dir():
    raise FileNotFoundError(f'--runs={runs}: no folder there')

  def named(request: Request) -> dict[str, pathlib.Path]:
    """The runs that are asked for: names are looked up, never opened."""
    there = _found(root)
    names = request.query_params.getlist('run')
    if missing := [name for name in names if name not in there]:
      raise FileNotFoundError(f'no run {missing[0]!r} in {runs}')
    return {name: there[name] for name in names}

  def overview(unused_request: Request) -> Any:
    told = [_overview(*one) for one in _found(root).items()]
    return {'store': store, 'runs': told}

  pages = {
    '/runs': overview,
    '/runs/compare': lambda request: _compared(named(request)),
    '/runs/episodes': lambda request: _first(named(request), summary.episodes),
    '/runs/lines': lambda request: _lines(named(request), request.query_params),
  }
  return [
    Route('/', _page),
    *(Route(path, functools.partial(_told, of)) for path, of in pages.items()),
  ]


def guard(app: Starlette, host: str) -> None:
  """Where none but this machine is to read: answers to its own names alone.

  Else a page from elsewhere could have its name lead here, and read on.
  """
  if host in _HERE:
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*_HERE])


def _page(unused_request: Request) -> Response:
  text, policy = page_lib.html()
  headers = {**_SAFE, 'Content-Security-Policy': policy}
  return Response(text, media_type='text/html', headers=headers)


def _told(of: Callable[[Request], Any], request: Request) -> Response:
  """JSON of what was asked, or in one line why there is none."""
  try:
    found = of(request)
  except (OSError, ValueError) as error:
    status = 404 if isinstance(error, FileNotFoundError) else 422
    body = {'error': {'status': status, 'message': str(error)}}
    return JSONResponse(body, status, _SAFE)
  if isinstance(found, Response):
    return found
  # ASCII: texts of a model may hold halves of surrogate pairs.
  return Response(
    json.dumps(found), media_type='application/json', headers=_SAFE
  )


def _found(root: pathlib.Path | None) -> dict[str, pathlib.Path]:
  """The workdirs in a folder by their names, the folder itself as '.'."""
  if root is None:
    return {}
  paths = [
    path.parent
    for depth in _DEPTHS
    for path in root.glob(depth + compare_lib.FILE)
  ]
  return {str(path.relative_to(root)): path for path in sorted(paths)}


def _overview(name: str, folder: pathlib.Path) -> dict[str, Any]:
  """What tells the page that there is something new."""
  sizes = {
    file: (folder / file).stat().st_size if (folder / file).exists() else 0
    for file in _GROWING
  }
  done = (folder / 'results.json').exists()
  return {'name': name, 'finished': done, 'sizes': sizes}


def _compared(runs: Mapping[str, pathlib.Path]) -> dict[str, Any]:
  """As `mem-alpha compare` prints it."""
  read = lambda of: {name: of(folder) for name, folder in runs.items()}
  configs = read(lambda folder: compare_lib.read(folder / compare_lib.FILE))
  results = {k: one for k, one in read(summary.read).items() if one}
  return {
    'config': [('config', *runs), *compare.config_rows(configs)],
    'results': [(compare.HEADING, *results), *compare.result_rows(results)],
    'steps': {name: one.get('num_steps') for name, one in configs.items()},
  }


def _first(runs: Mapping[str, pathlib.Path], of: Callable) -> Any:
  for folder in runs.values():
    return of(str(folder))
  raise ValueError('run: give the name of one')


def _lines(runs: Mapping[str, pathlib.Path], asked: Mapping) -> Response:
  """What a file of lines has from a byte on; 416 where it is shorter now."""
  name, start = asked.get('file'), asked.get('start', '0')
  if name not in _GROWING or not start.isdecimal() or len(start) > 15:
    raise ValueError(f'file, start: one of {_GROWING}, and a byte of it')
  path = _first(runs, pathlib.Path) / name
  if not path.exists():
    return Response(b'', headers=_SAFE)
  with open(path, 'rb') as file:
    if int(start) > file.seek(0, 2):
      return Response(b'', 416, headers=_SAFE)
    file.seek(int(start))
    return Response(
      file.read(_MOST), media_type='text/plain; charset=utf-8', headers=_SAFE
    )
