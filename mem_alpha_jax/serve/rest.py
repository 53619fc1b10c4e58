"""The REST service: `Memory` under /v1/namespaces/{name}, docs at /docs."""

import asyncio
import math
from typing import Annotated, Any, Literal, NamedTuple, Self

import fastapi
import pydantic
from fastapi import exceptions, security
from fastapi.responses import JSONResponse, Response
from mcp.server.transport_security import TransportSecuritySettings
from starlette import routing
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from mem_alpha_jax.memory.state import KINDS
from mem_alpha_jax.serve import chat, guards, mcp_tools, model
from mem_alpha_jax.serve import memory as memory_lib
from mem_alpha_jax.serve import store as store_lib
from mem_alpha_jax.serve.memory import Memory
from mem_alpha_jax.serve.service import Service

_ROOT = '/v1/namespaces/{name}'
_MOST_NOTES = 1000  # of one page
_SHORT = 1000  # characters that are split at once

_BEARER = security.HTTPBearer(auto_error=False)
_Given = Annotated[
  security.HTTPAuthorizationCredentials | None, fastapi.Depends(_BEARER)
]
_Name = Annotated[str, fastapi.Path(pattern=f'^{memory_lib.NAME}$')]
_Id = Annotated[int, fastapi.Path(ge=0, lt=2**31)] | Literal['core']
_Text = Annotated[str, pydantic.Field(min_length=1)]
_Short = Annotated[str, pydantic.Field(min_length=1, max_length=64)]
_Query = Annotated[str, pydantic.Field(min_length=1, max_length=4096)]


class Limits(NamedTuple):
  """What one caller may ask of the service."""

  body_bytes: int = 256 * 1024
  per_second: float = 50.0  # requests with one key
  burst: float = 100.0  # of them at once


class _Body(pydantic.BaseModel):
  model_config = pydantic.ConfigDict(extra='forbid')


class _Message(_Body):
  role: _Short
  content: _Text


class _Add(_Body):
  text: _Text | None = None
  messages: list[_Message] | None = pydantic.Field(None, min_length=1)
  time: _Short | None = None
  request: _Short | None = None

  @pydantic.model_validator(mode='after')
  def _one(self) -> Self:
    if (self.text is None) == (self.messages is None):
      raise ValueError('give text or messages')
    return self

  def said(self) -> model.Said:
    if self.messages is None:
      return self.text
    return [message.model_dump() for message in self.messages]


class _Search(_Body):
  query: _Query
  k: int = pydantic.Field(5, ge=1, le=model.FOUND)


class _Answer(_Body):
  question: _Query


class _Update(_Body):
  text: _Text


class _Undo(_Body):
  n: int = pydantic.Field(1, ge=1, le=1000)


def make(service: Service, limits: Limits = Limits()) -> fastapi.FastAPI:  # noqa: B008
  """The application of a store and a model."""
  door = _Door(service, limits)
  mcp = _Mcp(door)
  app = fastapi.FastAPI(
    title='mem_alpha_jax memory', version='1', lifespan=mcp.running
  )
  metrics = guards.Metrics(service.queue)
  app.add_middleware(
    guards.Guard, most_bytes=limits.body_bytes, metrics=metrics
  )
  for kind in _STATUS:
    app.add_exception_handler(kind, _told)
  _add_reads(app, door.parameter(writing=False))
  _add_writes(app, door.parameter(writing=True))
  chat.add(app, door.caller(), door.memory, service.serving.count)
  app.router.routes.append(routing.Route(f'{_ROOT}/mcp', mcp))

  @app.get('/health')
  def health() -> dict:
    """Whether the store can be read."""
    service.store.keys()
    return {'status': 'ok', 'waiting': service.queue.waiting()}

  @app.get('/metrics')
  def prometheus() -> Response:
    """Counts for Prometheus."""
    return Response(metrics.text(), media_type='text/plain; version=0.0.4')

  return app


def _add_reads(app: fastapi.FastAPI, mine: Any) -> None:
  @app.post(f'{_ROOT}/search')
  def search(memory: mine, body: _Search) -> list[dict]:
    """The notes that fit best."""
    return memory.search(body.query, body.k)

  @app.post(f'{_ROOT}/answer')
  def answer(memory: mine, body: _Answer) -> dict:
    """What the reader answers from the memory alone, and what it was shown."""
    return memory.answer(body.question)

  @app.get(f'{_ROOT}/memories')
  def all_memories(
    memory: mine,
    kind: Literal[KINDS] | None = None,
    offset: Annotated[int, fastapi.Query(ge=0, lt=2**31)] = 0,
    limit: Annotated[int, fastapi.Query(ge=1, le=_MOST_NOTES)] = 100,
  ) -> list[dict]:
    """The core and the notes, by id."""
    return memory.all(kind)[offset : offset + limit]

  @app.get(f'{_ROOT}/memories/{{id}}/history')
  def history(memory: mine, id: _Id) -> list[dict]:
    """What was called on a note; of id 'core' on the core."""
    return memory.history(id)

  @app.get(f'{_ROOT}/history')
  def whole_history(memory: mine) -> list[dict]:
    """What was called, in order."""
    return memory.history()

  @app.get(f'{_ROOT}/export')
  def export(memory: mine) -> dict:
    """All there is, history included."""
    return memory.export()

  @app.get(f'{_ROOT}/stats')
  def stats(memory: mine) -> dict:
    """How much is held."""
    return memory.stats()


