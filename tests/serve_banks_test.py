"""The kept slot arrays of namespaces beside those that are built again."""

import numpy as np

from configs import tiny
from mem_alpha_jax.memory import batch, execution, slots
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.memory.state import Limits, Op
from mem_alpha_jax.recall import embedders
from mem_alpha_jax.serve import banks, events

LIMITS = Limits(8, 64, 256, None)
CONFIG = tiny.get_config('memory.slots=4,memory.entry_tokens=2')


class Embed:
  """Hashed words, and the texts that were embedded."""

  def __init__(self):
    self.texts = []

  def __call__(self, texts):
    self.texts += texts
    return embedders.hashed(texts, 8)


def after(now, *ops):
  """The position when a part with these calls was lived through."""
  state = now.state
  for op in ops:
    state, _ = execution.apply(state, op, LIMITS, len, now.clock)
  return events.step(now, events.Part(log=tuple(state.log)))


def check(kept, asked):
  """The bank is the one that is built of the same states."""
  bank = kept.bank(*zip(*asked, strict=True))
  states = [now.state for _, now in asked]
  width = bank.term_ids.shape[2]
  size = batch.slots_needed(states, CONFIG)
  built = slots.from_states(states, size, width, Embed())
  for mine, theirs in zip(
    (bank.embedding, bank.term_ids, bank.valid),
    (built.embedding, built.term_ids, built.valid),
    strict=True,
  ):
    np.testing.assert_array_equal(mine, theirs)


def a_call(rng, state):
  """An insert, or a change of a note that there is; texts of any length."""
  text = ' '.join(f'w{n}' for n in rng.integers(0, 99, rng.integers(1, 12)))
  found = state_lib.entries(state)
  what = rng.choice(['insert', 'insert', 'update', 'delete'])
  if what == 'insert' or not found:
    return Op('insert', str(rng.choice(state_lib.LISTS)), text)
  entry = found[rng.integers(len(found))]
  return Op(str(what), entry.kind, text, entry.id)


def test_kept_arrays_are_those_of_a_bank_that_is_built_again():
  """Two memories that grow and shrink, also asked where they were before."""
  rng, kept = np.random.default_rng(0), banks.Banks(CONFIG, Embed())
  past = {name: [events.Position()] for name in ('ana', 'bob')}
  for _ in range(60):
    name = str(rng.choice([*past]))
    now = past[name][-1]
    if rng.random() < 0.1:  # what was written is not stored, or undone
      now = past[name][rng.integers(len(past[name]))]
    for _ in range(rng.integers(1, 4)):
      now = after(now, a_call(rng, now.state), a_call(rng, now.state))
    past[name].append(now)
    old = past[name][rng.integers(len(past[name]))]
    check(kept, [(name, now), (name, old), ('bob', past['bob'][-1])])
  assert (
    max(now.state.top for now in past['ana']) > 8
  )  # so that slots have doubled


def test_only_what_changed_is_encoded():
  now, embed = events.Position(), Embed()
  for n in range(40):
    now = after(now, Op('insert', 'semantic', f'fact{n} is new'))
  kept = banks.Banks(CONFIG, embed)
  kept.bank(['ana'], [now])
  assert len(embed.texts) == 40
  written = after(now, Op('insert', 'semantic', 'one more'))
  # As it is read back from the store: the same calls, another mark.
  stored = after(now, Op('insert', 'semantic', 'one more'))
  for position in (now, written, now, stored, stored):
    kept.bank(['ana'], [position])
  assert embed.texts[40:] == ['one more'] * 2
  kept.bank(['bob'], [now])
  assert len(embed.texts) == 82


def test_kept_bytes_are_bounded_and_the_oldest_go():
  now, embed = events.Position(), Embed()
  now = after(now, Op('insert', 'semantic', 'one two'))
  a_memory = 1 + 2 * 4 + 8 * 4  # bytes of one slot of 2 terms and 8 floats
  kept = banks.Banks(CONFIG, embed, most_bytes=2 * a_memory)
  for name in ('ana', 'bob', 'ana', 'cid', 'ana', 'bob'):
    kept.bank([name], [now])
  assert len(embed.texts) == 4 and kept._bytes == 2 * a_memory
