"""Chat completions as OpenAI's clients ask for them, answered from memory.

The memory is that of `user`, or the only one of the key. The reader answers
the newest message from what is remembered; then the writer reads what the user
has said since the last reply, if the key may write. Earlier messages were read
when they were new. Options of models, such as temperature, change nothing.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple

import fastapi
import pydantic
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from mem_alpha_jax.serve import memory as memory_lib
from mem_alpha_jax.serve import store as store_lib
from mem_alpha_jax.serve.memory import Memory

MODEL = 'memory'  # the name of the one model
NOTED, UNKNOWN = 'Noted.', 'I do not know.'  # where there is no answer
_LONGEST = 4096  # characters of a question; of a longer one its end
_Once = Annotated[str | None, fastapi.Header(min_length=1, max_length=64)]


class _Part(pydantic.BaseModel):
  text: str = ''  # images and sounds have none


class _Message(pydantic.BaseModel):
  role: str
  content: str | list[_Part] | None = None

  def text(self) -> str:
    if isinstance(self.content, list):
      return ' '.join(part.text for part in self.content)
    return self.content or ''


class _Options(pydantic.BaseModel):
  include_usage: bool = False


class _Asked(pydantic.BaseModel):
  messages: list[_Message]
  model: str = MODEL
  user: str | None = pydantic.Field(None, pattern=f'^{memory_lib.NAME}$')
  stream: bool = False
  stream_options: _Options | None = None

  def new(self) -> list[str]:
    """What the user has said since the last reply."""
    roles = [message.role for message in self.messages]
    start = len(roles) - [*roles[::-1], 'assistant'].index('assistant')
    texts = [
      m.text().strip() for m in self.messages[start:] if m.role == 'user'
    ]
    return [text for text in texts if text]


class _Reply(NamedTuple):
  id: str
  created: int
  model: str
  text: str
  usage: dict[str, int]


def add(
  app: fastapi.FastAPI,
  caller: Any,
  find: Callable[[store_lib.Key, str, bool], Memory],
  count: Callable[[str], int],
) -> None:
  """Adds the routes.

  Args:
    app: of the service.
    caller: the type of a parameter, a key.
    find: (key, namespace, writing) -> the memory, if the key opens it.
    count: tokens of a text.
  """

  @app.get('/v1/models')
  def models(key: caller) -> dict:
    """The one model that there is."""
    del key
    one = {'id': MODEL, 'object': 'model', 'created': 0, 'owned_by': 'you'}
    return {'object': 'list', 'data': [one]}

  @app.post('/v1/chat/completions', response_model=None)
  def complete(
    key: caller, asked: _Asked, idempotency_key: _Once = None
  ) -> dict | StreamingResponse:
    """Answers from memory and learns; with Idempotency-Key it learns once."""
    memory, new = find(key, _namespace(asked, key), False), asked.new()
    if not new:
      raise HTTPException(422, 'messages: the user says nothing after a reply')
    text = memory.answer(new[-1][-_LONGEST:])['answer']
    if text is None:
      raise HTTPException(503, 'the reader failed; try again')
    calls = []
    if key.writes:
      calls = memory.add('\n'.join(new), request=idempotency_key)['calls']
    text = text or (NOTED if any(call['ok'] for call in calls) else UNKNOWN)
    read, said = sum(count(m.text()) for m in asked.messages), count(text)
    reply = _Reply(
      f'chatcmpl-{uuid.uuid4().hex}', int(time.time()), asked.model, text,
      {'prompt_tokens': read, 'completion_tokens': said,
       'total_tokens': read + said},
    )  # fmt: skip
    if not asked.stream:
      message = {'role': 'assistant', 'content': text}
      return _body(reply, '', message=message, usage=reply.usage)
    usage = asked.stream_options and asked.stream_options.include_usage
    return StreamingResponse(
      _streamed(reply, bool(usage)), media_type='text/event-stream'
    )


def _namespace(asked: _Asked, key: store_lib.Key) -> str:
  if asked.user:
    return asked.user
  if len(key.namespaces) != 1 or store_lib.EVERY in key.namespaces:
    raise HTTPException(
      422, 'user: say whose memory it is; the key has several'
    )
  return key.namespaces[0]


def _body(reply: _Reply, kind: str, finish='stop', usage=None, **said) -> dict:
  choice = {'index': 0, **said, 'logprobs': None, 'finish_reason': finish}
  return {
    'id': reply.id,
    'object': f'chat.completion{kind}',
    'created': reply.created,
    'model': reply.model,
    'choices': [choice] if said else [],
    **({'usage': usage} if usage else {}),
  }


def _streamed(reply: _Reply, usage: bool) -> Iterator[str]:
  """The same as server-sent events; the text is there, and comes at once."""
  said = [({'role': 'assistant', 'content': reply.text}, None), ({}, 'stop')]
  bodies = [_body(reply, '.chunk', end, delta=delta) for delta, end in said]
  if usage:
    bodies.append(_body(reply, '.chunk', usage=reply.usage))
  yield from (f'data: {json.dumps(body)}\n\n' for body in bodies)
  yield 'data: [DONE]\n\n'
