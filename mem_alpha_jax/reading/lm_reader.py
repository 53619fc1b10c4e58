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

from mem_alpha_jax import policy as policy_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.sampling import buckets as buckets_lib
from mem_alpha_jax.sampling import sampler

_HERE = '\x00'  # stands for the user's text when the chat is rendered


class Instructions(NamedTuple):
  """What every request begins with: a task, and examples of it answered."""

  task: str
  examples: tuple[tuple[protocol.Request, str], ...] = ()


def example(
  answer: str, question: str, *notes: str
) -> tuple[protocol.Request, str]:
  """An example whose best note is the first."""
  found = tuple(protocol.Note('semantic', text, 0) for text in notes)
  return protocol.Request(question, found), answer


# Chosen with SmolLM2-135M on the validation split of the synthetic world
# (experiments/lm_reader): it finds the note that answers more often when it
# says it whole than when it names the value alone.
INSTRUCTIONS = Instructions(
  'Answer the question from the notes in one short sentence.',
  (
    example(
      'Paul has a job as a farmer.',
      'What job does Paul have?',
      'Paul has a job as a farmer.',
      'On 3 May Paul went to the museum.',
      "Paul's hobby is chess.",
    ),
    example(
      'On 12 March Tom went to the park.',
      'When did Tom go to the park?',
      'On 12 March Tom went to the park.',
      'On 9 June Tom went to the zoo.',
      'On 9 June Nora went to the beach.',
    ),
    example(
      "Leo's boss is Hugo.",
      "Who is Leo's boss?",
      "Leo's boss is Hugo.",
      "Hugo's boss is Anna.",
      "Anna's boss is Leo.",
    ),
    example(
      'My home is in Rome.',
      'Where is my home?',
      'My home is in Rome.',
      'My boss is Anna.',
      "Anna's home is in Oslo.",
    ),
  ),
)


class Form(NamedTuple):
  """A chat cut where the user's text goes.

  Attributes:
    head: ids before it, the same for every request.
    tail: ids after it, up to where the answer begins.
  """

  head: list[int]
  tail: list[int]


def make_form(tokenizer: Any, instructions: Instructions) -> Form:
  """Cuts the tokenizer's chat template around the user's text.

  A tokenizer without a template gets plain text that ends in 'Answer:'.
  """
  pairs = [(user_text(r, r.notes), said) for r, said in instructions.examples]
  template = getattr(tokenizer, 'chat_template', None)
  if template:
    from mem_alpha_jax.data import chat_template  # needs jinja2

    messages = [{'role': 'system', 'content': instructions.task}]
    for asked, said in pairs:
      messages.append({'role': 'user', 'content': asked})
      messages.append({'role': 'assistant', 'content': said})
    messages.append({'role': 'user', 'content': _HERE})
    values = getattr(tokenizer, 'template_values', {})
    text = chat_template.render(
      template, messages, enable_thinking=False, **values
    )
  else:
    parts = [f'{asked}\nAnswer: {said}' for asked, said in pairs]
    text = '\n\n'.join([instructions.task, *parts, f'{_HERE}\nAnswer:'])
  head, tail = text.split(_HERE)
  return Form(tokenizer.encode(head), tokenizer.encode(tail))


def user_text(request: protocol.Request, notes: Sequence[protocol.Note]) -> str:
  """Core and notes a line each, the best note last, then the question."""
  lines = [request.core] if request.core else []
  lines += [f'- {note.text}' for note in reversed(notes)]
  return '\n'.join(['Notes:', *lines, '', f'Question: {request.question}'])


def prompt(
  request: protocol.Request, form: Form, tokenizer: Any, longest: int
) -> list[int] | None:
  """Ids of a row's own context, at most `longest`.

  Notes that do not fit are left out, the worst first. None if the question
  does not fit without any.
  """
  for kept in range(len(request.notes), -1, -1):
    text = user_text(request, request.notes[:kept])
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
  instructions: Instructions = INSTRUCTIONS,
) -> protocol.Reader:
  """Returns a reader that answers with the first line the model says.

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
      first_line(tokenizer.decode(tokens[i][mask[i]].tolist()))
      for i in range(len(rows))
    ]

  def read(requests: Sequence[protocol.Request]) -> list[str | None]:
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
  from mem_alpha_jax import pretrained  # needs the packages of real models

  r = config.reading
  model = pretrained.open_model(r.model)
  return make_reader(
    policy_lib.make_policy(model.config),
    model.load(None, model.config.dtype),
    model.tokenizer,
    answer_tokens=r.answer_tokens,
    batch=r.batch,
    buckets=r.buckets,
  )


def first_line(text: str) -> str:
  """The first line that is not empty, without spaces around it."""
  return text.strip().split('\n')[0].strip()


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
