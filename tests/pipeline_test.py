"""The Grain pipeline: order, shares of processes, resuming, fixed sets."""

import itertools
import json

import grain
import pytest
import small_raw

from configs import tiny
from mem_alpha_jax.data import babi, pipeline
from mem_alpha_jax.types import Episode, Question

PEOPLE = ('Ada', 'Bob', 'Cyd', 'Dee')
PLACES = ('attic', 'cellar', 'porch', 'tower', 'stable')


@pytest.fixture(scope='module')
def root(tmp_path_factory):
  """qa1 and qa6 in miniature: 100 stories each."""
  root = tmp_path_factory.mktemp('data')
  (root / 'babi').mkdir()
  for task, question in (
    ('qa1', 'Where is {a}?\t{q}\t2'),
    ('qa6', 'Is {a} in the {q}?\tyes\t2'),
  ):
    rows = [
      f'1 {a} moved to the {p}.\n2 {a} went to the {q}.\n3 '
      + question.format(a=a, q=q)
      for a, p, q in itertools.product(PEOPLE, PLACES, PLACES)
    ]
    path = root / 'babi' / f'{task}_made-up_train.txt'
    path.write_text('\n'.join(rows))
  (root / 'banking77').mkdir()
  rows = [f'item {i} of {k} {k}s,{k}' for k in 'abcd' for i in range(90)]
  path = root / 'banking77' / 'train.csv'
  path.write_text('\n'.join(['text,category', *rows]))
  return root


@pytest.fixture(params=['synthetic', 'babi', 'banking77'])
def config(request, root):
  return _config(root, request.param)


def _config(root, source, more=''):
  return tiny.get_config(
    f'data.source={source},data.root={root},data.babi_tasks=qa1;qa6,'
    f'data.batch_episodes=6,data.train_chunks=3,data.labels=3{more}'
  )


def _take(config, count, split='train', **keywords):
  dataset = pipeline.make_dataset(config, split, **keywords)
  return list(itertools.islice(iter(dataset), count))


def _flat(batches):
  return list(itertools.chain.from_iterable(batches))


def test_batches_are_lists_of_whole_episodes(config):
  for batch in _take(config, 2):
    assert type(batch) is list and len(batch) == 6
    assert {e.source for e in batch} == {config.data.source}
    assert all(isinstance(chunk, str) for e in batch for chunk in e.chunks)
    assert all(isinstance(q.answer, str) for e in batch for q in e.questions)


def test_a_batch_may_be_one_episode(config, root):
  alone = _config(root, config.data.source, ',data.batch_episodes=1')
  assert _flat(_take(alone, 6)) == _flat(_take(config, 1))


def test_episodes_grow_at_the_steps_of_the_horizon(root):
  stages = ',data.horizon=1;2;3,data.promote=1;3'
  batches = _take(_config(root, 'synthetic', stages), 5)
  assert [{len(e.chunks) for e in b} for b in batches] == [
    {1},
    {2},
    {2},
    {3},
    {3},
  ]
  # The order, and what the last stage reads, are as without.
  plain = _take(_config(root, 'synthetic'), 5)
  uids = lambda some: [e.uid for e in _flat(some)]
  assert uids(batches) == uids(plain) and batches[3:] == plain[3:]
  first = iter(
    pipeline.make_dataset(_config(root, 'synthetic', stages), 'train')
  )
  next(first), next(first)
  again = iter(
    pipeline.make_dataset(_config(root, 'synthetic', stages), 'train')
  )
  again.set_state(first.get_state())
  assert [next(again), next(again)] == batches[2:4]
  with pytest.raises(ValueError, match='horizon.*source=babi.*use \\(\\)'):
    _take(_config(root, 'babi', stages), 1)


