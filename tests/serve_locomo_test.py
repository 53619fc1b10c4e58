"""A dialogue over REST is what an evaluation makes of it."""

import json

import pytest

from experiments.serve_locomo import run
from mem_alpha_jax.data import locomo
from mem_alpha_jax.serve import model as model_lib


@pytest.mark.slow
def test_a_dialogue_turn_by_turn_over_rest_is_the_evaluation(tmp_path):
  said = ['Ana has a job as a baker.', 'My home is in Oslo. I like it there!',
          "Tom's hobby is chess.", 'Ana has a job as a poet.']  # fmt: skip
  turns = [
    {'dia_id': f'D1:{i}', 'speaker': 'AB'[i % 2] + 'da', 'text': text}
    for i, text in enumerate(said, 1)
  ]
  ask = lambda question, answer, *evidence, category=4: {
    'question': question, 'answer': answer, 'category': category,
    'evidence': [f'D1:{i}' for i in evidence],
  }  # fmt: skip
  asked = [
    ask('What job does Ana have?', 'poet', 1, 4),
    ask("What is Tom's hobby?", 'chess', 3, category=1),
    ask('Where is Bda at home?', 'Oslo', 2),
  ]
  folder = tmp_path / 'locomo'
  folder.mkdir()
  (folder / '7.json').write_text(
    json.dumps(
      {'session_1': turns, 'session_1_date_time': '1 pm on 8 May, 2023',
       'qa': asked}
    )
  )  # fmt: skip
  (dialogue,) = locomo.load(str(tmp_path))
  assert len(run.cut(dialogue, 3).questions) == 2
  # Calls at random, and a note of most chunks.
  parts, params = model_lib.open_run(
    'configs/tiny.py', f'data.source=locomo,data.root={tmp_path}'
  )
  counts, served, evaluated = run.compare(parts, params, dialogue)
  assert served == evaluated and served.notes
  assert counts['turns'] == 4 and counts['chunks'] >= 4
  assert counts['same_notes'] and counts['same_answers'] == 3
  assert counts['score_over_rest'] == counts['score_offline']
