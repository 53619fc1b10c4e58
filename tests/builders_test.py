"""The mixture and its builds, from raw files to episodes, on made-up files."""

import collections
import json
import pathlib
import subprocess
import sys

import grain
import pyarrow
import pyarrow.parquet as parquet
import pytest
import small_raw

from mem_alpha_jax.data import (
  leakage,
  mixture,
  prepared,
  sources,
)
from mem_alpha_jax.data.builders import held_out
from mem_alpha_jax.data.builders import (
  memory_episodes_dataset_builder as builder,
)
from mem_alpha_jax.text import tokenizer
from mem_alpha_jax.types import Episode


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  """Raw files of all sources, a tokenizer, and a build of the mixture."""
  root = tmp_path_factory.mktemp('mixture')
  for write in small_raw.ALL:
    write(root / 'raw')
  words = small_raw.Words(9)
  texts = [words.text(20) for _ in range(50)]
  (root / 'tokenizer.model').write_bytes(tokenizer.train(texts, 340, ()))
  folder = _build(root, 'mixture')
  return root, pathlib.Path(folder)


def _build(root, dataset, **changed):
  arguments = dict(
    raw=str(root / 'raw'),
    data_dir=str(root / 'built'),
    tokenizer=str(root / 'tokenizer.model'),
  )
  return builder.build(dataset, **arguments | changed)


def test_build_writes_what_the_mixture_is(made):
  root, folder = made
  count = builder.counter(str(root / 'tokenizer.model'))
  for split in ('train', 'validation'):
    pools = [
      mixture.build(str(root / 'raw'), s, split, 0, count, capped=True)
      for s in mixture.mixed()
    ]
    found = prepared.load('mixture', split, str(root / 'built'))
    assert list(found) == mixture.mix(pools, 0)
    assert found[-1] == found[len(found) - 1] and found[:2] == [*found][:2]
    with pytest.raises(IndexError, match=f'of {len(found)}'):
      found[len(found)]
    sizes = collections.Counter(e.source for e in found)
    assert set(sizes) == set(mixture.mixed())
    for source, number in sizes.items():
      limits = mixture.built()[source]
      most = limits.cap if split == 'train' else limits.validation
      assert number <= most
    assert len({e.uid for e in found}) == len(found)
  assert 'tensorflow' not in sys.modules
  assert not [*folder.parent.glob('incomplete*')]


def test_card_counts_what_is_there(made):
  root, folder = made
  card = json.loads((folder / 'card.json').read_text())
  count = builder.counter(str(root / 'tokenizer.model'))
  for split in ('train', 'validation'):
    episodes = prepared.load('mixture', split, str(root / 'built'))
    squad = [e for e in episodes if e.source == 'squad']
    assert card['splits'][split]['squad'] == {
      'instances': len(squad),
      'chunks': sum(len(e.chunks) for e in squad),
      'tokens': sum(count(c) for e in squad for c in e.chunks),
      'questions': sum(len(e.questions) for e in squad),
    }
  assert set(card['held_out']) == {
    'validation', 'nlu test', 'trec_coarse test', 'trec_fine test',
    'pubmed_rct test',
  }  # fmt: skip
  assert set(card['overlap']) == set(mixture.mixed())
  assert all(n == 0 for row in card['overlap'].values() for n in row.values())
  row = card['splits']['train']['nlu']
  columns = ('instances', 'chunks', 'tokens', 'questions')
  line = '| nlu | ' + ' | '.join(f'{row[c]:,}' for c in columns) + ' |'
  assert row['instances'] == 49
  assert line in (folder / 'card.md').read_text().splitlines()


def test_grain_reads_the_built_split(made):
  root, _ = made
  source = prepared.load('mixture', 'train', str(root / 'built'))
  dataset = grain.MapDataset.source(source).seed(0).shuffle()
  assert sorted(e.uid for e in dataset) == sorted(e.uid for e in source)


def test_another_seed_gives_other_episodes(made):
  root, _ = made
  count = builder.counter(str(root / 'tokenizer.model'))
  raw = str(root / 'raw')
  first, again, other = (
    mixture.build(raw, 'nlu', 'train', seed, count) for seed in (0, 0, 1)
  )
  assert first == again != other
  assert len(first) == mixture.built()['nlu'].train
  test = {'test': mixture.build(raw, 'nlu', 'test', 0, count)}
  assert not leakage.find(other, test)