def test_a_stage_that_validation_reached_goes_on_with_the_next_episodes(root):
  config = _config(
    root, 'synthetic',
    ',data.horizon=1;2;3,data.promote=1;3,data.promote_at=0.5',
  )  # fmt: skip
  # Of batches 0, 1, ... the stages are 0 1 1 2 2, whatever was reached.
  steps = {
    (0, 0.4): 0,
    (0, 0.5): 1,
    (1, 0.5): 2,
    (4, 1.0): 2,
    (2, float('nan')): 0,
  }
  for (number, accuracy), stage in steps.items():
    assert pipeline.promoted(config, number, 0, accuracy) == stage
  assert pipeline.promoted(config, 1, 2, 0.9) == 2
  plain = _take(config, 4)
  first = iter(pipeline.make_dataset(config, 'train'))
  next(first)
  again = iter(pipeline.make_dataset(config, 'train', reached=2))
  again.set_state(first.get_state())
  batches = [next(again) for _ in range(3)]
  assert [{len(e.chunks) for e in b} for b in batches] == [{3}] * 3
  assert batches[2] == plain[3]
  uids = lambda some: [e.uid for e in _flat(some)]
  assert uids(batches) == uids(plain[1:])


def test_joined_sources_come_by_turns(root):
  joined = _config(root, 'babi+banking77', ',data.shuffle=False')
  (batch,) = _take(joined, 1)
  assert [e.source for e in batch] == ['babi', 'banking77'] * 3
  alone = [_take(_config(root, n, ',data.shuffle=False'), 1)[0][:3]
           for n in ('babi', 'banking77')]  # fmt: skip
  assert batch[::2] == alone[0] and batch[1::2] == alone[1]
  # Stories begin again where they end; the examples of labels never do.
  source = pipeline.make_source(joined, 'train')
  stories = len(pipeline.make_source(_config(root, 'babi'), 'train'))
  assert source[0] == source[2 * stories] != source[2]


def test_a_tokenizer_may_be_made_of_other_texts(root):
  config = _config(
    root, 'synthetic', ',tokenizer.source=synthetic+babi,'
    'tokenizer.train_episodes=20'
  )  # fmt: skip
  alone = list(pipeline.texts_for_tokenizer(_config(
    root, 'synthetic', ',tokenizer.train_episodes=20')))  # fmt: skip
  both = list(pipeline.texts_for_tokenizer(config))
  stories = pipeline.make_source(_config(root, 'babi'), 'train')[:20]
  assert both == alone + [c for e in stories for c in e.chunks]


def test_order_depends_on_the_seed_and_not_on_threads(config, root):
  batches = _take(config, 5)
  for threads in (0, 4):
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4)
    assert _take(config, 5, read_options=options) == batches
  other = _config(root, config.data.source, ',seed=1')
  uids, others = ([e.uid for e in _flat(b)] for b in (batches, _take(other, 5)))
  assert uids != others


