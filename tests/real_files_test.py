"""Sources on the real files: counts that are made here by other means.

The files are in ../shared/data, and tests are skipped where they are not. What
LoCoMo, RealMem and others leave out is in the tests of their readers.
"""

import collections
import csv
import json
import pathlib

import pytest

from configs import tiny
from mem_alpha_jax.data import (
  babi,
  booksum,
  content,
  hotpotqa,
  label_files,
  locomo,
  longmemeval,
  mixture,
  pipeline,
  squad,
)

REAL = pathlib.Path(__file__).parents[1] / '../shared/data'
pytestmark = pytest.mark.skipif(
  not REAL.exists(), reason='no files in ../shared/data'
)


def _json(name):
  return json.loads((REAL / name).read_text())


def _words(text):
  return len(text.split())


def _built(name):
  """Episodes and questions that a build has, by split."""
  built = {s: mixture.build(str(REAL), name, s, 0, _words)
           for s in content.SPLITS}  # fmt: skip
  return {s: (len(e), sum(len(x.questions) for x in e))
          for s, e in built.items()}  # fmt: skip


def test_squad():
  articles = _json('squad/train-v1.1.json')['data']
  paragraphs = [p for article in articles for p in article['paragraphs']]
  found = squad.load(str(REAL))
  assert len(articles) == 36 and len({p.title for p in found}) == 36
  assert len(found) == len({p['context'] for p in paragraphs})
  asked = sum(len(p['qas']) for p in paragraphs)
  assert sum(len(p.questions) for p in found) == asked
  assert _built('squad') == {'train': (3, 300), 'validation': (1, 65)}


def test_hotpotqa_loses_no_question():
  every = _json('hotpotqa/hotpot_train_v1.1.json')
  found = list(hotpotqa.load(str(REAL)))
  assert [i.question for i in found] == [r['question'].strip() for r in every]
  for item, row in zip(found, every, strict=True):
    titles = {title for title, _ in row['supporting_facts']}
    assert {title for title, _ in item.articles} == titles
  built = _built('hotpotqa')
  assert sum(asked for _, asked in built.values()) == len(every) == 100
  assert built['validation'][1] == 5


def test_booksum():
  lines = (REAL / 'booksum/chapters/train.jsonl').read_text().splitlines()
  chapters = [json.loads(line) for line in lines]
  found = booksum.load(str(REAL))
  assert len(found) == sum(bool(c['summary']) for c in chapters) == 24
  assert [c.text for c in found] == [c['text'].strip() for c in chapters]


@pytest.mark.parametrize('name', ['oracle', 's'])
def test_longmemeval(name):
  path = f'longmemeval/longmemeval_{name}.json'
  every = _json(path)
  for turns in (0, 1):
    found = longmemeval.load([REAL / path], turns)
    assert len(found) == len(every) == {'oracle': 18, 's': 2}[name]
    for episode, row in zip(found, every, strict=True):
      history = row['haystack_sessions']
      assert len(episode.sessions) == len(history)
      sizes = sorted(max(len(s), 1) if turns else 1 for s in history)
      assert sorted(episode.sessions) == sizes
      (question,) = episode.questions
      assert question.text.endswith(row['question'])
      assert question.answer == str(row['answer'])


def test_factconsolidation():
  (row,) = _json('memoryagentbench/factconsolidation_sh_6k.json')
  config = tiny.get_config(f'data.source=memoryagentbench,data.root={REAL}')
  (episode,) = pipeline.make_source(config, 'test')
  lines = [line for line in row['context'].split('\n') if line.strip()]
  assert list(episode.chunks) == lines and len(lines) == 456
  facts = [line for line in lines if line.split('.')[0].isdigit()]
  assert len(facts) == 455
  assert [q.text for q in episode.questions] == row['questions']
  golds = [[q.answer, *q.others] for q in episode.questions]
  assert golds == [list(dict.fromkeys(some)) for some in row['answers']]


@pytest.mark.parametrize('number', [26, 30, 41])
def test_locomo(number):
  data = _json(f'locomo/{number}.json')
  (dialogue,) = [d for d in locomo.load(str(REAL)) if d.uid == number]
  sessions = [v for k, v in data.items()
              if k.startswith('session_') and isinstance(v, list)]  # fmt: skip
  assert len({turn.session for turn in dialogue.turns}) == len(sessions)
  assert len(dialogue.turns) == sum(map(len, sessions))
  assert len(dialogue.questions) == len(data['qa'])
  kinds = collections.Counter(
    q.category.removesuffix('_erratum').removesuffix('_answered')
    for q in dialogue.questions
  )
  rows = collections.Counter(row['category'] for row in data['qa'])
  names = locomo.CATEGORIES | {5: locomo.ADVERSARIAL}
  assert kinds == {names[k]: n for k, n in rows.items()}


def _table(name, delimiter):
  with (REAL / name).open(encoding='utf-8-sig', newline='') as file:
    return list(csv.DictReader(file, delimiter=delimiter))


def test_labelled_texts():
  load = lambda name: collections.Counter(
    label for _, label in label_files.load(str(REAL), name)
  )
  banking = _table('banking77/train.csv', ',')
  assert load('banking77') == collections.Counter(
    r['category'] for r in banking
  )
  nlu = _table('nlu/NLU-Data-Home-Domain-Annotated-All.csv', ';')
  told = [r for r in nlu if r['answer'].strip().lower() not in ('', 'null')
          and not r['status'].startswith('IRR_')]  # fmt: skip
  labels = [f'{r["scenario"]}_{r["intent"]}' for r in told]
  assert load('nlu') == collections.Counter(labels) and len(told) == 9922
  lines = (REAL / 'trec/train_5500.label').read_bytes().decode('latin-1')
  fine = [line.split(' ')[0] for line in lines.splitlines() if line.strip()]
  assert load('trec_fine') == collections.Counter(fine)
  coarse = collections.Counter(label.split(':')[0] for label in fine)
  assert load('trec_coarse') == coarse and coarse.total() == 5452
  clinc = _json('clinc150/data_train_val.json')
  scope = [label for part in ('train', 'val') for _, label in clinc[part]]
  assert load('clinc150') == collections.Counter(scope)
  out = len(clinc['oos_train']) + len(clinc['oos_val'])
  with_out = load('clinc150_oos')
  assert with_out['oos'] == out and with_out.total() == len(scope) + out


def _tasks():
  """Files of bAbI; reading all of them takes 20 seconds."""
  for path in sorted(REAL.glob('babi/*.txt')):
    task = path.stem.split('_')[0]
    marks = () if task in ('qa1', 'qa6', 'qa20') else pytest.mark.slow
    yield pytest.param(path, marks=marks, id=task)


@pytest.mark.parametrize('path', [*_tasks()])
def test_babi(path):
  task = path.stem.split('_')[0]
  lines = path.read_text().splitlines()
  found = [e for split in content.ALL_SPLITS
           for e in babi.load(str(REAL), task, split)]  # fmt: skip
  assert len(found) == sum(line.split(' ')[0] == '1' for line in lines)
  asked = sum('\t' in line for line in lines)
  assert sum(len(e.questions) for e in found) == asked
  assert sum(len(e.chunks) for e in found) == len(lines) - asked