@pytest.mark.parametrize(
  ('dataset', 'kind'),
  [('squad', 'question'), ('squad', 'paragraph'), ('nlu', 'sample')],
)
def test_planted_overlap_fails_the_build_and_leaves_nothing(
  made, tmp_path, dataset, kind
):
  root, _ = made
  raw, model = str(root / 'raw'), str(root / 'tokenizer.model')
  count = builder.counter(model)
  train = mixture.build(raw, dataset, 'train', 0, count)
  chunks, asked = train[0].chunks[:1], train[0].questions[:1]
  if kind == 'question':
    chunks = ()
  elif kind == 'paragraph':
    asked = ()
  planted = {'exam': [Episode(0, 'exam', chunks, asked)]}
  with pytest.raises(ValueError, match=f'{kind} of {dataset}.*in exam'):
    builder.build(dataset, raw, str(tmp_path), model, held_out=planted)
  assert not [*tmp_path.glob('**/*.array_record*'), *tmp_path.glob('**/card.*')]


def _parquet(path, context, questions, source):
  row = {
    'context': context,
    'questions': questions,
    'answers': [['x']] * len(questions),
    'metadata': {'source': source},
  }
  parquet.write_table(pyarrow.Table.from_pylist([row]), path)


def _exam(name, folder, episode):
  """Writes a set that has text of an episode of training; returns its path."""
  question, chunk = episode.questions[0], episode.chunks[0]
  path = folder / f'{name}.parquet'
  if name == 'locomo':
    path = folder / '7.json'
    small_raw.locomo_file(path, ['Hi!', chunk.split('\n')[2]], [('Why?', 'x')])
  elif name == 'longmemeval':
    path = folder / 'longmemeval_s.json'
    said = [[{'role': 'user', 'content': 'Hi!'}]]
    row = small_raw.longmemeval_row('q', question.text.split('] ')[1], said)
    path.write_text(json.dumps([row]))
  elif name == 'memoryagentbench':
    text = question.text.rpartition('Sample: ')[2]
    source = 'icl_nlu_8296shot_balance'
    _parquet(path, f'a b\nlabel: 1\n{text}\nlabel: 2', ['c d'], source)
  else:
    asked = (question._replace(first=0, last=0),)
    small_raw.memalpha(path, [Episode(0, 'squad', ('Hi!',), asked)])
  return path


@pytest.mark.parametrize(
  ('name', 'dataset', 'message'),
  [
    ('locomo', 'squad', 'paragraph of squad .* in locomo: '),
    ('longmemeval', 'lme_train', 'question of lme_train .* in longmemeval: '),
    ('memoryagentbench', 'nlu',
     'sample of nlu .* in memoryagentbench icl_nlu_8296shot_balance: '),
    ('memalpha', 'squad', 'question of squad .* in memalpha squad: '),
  ],
)  # fmt: skip
def test_training_is_compared_with_files_of_evaluation_sets(
  made, tmp_path, name, dataset, message
):
  root, _ = made
  raw, model = str(root / 'raw'), str(root / 'tokenizer.model')
  count = builder.counter(model)
  train = mixture.build(raw, dataset, 'train', 0, count)
  path = _exam(name, tmp_path, train[0])
  exam = held_out.read([f'{name}={path}'])
  assert exam == held_out.read([f'{name}={tmp_path}'])  # all that it holds
  built = tmp_path / 'built'
  with pytest.raises(ValueError, match=message):
    builder.build(dataset, raw, str(built), model, held_out=exam)


def test_the_card_counts_overlap_with_files_that_are_held_out(made, tmp_path):
  root, _ = made
  raw, model = str(root / 'raw'), str(root / 'tokenizer.model')
  train = mixture.build(raw, 'lme_train', 'train', 0, builder.counter(model))
  path = _exam('longmemeval', tmp_path, train[0])
  exam = held_out.read([f'longmemeval={path}'])
  folder = builder.build(
    'lme_train', raw, str(tmp_path), model, held_out=exam, drop=True
  )
  card = json.loads((pathlib.Path(folder) / 'card.json').read_text())
  found = {'question': 1, 'sample': 0, 'paragraph': 0}
  assert card['overlap'] == {'lme_train': found}
  assert card['held_out']['longmemeval'] == 1
  assert len(prepared.load('lme_train', 'train', str(tmp_path))) == 5


def test_what_is_held_out_is_named_if_it_cannot_be_read(tmp_path):
  for item in ('locmo=x', 'locomo', 'locomo='):
    with pytest.raises(ValueError, match=f'--held_out={item}: .*longmemeval'):
      held_out.read([item])
  for name in held_out.names():
    suffix, _ = sources.SOURCES[name].held_out
    with pytest.raises(FileNotFoundError, match=f'={name}={tmp_path}: no'):
      held_out.read([f'{name}={tmp_path}'])
    path = tmp_path / f'1{suffix}'
    with pytest.raises(FileNotFoundError, match=str(path)):
      held_out.read([f'{name}={path}'])
  (tmp_path / '1.json').write_text('[{}]')
  with pytest.raises(ValueError, match=r'1\.json: row 0: question_id: field'):
    held_out.read([f'longmemeval={tmp_path}'])


