"""The mixture built by TFDS from made-up raw files, without TensorFlow."""

import json
import subprocess
import sys

import pytest

from mem_alpha_jax.data import content, labelled, mixture
from mem_alpha_jax.types import Episode, Question

SHAPE = labelled.Shape(labels=3, per_label=4, per_chunk=3, questions=8)


def count(text: str) -> int:
  return len(text.split())


@pytest.fixture
def raw(tmp_path, monkeypatch):
  """Raw files of two labelled sets; instances are made small."""
  for name in ('banking77', 'trec_coarse'):
    monkeypatch.setitem(mixture.LABELLED, name, SHAPE)
  path = tmp_path / 'raw' / 'banking77' / 'train.csv'
  path.parent.mkdir(parents=True)
  rows = [
    f'how is thing {i} of kind {k},{k}' for k in 'abcd' for i in range(99)
  ]
  path.write_text('\n'.join(['text,category', *rows]) + '\n')
  path = tmp_path / 'raw' / 'trec' / 'train_5500.label'
  path.parent.mkdir()
  rows = [
    f'{k}:x what was number {i} of the {k} ?' for k in 'PQR' for i in range(99)
  ]
  path.write_text('\n'.join(rows) + '\n')
  return tmp_path / 'raw'


OPTIONS = mixture.Options(
  {'banking77': 7, 'trec_coarse': 5}, held_out=2, seed=3
)


def test_caps_splits_and_order(raw):
  found = mixture.build(str(raw), OPTIONS, count)
  assert {split: len(e) for split, e in found.items()} == {
    'train': 12, 'validation': 4, 'test': 4
  }  # fmt: skip
  sources = [e.source for e in found['train']]
  assert sources.count('banking77') == 7 and sources != sorted(sources)
  uids = [e.uid for episodes in found.values() for e in episodes]
  assert len(set(uids)) == len(uids)
  again = mixture.build(str(raw), OPTIONS, count)
  assert (
    again == found != mixture.build(str(raw), OPTIONS._replace(seed=4), count)
  )


def test_the_card_counts(raw):
  found = mixture.build(str(raw), OPTIONS, count)
  card = mixture.card(found, count)
  sizes = card['sizes']['test']['banking77']
  assert sizes['instances'] == 2 and sizes['chunks'] == 8
  assert sizes['questions'] == 16
  mine = [e for e in found['test'] if e.source == 'banking77']
  assert sizes['tokens'] == sum(count(c) for e in mine for c in e.chunks)
  assert card['overlap'] == []
  text = mixture.card_text(card)
  assert '| test | banking77 | 2 | 8 |' in text and '- none' in text


def test_a_planted_overlap_fails_the_build(raw, monkeypatch):
  """A source that shows in training what another one asks in its test."""
  found = mixture.build(str(raw), OPTIONS, count)
  leak = labelled.bare(found['test'][0].questions[0].text)
  planted = Episode(
    0, 'squad', (f'Hm. {leak}',), (Question('q', 'a', 'x', 0, 0),)
  )
  real = mixture._instances

  def instances(source, root, split, most, seed, count):
    rows = real(source, root, split, most, seed, count)
    return [*rows, planted] if split == 'train' else rows

  monkeypatch.setattr(mixture, '_instances', instances)
  with pytest.raises(ValueError, match='texts of training are evaluated') as e:
    mixture.build(str(raw), OPTIONS, count)
  assert 'sentence of squad 0 is a question of banking77' in str(e.value)
  assert leak[:30] in str(e.value)


def test_unknown_sources_and_missing_files(raw):
  options = OPTIONS._replace(caps={'quac': 3})
  with pytest.raises(ValueError, match="no source 'quac'.*banking77"):
    mixture.build(str(raw), options, count)
  options = OPTIONS._replace(caps={'clinc150': 3})
  with pytest.raises(FileNotFoundError, match='clinc150'):
    mixture.build(str(raw), options, count)


BUILD = """
import sys
import tensorflow_datasets as tfds
from mem_alpha_jax.data import labelled, mixture, tfds_streams
shape = labelled.Shape(labels=3, per_label=4, per_chunk=3, questions=8)
mixture.LABELLED.update(dict.fromkeys(('banking77', 'trec_coarse'), shape))
caps = {'banking77': 7, 'trec_coarse': 5}
for config in tfds_streams.MemoryStreams.BUILDER_CONFIGS:
  config.options = mixture.Options(caps, held_out=2, seed=3)
builder = tfds_streams.MemoryStreams(
  config='at_hand', data_dir=sys.argv[2], file_format='array_record'
)
manual = tfds.download.DownloadConfig(manual_dir=sys.argv[1])
builder.download_and_prepare(download_config=manual)
assert 'tensorflow' not in sys.modules
"""


def test_tfds_writes_what_grain_reads(raw, tmp_path):
  import grain

  from mem_alpha_jax.data import tfds_streams
  from mem_alpha_jax.data import tokenizer as tokenizer_lib

  data = tmp_path / 'data'
  subprocess.run([sys.executable, '-c', BUILD, str(raw), str(data)], check=True)
  folder = data / 'memory_streams' / 'at_hand' / '1.0.0'
  assert list(folder.glob('*train.array_record*'))
  tokenizer = tokenizer_lib.Tokenizer(
    str(tfds_streams.base.folder_of('tiny_base') / 'tokenizer.model')
  )
  wanted = mixture.build(str(raw), OPTIONS, tokenizer.count)
  card = json.loads((folder / 'card.json').read_text())
  assert card == mixture.card(wanted, tokenizer.count)
  assert (folder / 'card.md').read_text() == mixture.card_text(card)
  for split in content.SPLITS:
    rows = tfds_streams.Episodes('at_hand', split, str(data))
    assert sorted(rows) == sorted(wanted[split])
    assert rows[:2] == [rows[0], rows[1]]
  dataset = (
    grain.MapDataset.source(rows).seed(0).shuffle().batch(2, batch_fn=list)
  )
  read = [episode for batch in dataset for episode in batch]
  assert sorted(read) == sorted(wanted['test'])
  with pytest.raises(FileNotFoundError, match='tfds build.*--config=paper'):
    tfds_streams.Episodes('paper', 'train', str(data))
