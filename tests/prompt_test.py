"""Layout of the prompts, by a tokenizer of whole words."""

import ml_collections
import pytest
import small_calls

from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.recall import view as view_lib
from mem_alpha_jax.roles import prompt

Op = state_lib.Op


class Words:
  """One id a word or symbol, so that ids can be read back."""

  bos_id = 1

  def __init__(self):
    self.ids = {'<s>': 1}

  def symbol(self, name):
    return self.ids.setdefault(name, len(self.ids) + 1)

  def encode_text(self, text):
    return [self.symbol(word) for word in text.split()]

  encode = encode_text

  def read(self, ids):
    names = {i: word for word, i in self.ids.items()}
    return ' '.join(names[i] for i in ids)


def memory_config(**changes):
  base = dict(
    core_tokens=2,
    entry_tokens=3,
    view='retrieved',
    view_entries=2,
    fixed_width=True,
    prompt_format='compact',
    prompt_order='chunk_first',
  )
  return ml_collections.ConfigDict(base | changes)


def entry(i, text, kind='semantic', step=0):
  return state_lib.Entry(i, kind, text, step, i, 1)


VIEW = (entry(4, 'Marta baker'), None)


def render(view=VIEW, chunk='Marta met Ola', core='', budget=None, **changes):
  words = Words()
  room = budget and prompt.Room(budget, 1)
  state = state_lib.empty()._replace(core=core)
  made = prompt.compact(
    words, chunk, state, view, memory_config(**changes), room
  )
  return made, words.read(made.prefix), words.read(made.own)


def test_chunk_first_fixed_width():
  made, prefix, own = render()
  assert prefix == (
    '<s> Marta met Ola <sem> Marta baker <null> <1> '
    '<null> <null> <null> <null> <2> <sep>'
  )
  assert own == '<call>'
  assert (made.truncated, made.view) == (0, VIEW)


def test_memory_first_and_variable_width():
  made, prefix, _ = render(
    core='likes tea', prompt_order='memory_first', fixed_width=False
  )
  assert prefix == (
    '<s> <core> likes tea <sem> Marta baker <1> <sep> Marta met Ola'
  )


def test_handles_are_places_of_the_view():
  view = (None, entry(3, 'sang', 'episodic'))
  _, prefix, _ = render(view, fixed_width=False)
  assert prefix == '<s> Marta met Ola <epi> sang <2> <sep>'


@pytest.mark.parametrize('notes', [[], ['a'], ['a b c', 'a b c d e']])
def test_fixed_width_does_not_tell_how_full_the_memory_is(notes):
  view = [entry(i, text) for i, text in enumerate(notes)]
  view += [None] * (2 - len(view))
  made, _, _ = render(tuple(view))
  assert len(made.prefix) == 1 + 3 + 2 * (3 + 2) + 1


def test_trial_truncation_is_counted():
  made, prefix, _ = render(
    (entry(1, 'a b c d e'), None), 'u v w x', 'core is long', budget=17
  )
  assert len(made.prefix) == 17
  assert prefix.startswith('<s> w x <core> core is <sem> a b c <1>')
  # The core loses 1 id, the note 2, the chunk its 2 oldest.
  assert (made.truncated, made.cut_entries) == (5, 1)
  made, prefix, _ = render(chunk='u v', budget=3)
  assert prefix.startswith('<s> <sem>') and made.truncated == 2


def test_no_handle_for_a_tenth_entry():
  config = memory_config(view_entries=10)
  with pytest.raises(ValueError, match='memory.view_entries=10'):
    prompt.check(config)


def filled():
  state = state_lib.empty()
  limits = state_lib.Limits(9, 9, 9)
  calls = [
    *(
      Op('insert', kind, text)
      for kind, text in (
        ('semantic', 'a'),
        ('episodic', 'b'),
        ('semantic', 'c'),
      )
    ),
    Op('update', 'semantic', 'd', 1),
  ]
  for step, op in enumerate(calls):
    state, _ = execution.apply(state, op, limits, len, step)
  return state


def ids(view):
  return [item and item.id for item in view]


def test_newest_view_goes_by_the_last_write():
  state = filled()
  config = memory_config(view='newest')
  assert ids(view_lib.newest(state, config)) == [1, 3]
  config = memory_config(view='newest', prompt_format='chat')
  assert ids(view_lib.newest(state, config)) == [1, 2, 3, None]
  config = memory_config(view='newest', prompt_format='reference')
  assert ids(view_lib.newest(state, config)) == [3, 2, 1, None]


def test_view_feeds_the_parser():
  view = (filled().by_slot[1],)
  response = small_calls.parse('<del><1>', view)
  assert response.calls[0].op == Op('delete', 'episodic', '', 2)