def test_overlap_of_raw_files_can_be_left_out(made, tmp_path):
  root, _ = made
  for write in (small_raw.squad, small_raw.perltqa):
    write(tmp_path / 'raw')
  path = tmp_path / 'raw' / 'squad' / 'train-v1.1.json'
  articles = json.loads(path.read_text())['data']
  there = articles[3]['paragraphs'][0]['qas'][0]  # article 3 is for validation
  articles[0]['paragraphs'][0]['qas'][0] = there
  path.write_text(json.dumps({'data': articles}))
  arguments = dict(
    raw=str(tmp_path / 'raw'),
    data_dir=str(tmp_path / 'built'),
    tokenizer=str(root / 'tokenizer.model'),
  )
  with pytest.raises(ValueError, match='^1 overlap.*question of squad.*valid'):
    builder.build('squad', **arguments)
  sources = ('squad', 'perltqa')
  folder = builder.build('mine', sources=sources, drop=True, **arguments)
  card = json.loads((pathlib.Path(folder) / 'card.json').read_text())
  assert card['overlap'] == {
    'perltqa': {'question': 0, 'sample': 0, 'paragraph': 0},
    'squad': {'question': 1, 'sample': 0, 'paragraph': 0},
  }
  assert card['left_out'] == 1
  assert 'left out for it: 1.' in (pathlib.Path(folder) / 'card.md').read_text()
  left = prepared.load('mine', 'train', arguments['data_dir'])
  texts = {q.text for e in left for q in e.questions}
  assert len(left) and there['question'] not in texts


def test_errors_say_what_to_do(made, tmp_path):
  root, _ = made
  with pytest.raises(FileExistsError, match='delete it'):
    _build(root, 'mixture')
  with pytest.raises(ValueError, match='a new one'):
    _build(root, 'unheard')
  with pytest.raises(ValueError, match='a new one'):
    _build(root, 'squad', sources=('squad',))
  with pytest.raises(ValueError, match='--tokenizer'):
    _build(root, 'nlu', tokenizer='')
  with pytest.raises(FileNotFoundError, match='clinc150'):
    _build(root, 'clinc150')
  with pytest.raises(ValueError, match="no source|no 'train' split of 'x'"):
    _build(root, 'other', sources=('squad', 'x'))
  with pytest.raises(FileNotFoundError, match='--dataset=nlu'):
    prepared.load('nlu', 'train', str(tmp_path))
  with pytest.raises(ValueError, match="no split 'test'"):
    prepared.load('mixture', 'test', str(root / 'built'))


def test_command_line_tells_an_overlap_in_one_line(made, tmp_path):
  made, _ = made
  command = [sys.executable, '-m', 'mem_alpha_jax.data.builders']
  articles = json.loads((made / 'raw/squad/train-v1.1.json').read_text())[
    'data'
  ]
  text = articles[0]['paragraphs'][0]['context']
  small_raw.locomo_file(tmp_path / '7.json', [text], [])
  row = small_raw.longmemeval_row('q', 'Who?', [[]])
  (tmp_path / 'lme.json').write_text(json.dumps([row]))
  flags = [
    f'--raw={made}/raw',
    f'--data_dir={tmp_path}/built',
    f'--tokenizer={made}/tokenizer.model',
    '--dataset=squad',
    f'--held_out=longmemeval={tmp_path}/lme.json,locomo={tmp_path}/7.json',
  ]
  root = pathlib.Path(__file__).parents[1]
  result = subprocess.run(
    [*command, *flags], capture_output=True, text=True, cwd=root
  )
  assert result.returncode == 2
  (line,) = [s for s in result.stderr.splitlines() if s.startswith('error: ')]
  assert 'paragraph of squad' in line and 'in locomo: ' in line
  assert 'Traceback' not in result.stderr


def test_too_little_text_is_an_error(tmp_path):
  small_raw.perltqa(tmp_path, people=1)
  with pytest.raises(ValueError, match='perltqa: .* no validation episode'):
    mixture.build(str(tmp_path), 'perltqa', 'validation', 0, len)


def test_the_caps_are_those_of_the_paper():
  built = mixture.built()
  assert sum(one.cap for one in built.values()) == 562  # its table 7
  assert sorted(one.block for one in built.values()) == [*range(len(built))]
