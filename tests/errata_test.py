"""Golds that are known to be wrong: marked, dropped, and both scores."""

import json
import re

import pytest

from configs import tiny
from mem_alpha_jax.data import errata, pipeline
from mem_alpha_jax.report import statistics, tables
from mem_alpha_jax.types import ERRATUM

LISTS = sorted(errata._FOLDER.glob('*.json'))


@pytest.mark.parametrize('path', LISTS, ids=lambda p: p.stem)
def test_a_list_has_facts_alone(path):
  for found in json.loads(path.read_text()).values():
    assert re.fullmatch('[0-9a-f]{8}', found['digest'])
    assert found['reason'] and '"' not in found['reason']
    assert set(found) <= {'digest', 'reason', 'said'}


def _dialogue(tmp_path, question):
  (tmp_path / 'locomo').mkdir()
  data = {
    'session_1_date_time': '1:00 pm on 1 May, 2023',
    'session_1': [{'speaker': 'Ada', 'dia_id': 'D1:1', 'text': 'Hi.'}],
    'qa': [{'question': q, 'answer': 'May', 'category': 4, 'evidence': []}
           for q in ('When?', question)],
  }  # fmt: skip
  (tmp_path / 'locomo' / '7.json').write_text(json.dumps(data))
  return tiny.get_config(f'data.source=locomo,data.root={tmp_path}')


@pytest.mark.parametrize('question, asked', [('Who?', 1), ('Whom?', 2)])
def test_marked_questions_are_dropped_by_a_field(
  tmp_path, monkeypatch, question, asked
):
  wrong = errata._Erratum(
    digest=errata.content.digest('Who?\nMay').hex()[:8], reason='in June'
  )
  monkeypatch.setattr(errata, '_list', lambda source: {'7/1': wrong})
  config = _dialogue(tmp_path, question)
  (episode,) = pipeline.make_source(config, 'test')
  kinds = [q.type for q in episode.questions]
  assert kinds == ['single_hop', 'single_hop' + (2 - asked) * ERRATUM]
  config.data.errata = 'dropped'
  (episode,) = pipeline.make_source(config, 'test')
  assert [q.type for q in episode.questions] == ['single_hop'] * asked


def test_tables_show_both_scores():
  answers = [
    statistics.Answer(i, kind, score)
    for i in (0, 1)
    for kind, score in (('a', 1.0), ('a', 1.0), ('b' + ERRATUM, 0.0))
  ]
  of = lambda some: statistics.accuracies(
    statistics.count_answers(some, 2)[0], ['locomo'] * 2
  )
  both = of(answers)
  assert both['accuracy'] == pytest.approx(2 / 3)
  assert both['without_errata']['accuracy'] == 1
  assert both['without_errata']['questions'] == 4
  plain = of([a for a in answers if a.type == 'a'])
  assert 'without_errata' not in plain
  shown = tables.type_table({'after': {**both, 'lenient': both}})
  assert re.search(r'without_errata +1\.000 / 1\.000', shown)
  assert 'without_errata' not in tables.type_table(
    {'after': {**plain, 'lenient': plain}}
  )
