"""A frozen language model as reader, through the project's own sampler.

Every request is a chat: the instructions, the same for all, are the prefix
that the rows of a batch share, prefilled once in the life of the reader; notes
and question are a row's own context. Decoding is greedy.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.reading import chat, protocol
from mem_alpha_jax.sampling import buckets as buckets_lib
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.types import Request

_HERE = '\x00'  # stands for the user's text when the chat is rendered


class Form(NamedTuple):
  """A chat cut where the user's text goes.

  Attributes:
    head: ids before it, the same for every request.
    tail: ids after it, up to where the answer begins.
  """

  head: list[int]
  tail: list[int]


def make_form(tokenizer: Any, instructions: chat.Instructions) -> Form:
  """Cuts the tokenizer's chat template around the user's text.

  A tokenizer without a template gets plain text that ends in 'Answer:'.
  """
  messages = chat.messages(instructions, _HERE)
  template = getattr(tokenizer, 'chat_template', None)
  if template:
    from mem_alpha_jax.text import chat_template

    values = getattr(tokenizer, 'template_values', {})
    text = chat_template.render(
      template, messages, enable_thinking=False, **values
    )
  else:
    task, *turns, _ = (message['content'] for message in messages)
    pairs = zip(turns[::2], turns[1::2], strict=True)
    parts = [f'{asked}\nAnswer: {said}' for asked, said in pairs]
    text = '\n\n'.join([task, *parts, f'{_HERE}\nAnswer:'])
  head, tail = text.split(_HERE)
  return Form(tokenizer.encode(head), tokenizer.encode(tail))


def prompt(
  request: Request, form: Form, tokenizer: Any, longest: int
) -> list[int] | None:
  """Ids of a row's own context, at most `longest`.

  Notes that do not fit are left out, the worst first. None if the question
  does not fit without any.
  """
  for kept in range(len(request.notes), -1, -1):
    text = chat.user_text(request, request.notes[:kept])
    ids = [*tokenizer.encode_text(text), *form.tail]
    if len(ids) <= longest:
      return ids
  return None


def make_reader(
  policy: policy_lib.Policy,
  params: Any,
  tokenizer: Any,
  *,
  answer_tokens: int,
  batch: int,
  buckets: Sequence[int],
  instructions: chat.Instructions = chat.INSTRUCTIONS,
) -> protocol.Reader:
  """Returns a reader that answers with what the model says.

  Requests are sorted by length and answered `batch` rows a call, each call
  padded to one of `buckets`: one compilation a bucket. A request that fits no
  bucket has failed. It runs on the first device of its process.

  Args:
    policy: the model's functions.
    params: its parameters; they may be dropped afterwards.
    tokenizer: of the model.
    answer_tokens: longest answer.
    batch: rows of one call.
    buckets: padded lengths of notes and question in tokens, ascending.
    instructions: what every request begins with.
  """
  form = make_form(tokenizer, instructions)
  respond = _responder(policy, params, tokenizer, form, answer_tokens, buckets)

  def answer(rows: Sequence[Sequence[int]]) -> list[str]:
    size = next(b for b in buckets if len(rows[-1]) <= b)
    # The last call is filled with copies: they end when their original does.
    filled = [*rows, *[rows[-1]] * (batch - len(rows))]
    tokens, mask = respond(*buckets_lib.pad(filled, size, tokenizer.pad_id))
    return [
      chat.answer_text(tokenizer.decode(tokens[i][mask[i]].tolist()))
      for i in range(len(rows))
    ]

  def read(requests: Sequence[Request]) -> list[str | None]:
    prompts = [prompt(r, form, tokenizer, buckets[-1]) for r in requests]
    order = [i for i, ids in enumerate(prompts) if ids is not None]
    order.sort(key=lambda i: len(prompts[i]))
    answers: list[str | None] = [None] * len(requests)
    for start in range(0, len(order), batch):
      part = order[start : start + batch]
      said = answer([prompts[i] for i in part])
      for i, text in zip(part, said, strict=True):
        answers[i] = text
    return answers

  return protocol.cached(read)


def from_config(config: Any) -> protocol.Reader:
  """Loads reading.model and makes it the reader that `config` asks for."""
  from mem_alpha_jax.pretrained import registry

  r = config.reading
  model = registry.open_model(r.model)
  return make_reader(
    policy_lib.make_policy(model.config),
    model.load(None, model.config.dtype),
    model.tokenizer,
    answer_tokens=r.answer_tokens,
    batch=r.batch,
    buckets=r.buckets,
  )


def _responder(
  policy, params, tokenizer, form: Form, answer_tokens: int, buckets
) -> Callable:
  """Returns (own [N, C], own_length [N]) -> tokens and mask [N, R] on host."""
  head, head_length = buckets_lib.pad(
    [form.head], len(form.head), tokenizer.pad_id
  )
  jit = functools.partial(jax.jit, compiler_options=policy.options)
  shared = jit(policy.prefill)(params, head, head_length)
  size = len(form.head) + buckets[-1] + answer_tokens
  layers = jit(policy.prepare, static_argnums=1)(params, size)
  respond = jit(
    sampler.make_responder(
      policy,
      answer_tokens,
      eos_id=tokenizer.eos_id,
      pad_id=tokenizer.pad_id,
      greedy=True,
    )
  )

  def run(own, own_length):
    n = len(own)
    forced = np.full((1, n, 1), -1, np.int32)
    out = respond(layers, shared, own[None], own_length[None], forced, _keys(n))
    return np.asarray(out.tokens)[0], np.asarray(out.mask)[0]

  return run


@functools.cache
def _keys(n: int):
  """Keys [1, n] that greedy decoding takes and does not use."""
  return jax.random.split(jax.random.key(0), (1, n))