def _add_writes(app: fastapi.FastAPI, mine: Any) -> None:
  @app.post(f'{_ROOT}/memories')
  async def add(memory: mine, body: _Add) -> dict:
    """Lets the writer read; `request` makes sending it twice safe."""
    asked = body.said(), body.time, body.request
    if isinstance(body.text, str) and len(body.text) < _SHORT:
      event = memory.adding(*asked)  # a thread costs more than a sentence
    else:
      event = await run_in_threadpool(memory.adding, *asked)
    return memory_lib.added(await asyncio.wrap_future(event))

  @app.put(f'{_ROOT}/memories/{{id}}')
  def update(memory: mine, id: _Id, body: _Update) -> dict:
    """Replaces a note."""
    return memory.update(id, body.text)

  @app.delete(f'{_ROOT}/memories/{{id}}')
  def delete(memory: mine, id: _Id) -> dict:
    """Removes a note; its history stays."""
    return memory.delete(id)

  @app.post(f'{_ROOT}/undo')
  def undo(memory: mine, body: _Undo) -> list[dict]:
    """Takes back the last events that changed something."""
    return memory.undo(body.n)

  @app.post(f'{_ROOT}/import')
  def take_in(
    memory: mine, body: Annotated[dict | list, fastapi.Body()]
  ) -> dict:
    """An export of ours into an empty memory, or of mem0 or OpenMemory."""
    return memory.import_(body)

  @app.delete(_ROOT)
  def clear(memory: mine) -> dict:
    """Forgets everything, the history included."""
    memory.clear()
    return {}


class _Door:
  """Whose memory a request may use."""

  def __init__(self, service: Service, limits: Limits):
    self._service = service
    self._rate = guards.Rate(limits.per_second, limits.burst)

  async def key(self, secret: str) -> store_lib.Key:
    """The key, if it is one and has not asked too often."""
    store = self._service.store
    key = store.key_of_late(secret)
    if not key:
      key = await run_in_threadpool(store.key, secret)
    if not key:
      raise HTTPException(401, 'no valid key: Authorization: Bearer mem_...')
    if wait := self._rate.wait(key.name):
      again = {'Retry-After': str(math.ceil(wait))}
      raise HTTPException(429, 'too many requests with this key', again)
    return key

  def memory(self, key: store_lib.Key, name: str, writing: bool) -> Memory:
    if not key.allows(name, writing):
      what = 'write to' if writing else 'read'
      raise HTTPException(403, f'this key may not {what} this namespace')
    return Memory(self._service, name)

  def caller(self) -> Any:
    """The type of a route's parameter: the key of a request."""

    async def key(given: _Given) -> store_lib.Key:
      return await self.key(given.credentials if given else '')

    return Annotated[store_lib.Key, fastapi.Depends(key)]

  def parameter(self, writing: bool) -> Any:
    """The same: the memory of its path."""

    async def memory(name: _Name, key: self.caller()) -> Memory:
      return self.memory(key, name, writing)

    return Annotated[Memory, fastapi.Depends(memory)]


class _Mcp:
  """ASGI: MCP for the namespace of the path, with the rights of the key."""

  def __init__(self, door: _Door):
    self._door, self._server = door, mcp_tools.make(self._find)
    self._server.streamable_http_app(
      stateless_http=True,
      json_response=True,
      transport_security=TransportSecuritySettings(
        enable_dns_rebinding_protection=False  # a page has no key
      ),
    )

  async def __call__(self, scope, receive, send) -> None:
    request = fastapi.Request(scope)
    given = await _BEARER(request)
    secret = given.credentials if given else ''
    request.state.key = await self._door.key(secret)
    await self._server.session_manager.handle_request(scope, receive, send)

  def running(self, unused_app):
    """While the application lives."""
    return self._server.session_manager.run()

  def _find(self, context, writing: bool) -> Memory:
    request = context.request_context.request
    name = request.path_params['name']
    try:
      return self._door.memory(request.state.key, name, writing)
    except HTTPException as error:
      raise ValueError(error.detail) from error


_STATUS = {
  memory_lib.NotFound: 404,
  exceptions.RequestValidationError: 422,
  ValueError: 422,
  HTTPException: 0,  # its own
  store_lib.Busy: 503,
  store_lib.StoreError: 503,
}


def _told(request, error: Exception) -> JSONResponse:
  """What went wrong, in one line; what was sent is not sent back."""
  kind = next(kind for kind in _STATUS if isinstance(error, kind))
  message, status, headers = str(error), _STATUS[kind], None
  if isinstance(error, HTTPException):
    message, status, headers = error.detail, error.status_code, error.headers
  elif isinstance(error, exceptions.RequestValidationError):
    first = error.errors()[0]
    message = f'{".".join(map(str, first["loc"]))}: {first["msg"]}'
  body = guards.error(status, message, request.state.request)
  return JSONResponse(body, status, headers)
