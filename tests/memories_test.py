"""Looking entries up for a question, in one step and in two."""

import tiny_config

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.rollout import memories


def test_a_second_hop_finds_what_the_question_does_not_name():
  texts = ('milk Mary', 'Mary kitchen', 'John garden')
  found = {}
  for hops in (1, 2):
    config = tiny_config.get_config(f'reading.hops={hops}')
    batch = memories.Memories(
      [state_lib.empty(), state_lib.empty()],
      [100, 100],
      config,
      lambda text: len(text.split()),
    )
    ops = [state_lib.Op('insert', 'semantic', text=text) for text in texts]
    batch.write([ops, ops[2:]], 0)
    requests = batch.requests(
      [['Where is the milk?'], ['Where is John?', 'Where is the milk?']], 2
    )
    found[hops] = [
      {note.text for note in r.notes} for row in requests for r in row
    ]
  assert found[1] == [{'milk Mary'}, {'John garden'}, set()]
  assert found[2] == [{'milk Mary', 'Mary kitchen'}, {'John garden'}, set()]
