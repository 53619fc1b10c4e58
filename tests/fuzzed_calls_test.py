"""Whatever a model writes and whatever a chunk holds, at scale."""

import random
import sys

import pytest
import small_calls

from mem_alpha_jax.memory import (
  compact_calls,
  json_calls,
  notations,
  reference_tools,
  tools,
)
from mem_alpha_jax.memory import state as state_lib

Op = state_lib.Op
RESPONSES, PARTS = 200_000, 4
CHUNKS = 10_000
VIEW = [state_lib.Entry(i, 'semantic', '', 0, 0, 0) for i in (3, 7, 0x12)]
OPS = (
  Op('insert', 'semantic', 'Marta is a "baker".'),
  Op('update', 'semantic', 'Ünï 😀', 7),
  Op('update', 'core', 'x'),
  Op('delete', 'semantic', '', 3),
)
CALLS = [
  f(op) for f in (json_calls.render, reference_tools.render) for op in OPS
]
BITS = [
  *CALLS, *CALLS, 'Done.', '<think>', '</think>', '<tool_call>', '</tool_call>',
  '<tools>', '</tools>', '```json\n', '```', '<function=memory_insert>',
  '<parameter=content>', '</parameter>', '</function>', '{', '}', '[', ']', '"',
  "'", ',', ':', '\\', '\\u003c', '\\ud800', 'null', 'None', 'NaN', '1e999',
  '"name"', '"memory_insert"', '"arguments"', '"memory_id"', '3.0', '"#3"', ' ',
  '\n', '\x00', '\u2028', '\ufeff', 'é', '😀', '中', 'ﷺ', 'a' * 50, '9' * 5000,
  reference_tools.FUNCTION, reference_tools.ARGS, reference_tools.RESULT,
]  # fmt: skip


def mutated(rng):
  """Pieces of calls, then some characters cut, doubled or moved."""
  text = ''.join(rng.choices(BITS, k=rng.randrange(1, 7)))
  for _ in range(rng.randrange(3)):
    at = rng.randrange(len(text) + 1)
    end = min(at + rng.randrange(8), len(text))
    text = text[:at] + rng.choice(('', text[at:end] * 2, '"', '}')) + text[end:]
  return text


def ids_of(rng, names):
  """Symbols and text of the compact notation, and ids of no use."""
  tok, ids = small_calls.tokenizer(), []
  for _ in range(rng.randrange(8)):
    if rng.random() < 0.7:
      ids.append(tok.symbol(rng.choice(names)))
    else:
      ids.append(rng.randrange(tok.vocab_size))
  return ids


def check(response):
  assert response.noop == (not response.calls)
  for op, error, repairs in response.calls:
    assert (op is None) == bool(error)
    assert not error or tools.failure(error) in tools.FAILURES
    assert repairs <= set(tools.REPAIRS)
    if op is not None:
      op.text.encode()


@pytest.mark.slow
@pytest.mark.parametrize('part', range(PARTS))
def test_trial_no_response_raises(part):
  rng = random.Random(part)
  names = compact_calls.symbols()
  for i in range(RESPONSES // PARTS):
    if i % 3 == 0:
      ids = ids_of(rng, names)
      check(compact_calls.parse(small_calls.tokenizer(), ids, VIEW))
    elif i % 3 == 1:
      check(json_calls.parse(mutated(rng), VIEW))
    else:
      check(reference_tools.parse(mutated(rng), VIEW))


LONG = ['{', '[', '{"a":', '"', "'", '{"', "{'", '\\', '<think>', '<tool_call>']
LONG += ['<tool_call>{', '<function=', '<parameter=', '```', '</think>', '[1,']
LONG += ['{"name":"memory_insert"}', '<function=a><parameter=b>', '<tools>[']
LONG += [
  reference_tools.FUNCTION,
  f'{reference_tools.FUNCTION}a',
  ' ',
  '{"a": 1,',
]
LONG += [f'{reference_tools.FUNCTION}{reference_tools.ARGS}{{', '[' * 33 + '1,']


def calls_of(act):
  """How many functions are called, those in C too: work without a clock."""
  count = 0

  def called(frame, event, arg):
    nonlocal count
    del frame, arg
    count += event in ('call', 'c_call')

  before = sys.getprofile()
  sys.setprofile(called)
  try:
    act()
  finally:
    sys.setprofile(before)
  return count


@pytest.mark.parametrize('unit', LONG)
def test_trial_long_garbage_is_read_in_linear_work(unit):
  def garbage(size):
    return unit * (size // len(unit)), '<tool_call>' + unit * (size // 5)

  for parse in (json_calls.parse, reference_tools.parse):
    for short, long in zip(garbage(5_000), garbage(20_000), strict=True):
      check(parse(long, VIEW))
      few = calls_of(lambda parse=parse, text=short: parse(text, VIEW))
      many = calls_of(lambda parse=parse, text=long: parse(text, VIEW))
      assert many < 5 * few + 1000


HOSTILE = [
  *compact_calls.symbols(), *BITS[1:8], '<s>', '</s>', '<pad>', '<unk>',
  '<|im_start|>', '<|im_end|>', '<|endoftext|>', '<0x3C>', '\u2581<ins>',
  '[INST]', 'system\n', '\u2581', 'Marta has a job. ', '\ue000', '\ue001',
]  # fmt: skip


def hostile(count):
  rng = random.Random(7)
  for _ in range(count):
    yield ''.join(rng.choices(HOSTILE, k=rng.randrange(1, 6)))


def protocol_ids(tok):
  """Every id that no data may have."""
  named = getattr(tok, '_symbols', {}).values()
  return {tok.pad_id, tok.bos_id, tok.eos_id, *named}


def hf_tokenizer():
  pytest.importorskip('tokenizers')
  pytest.importorskip('gguf')
  from mem_alpha_jax.pretrained import registry

  try:
    return registry.open_model('smollm2').tokenizer
  except FileNotFoundError as error:
    pytest.skip(str(error))


@pytest.mark.parametrize(
  'make',
  [
    small_calls.tokenizer,
    pytest.param(hf_tokenizer, marks=pytest.mark.slow),
  ],
)
def test_trial_no_chunk_holds_a_protocol_id_or_a_call(make):
  tok = make()
  barred = protocol_ids(tok)
  compact = make is small_calls.tokenizer
  names = ('compact',) if compact else ('chat', 'reference')
  for chunk in hostile(CHUNKS):
    ids = tok.encode_text(chunk)
    assert barred.isdisjoint(ids)
    if not chunk.strip():
      continue
    op = Op('insert', 'semantic', chunk)
    for name in names:  # copied into a note it stays the text of that note
      notation = notations.NOTATIONS[name]
      said = notation.encode(tok, op, VIEW)
      assert notation.parse(tok, said, VIEW, '').calls == [tools.ParsedCall(op)]
    if compact:
      (call,) = compact_calls.parse(tok, ids, VIEW).calls
      assert call.op is None