@pytest.mark.parametrize('count', [2, 3])
def test_processes_share_the_batch_of_one(config, count):
  whole = _take(config, 4)
  shares = [
    _take(config, 4, process_index=i, process_count=count) for i in range(count)
  ]
  for k, batch in enumerate(whole):
    parts = [share[k] for share in shares]
    assert {len(part) for part in parts} == {6 // count}
    assert _flat(parts) == batch


@pytest.mark.parametrize('seen', [0, 1, 7])
def test_restored_state_continues_exactly(config, seen):
  dataset = pipeline.make_dataset(config, 'train', 1, 2)
  first = iter(dataset)
  for _ in range(seen):
    next(first)
  state = json.dumps(first.get_state())
  expected = [next(first) for _ in range(6)]
  second = iter(pipeline.make_dataset(config, 'train', 1, 2))
  next(second)
  second.set_state(json.loads(state))
  assert [next(second) for _ in range(6)] == expected


def test_each_epoch_has_every_story_once_in_a_new_order(root):
  config = _config(root, 'babi')
  source = pipeline.make_source(config, 'train')
  size = len(source)
  uids = [e.uid for e in _flat(_take(config, size // 2))]
  epochs = [uids[i : i + size] for i in range(0, 3 * size, size)]
  assert [sorted(epoch) for epoch in epochs] == 3 * [
    sorted(e.uid for e in source)
  ]
  assert epochs[0] != epochs[1] != epochs[2]


def test_shuffle_can_be_switched_off(config, root):
  config = _config(root, config.data.source, ',data.shuffle=False')
  source = pipeline.make_source(config, 'train')
  assert _flat(_take(config, 2)) == [source[i] for i in range(12)]


def test_synthetic_episodes_do_not_repeat(root):
  episodes = _flat(_take(_config(root, 'synthetic'), 20))
  assert len({e.uid for e in episodes}) == len(episodes)
  assert all(0 <= e.uid < 1 << 31 for e in episodes)
  assert {len(e.chunks) for e in episodes} == {3}


def test_tasks_are_mixed_by_story(root):
  source = pipeline.make_source(_config(root, 'babi'), 'train')
  expected = [babi.load(str(root), t, 'train') for t in ('qa1', 'qa6')]
  assert sorted(source) == sorted(_flat(expected))
  types = [e.questions[0].type for e in source[:6]]
  assert types == ['qa1', 'qa6'] * 3


def test_sources_of_the_splits_differ(config):
  stories = [
    {e.chunks for e in pipeline.eval_episodes(config, split)}
    for split in ('train', 'test')
  ]
  assert not stories[0] & stories[1]


@pytest.mark.parametrize('processes', [4, 7, 12])
def test_indivisible_batch_names_the_field(config, processes):
  with pytest.raises(ValueError, match='data.batch_episodes=6.*processes'):
    pipeline.make_dataset(config, 'train', 0, processes)


def test_unknown_source_is_named(root):
  config = _config(root, 'squad')
  with pytest.raises(ValueError, match="data.source='squad'"):
    pipeline.make_dataset(config, 'train')


def test_empty_split_is_refused(root, monkeypatch):
  monkeypatch.setattr(babi, 'load', lambda *_: [])
  with pytest.raises(ValueError, match='data.babi_tasks.*no test story'):
    pipeline.make_dataset(_config(root, 'babi'), 'test')


def test_eval_episodes_are_fixed_and_grow_with_the_length(root):
  more = ',data.eval_episodes=5,eval.length_episodes=3'
  config = _config(root, 'synthetic', more)
  short = pipeline.eval_episodes(config, 'validation')
  assert [e.uid for e in short] == list(range(5))
  assert {len(e.chunks) for e in short} == {3}
  assert pipeline.eval_episodes(config, 'validation') == short
  long = pipeline.eval_episodes(config, 'validation', 4)
  assert [len(e.chunks) for e in long] == [12] * 3


def test_babi_has_one_length(root):
  config = _config(root, 'babi', ',data.eval_episodes=2')
  episodes = pipeline.eval_episodes(config, 'train')
  assert [e.questions[0].type for e in episodes] == ['qa1', 'qa6']
  with pytest.raises(ValueError, match='eval.lengths'):
    pipeline.eval_episodes(config, 'train', 2)


def test_tokenizer_reads_train_chunks_and_no_question(root):
  config = _config(root, 'babi', ',tokenizer.train_episodes=7')
  source = pipeline.make_source(config, 'train')
  expected = [chunk for e in source[:7] for chunk in e.chunks]
  assert list(pipeline.texts_for_tokenizer(config)) == expected


def test_tokenizer_texts_of_the_synthetic_world(root):
  config = _config(root, 'synthetic', ',tokenizer.train_episodes=3')
  texts = list(pipeline.texts_for_tokenizer(config))
  assert texts and list(pipeline.texts_for_tokenizer(config)) == texts
  assert not any(text.endswith('?') for text in texts)


def test_published_files_are_sources(tmp_path):
  def write(folder, part, count):
    made = [
      Episode(i, 'squad', (f'text {folder} {part} {i}',),
              (Question(f'{folder} {part} q{i}', 'a', 'squad', 0, 0),))
      for i in range(count)
    ]  # fmt: skip
    small_raw.memalpha(tmp_path / folder / f'{part}.parquet', made)
    return made

  train = write('memalpha', 'train', 60)
  test = write('memalpha', 'test', 3)
  bench = write('memoryagentbench', 'test', 2)
  read = lambda source, split: list(
    pipeline.make_source(_config(tmp_path, source), split)
  )
  parts = [read('memalpha', split) for split in ('train', 'validation')]
  assert sorted(parts[0] + parts[1]) == sorted(train)
  assert 0 < len(parts[1]) < len(parts[0])
  assert read('memalpha', 'test') == test
  assert read('memoryagentbench', 'test') == bench
  with pytest.raises(ValueError, match='memoryagentbench has no train split'):
    read('memoryagentbench', 'train')
