"""A language model in this process that replies to any chat.

Greedy, through the project's own sampler. Contents of messages are data: a
special token in them is spelled like other text.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.sampling import buckets as buckets_lib
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.text import chat_template

_MARK = 0xE000  # private-use characters: where contents go when rendered


class LmChat:
  """A `chat.ChatModel`; one compilation for each bucket and reply length."""

  def __init__(
    self,
    policy: policy_lib.Policy,
    params: Any,
    tokenizer: Any,
    *,
    batch: int,
    buckets: Sequence[int],
  ):
    """Args:
    policy: the model's functions.
    params: its parameters.
    tokenizer: of the model, with a chat template.
    batch: chats of one call.
    buckets: padded lengths of prompts in tokens, ascending; a chat that fits
      none has failed.
    """
    self._policy, self._params, self._tokenizer = policy, params, tokenizer
    self._batch, self._buckets = batch, buckets
    self._samplers = {}

  def complete(
    self, chats: Sequence[Sequence[dict[str, str]]], tokens: int
  ) -> list[str | None]:
    prompts = [self.prompt(chat) for chat in chats]
    fits = [i for i, p in enumerate(prompts) if len(p) <= self._buckets[-1]]
    fits.sort(key=lambda i: len(prompts[i]))
    replies: list[str | None] = [None] * len(chats)
    for start in range(0, len(fits), self._batch):
      part = fits[start : start + self._batch]
      said = self._reply([prompts[i] for i in part], tokens)
      for i, text in zip(part, said, strict=True):
        replies[i] = text
    return replies

  def prompt(self, chat: Sequence[dict[str, str]]) -> list[int]:
    """Ids of a chat, up to where the reply begins."""
    marks = [chr(_MARK + i) for i in range(len(chat))]
    hollow = [
      {**message, 'content': mark}
      for message, mark in zip(chat, marks, strict=True)
    ]
    rest = chat_template.render(
      self._tokenizer.chat_template,
      hollow,
      enable_thinking=False,
      **self._tokenizer.template_values,
    )
    ids = []
    for mark, message in zip(marks, chat, strict=True):
      before, _, rest = rest.partition(mark)
      ids += self._tokenizer.encode(before)
      ids += self._tokenizer.encode_text(message['content'])
    return [*ids, *self._tokenizer.encode(rest)]

  def _reply(self, prompts: list[list[int]], tokens: int) -> list[str]:
    """Replies to prompts, the longest last."""
    n, pad = len(prompts), self._tokenizer.pad_id
    size = next(b for b in self._buckets if len(prompts[-1]) <= b)
    # The last call is filled with copies: they end when their original does.
    prompts = prompts + [prompts[-1]] * (self._batch - n)
    prefix, length = buckets_lib.pad([p[:-1] for p in prompts], size, pad)
    last = np.array([[[p[-1]]] for p in prompts], np.int32)
    one = np.ones((len(prompts), 1), np.int32)
    keys = jax.random.split(jax.random.key(0), (len(prompts), 1))
    out = self._sampler(tokens)(
      self._params, prefix, length, last, one, -one[..., None], keys
    )
    ids, mask = np.asarray(out.tokens)[:, 0], np.asarray(out.mask)[:, 0]
    return [
      self._tokenizer.decode(ids[i][mask[i]].tolist()).strip() for i in range(n)
    ]

  def _sampler(self, tokens: int):
    if tokens not in self._samplers:
      self._samplers[tokens] = sampler.make_sampler(
        self._policy,
        tokens,
        eos_id=self._tokenizer.eos_id,
        pad_id=self._tokenizer.pad_id,
        greedy=True,
      )
    return self._samplers[tokens]


def from_config(config: Any) -> LmChat:
  """Loads reading.model as a chat model."""
  from mem_alpha_jax.pretrained import registry

  r = config.reading
  model = registry.open_model(r.model)
  return LmChat(
    policy_lib.make_policy(model.config),
    model.load(None, model.config.dtype),
    model.tokenizer,
    batch=r.batch,
    buckets=r.buckets,
  )
