"""A language model in this process that replies to chats.

Greedy, through the project's own sampler, on the first device of its process.
All that a chat says before its last message is the prefix that rows of a batch
share, run once for all chats that begin so; the last message is a row's own
context. Contents of messages are data: a special token in them is spelled like
other text.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np

from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.reading import chat as chat_lib
from mem_alpha_jax.sampling import buckets as buckets_lib
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.text import chat_template

_MARK = 0xE000  # private-use characters: where contents go when rendered
_MARKS = re.compile('[\ue000-\uf8ff]')
# Of a model without a chat template.
_PLAIN = (
  "{% if messages[0]['role'] != 'system' %}Task:\n\n{% endif %}"
  "{% for m in messages %}{{ m['content'] }}"
  "{{ '\nAnswer:' if m['role'] == 'user' else '\n\n' }}{% endfor %}"
)
_HEADS = 8  # beginnings of chats that are kept
_TEXTS = 1 << 12  # whose ids are kept


class LmChat:
  """A `chat.ChatModel`; one compilation for each bucket and reply length."""

  def __init__(
    self,
    policy: policy_lib.Policy,
    params: Any,
    tokenizer: Any,
    *,
    batch: int,  # chats of one call
    # Padded lengths of last messages, tokens; what fits none has failed.
    buckets: Sequence[int],
  ):
    self._policy, self._params, self._tokenizer = policy, params, tokenizer
    self._batch, self._buckets = batch, buckets
    kept = functools.lru_cache(maxsize=_TEXTS)
    self._encode = kept(tokenizer.encode)
    self._encode_text = kept(tokenizer.encode_text)
    self._jit = functools.partial(jax.jit, compiler_options=policy.options)
    self._prefill = self._jit(policy.prefill)
    self._prepare = self._jit(policy.prepare, static_argnums=1)
    self._head = functools.lru_cache(maxsize=_HEADS)(self._head)
    self._responder = functools.cache(self._responder)
    self._positions, self._layers = 0, None

  def complete(
    self, chats: Sequence[chat_lib.Chat], tokens: int
  ) -> list[str | None]:
    """One call for `batch` chats that begin alike, of similar length."""
    if not chats:
      return []
    # A cut thought must look like one, where the template begins it.
    opens = chat_template.opens_thought(self._pieces(chats[0])[-1])
    prompts = [self.prompt(chat) for chat in chats]
    replies: list[str | None] = [None] * len(chats)
    alike: dict[tuple[int, ...], list[int]] = {}
    for i, (head, own) in enumerate(prompts):
      if len(own) <= self._buckets[-1]:
        alike.setdefault(head, []).append(i)
    for head, rows in alike.items():
      rows.sort(key=lambda i: len(prompts[i][1]))
      for start in range(0, len(rows), self._batch):
        part = rows[start : start + self._batch]
        said = self._reply(head, [prompts[i][1] for i in part], tokens)
        for i, text in zip(part, said, strict=True):
          replies[i] = f'{chat_template.THINK}{text}' if opens else text
    return replies

  def take(self) -> dict[str, int]:
    return {}

  def fits(self, chat: chat_lib.Chat) -> bool:
    """Whether the chat's last message is short enough to be answered."""
    return len(self.prompt(chat)[1]) <= self._buckets[-1]

  def prompt(self, chat: chat_lib.Chat) -> tuple[tuple[int, ...], list[int]]:
    """Ids up to the last message, and from there to where the reply begins."""
    first, *after = self._pieces(chat)
    head = [*self._encode(first)]
    for message, text in zip(chat[:-1], after[:-1], strict=True):
      head += [*self._encode_text(message['content']), *self._encode(text)]
    last = self._encode_text(chat[-1]['content'])
    own = [*last, *self._encode(after[-1])]
    if not head:  # nothing stands before the message; a prefix has an id
      head, own = own[:1], own[1:]
    return tuple(head), own

  def _pieces(self, chat: chat_lib.Chat) -> list[str]:
    """What the template writes around the contents of the messages."""
    tokenizer = self._tokenizer
    if not tokenizer.chat_template:  # words of most tokenizers begin so
      chat = [
        {**m, 'content': f' {m["content"]}'} if m['role'] == 'assistant' else m
        for m in chat
      ]
    rendered = chat_template.render(
      tokenizer.chat_template or _PLAIN,
      [{**m, 'content': chr(_MARK + i)} for i, m in enumerate(chat)],
      enable_thinking=False,
      **getattr(tokenizer, 'template_values', {}),
    )
    pieces = _MARKS.split(rendered)
    if len(pieces) != len(chat) + 1:
      raise ValueError(
        f'chat template of reading.model: {len(chat)} messages are written '
        f'{len(pieces) - 1} times; use a model whose template writes each once'
      )
    return pieces

  def _reply(
    self, head: tuple[int, ...], rows: Sequence[list[int]], tokens: int
  ) -> Iterable[str]:
    """Replies to rows that share a head, the longest last."""
    n, pad = self._batch, self._tokenizer.pad_id
    size = next(b for b in self._buckets if len(rows[-1]) <= b)
    # The last call is filled with copies: they end when their original does.
    filled = [*rows, *[rows[-1]] * (n - len(rows))]
    own, length = buckets_lib.pad(filled, size, pad)
    positions = len(head) + self._buckets[-1] + tokens
    if positions > self._positions:
      self._positions = positions
      self._layers = self._prepare(self._params, positions)
    forced = np.full((1, n, 1), -1, np.int32)
    keys = jax.random.split(jax.random.key(0), (1, n))  # not used: greedy
    out = self._responder(tokens)(
      self._layers, self._head(head), own[None], length[None], forced, keys
    )
    ids, mask = np.asarray(out.tokens)[0], np.asarray(out.mask)[0]
    for i in range(len(rows)):
      yield self._tokenizer.decode(ids[i][mask[i]].tolist()).strip()

  def _head(self, ids: tuple[int, ...]):
    tokens, length = buckets_lib.pad([ids], len(ids), self._tokenizer.pad_id)
    return self._prefill(self._params, tokens, length)

  def _responder(self, tokens: int):
    respond = sampler.make_responder(
      self._policy,
      tokens,
      eos_id=self._tokenizer.eos_ids,
      pad_id=self._tokenizer.pad_id,
      greedy=True,
    )
    return self._jit(respond)


def from_config(config: Any) -> LmChat:
  """reading.model, loaded once in the life of the process."""
  r = config.reading
  return _load(r.model, r.batch, tuple(r.buckets))


@functools.lru_cache(maxsize=1)
def _load(name: str, batch: int, buckets: tuple[int, ...]) -> LmChat:
  from mem_alpha_jax.pretrained import registry

  model = registry.open_model(name)
  return LmChat(
    policy_lib.make_policy(model.config),
    model.load(None, model.config.dtype),
    model.tokenizer,
    batch=batch,
    buckets=buckets,
  )
