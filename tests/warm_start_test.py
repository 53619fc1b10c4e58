"""The supervised stage: valid calls about the chunk, and nothing else."""

import collections
import itertools
import re

import jax
import numpy as np
import pytest
import tiny_config

from mem_alpha_jax.data import pipeline
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.roles import writer
from mem_alpha_jax.rollout import play, warm_start
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.sampling import buckets
from mem_alpha_jax.text import english
from mem_alpha_jax.text import words as words_lib

STEPS = tiny_config.FIELDS['warm_start.steps']


@pytest.fixture(scope='module')
def experiment(tmp_path_factory):
  folder = str(tmp_path_factory.mktemp('warm_start'))
  return build_lib.build(tiny_config.get_config(), folder)


@pytest.fixture(scope='module')
def setup(experiment):
  return experiment.train_setup


def loader(config):
  return iter(pipeline.make_dataset(config, 'train'))


def drawn(setup, count, most=1):
  """(chunk, view, text, ids) of `count` demonstrations, 1 to `most` chunks."""
  rng = np.random.default_rng(1)
  places = setup.config.memory.view_entries
  episodes = itertools.chain.from_iterable(loader(setup.config))
  for episode in itertools.islice(episodes, count // 9):
    for t in range(len(episode.chunks)):
      chunk = ' '.join(episode.chunks[t - t % most : t + 1])
      view = warm_start.random_view(rng, episode.chunks[:t], places)
      for _ in range(3):
        ids = warm_start.demonstration(rng, chunk, view, setup, 60)
        yield chunk, view, setup.tokenizer.decode(ids), ids


def test_reordered_notes_have_the_words_of_the_others_in_any_order():
  said = 'Tom is the boss of Ana'
  rng = np.random.default_rng(0)
  seen = {warm_start.note(rng, said, 1.0) for _ in range(60)}
  assert {'Ana boss Tom', 'Tom boss Ana', 'Ana Tom'} <= seen
  rng = np.random.default_rng(0)
  told = {warm_start.note(rng, said) for _ in range(60)}
  assert told == {'Tom boss', 'Tom Ana', 'boss Ana', 'Tom boss Ana'}
  assert warm_start.note(rng, 'it is a', 1.0) == ''


def test_notes_from_view_end_with_a_word_that_the_chunk_does_not_say():
  told, shown = 'Ada dropped the lamp.', ('Ada attic', 'lamp Ada')
  view = [
    state_lib.Entry(i, 'semantic', t, 0, i, 0) for i, t in enumerate(shown)
  ]
  rng, seen = np.random.default_rng(0), set()
  for _ in range(200):
    ops = warm_start.calls(rng, told, (*view, None), from_view=1.0)
    seen |= {op.text for op in ops if op.tool != 'delete'}
  said = ('Ada', 'dropped', 'lamp', 'Ada dropped', 'Ada lamp', 'dropped lamp')
  assert seen == {f'{words} attic' for words in said}
  for less in ((), (*view[1:], None)):  # no word that the chunk does not say
    rngs = np.random.default_rng(1), np.random.default_rng(1)
    ops = warm_start.calls(rngs[0], told, less, from_view=1.0)
    assert ops == warm_start.calls(rngs[1], told, less)


def test_demonstrations_are_valid_calls_of_all_kinds(setup):
  seen, counts = collections.Counter(), collections.Counter()
  for chunk, view, text, ids in drawn(setup, 1800, 3):
    assert ids == setup.tokenizer.encode(text)
    said = writer.read(setup, ids, view)
    ops, noop = said.ops, said.noop
    assert not said.errors and noop == (not ops), text
    assert not any(said.repairs), text
    counts[len(ops)] += 1
    assert len(ops) <= len(english.sentences(chunk))
    targets = [op.entry_id for op in ops if op.entry_id is not None]
    assert len(targets) == len(set(targets)), text
    seen.update(f'{op.tool} {op.kind}' for op in ops)
    for op in ops:
      if op.tool != 'delete':
        assert any(
          set(words_lib.terms(op.text)) <= set(words_lib.terms(sentence))
          for sentence in english.sentences(chunk)
        ), (chunk, text)
        assert 1 <= len(op.text.split()) <= warm_start.WORDS[1]
  tools, kinds = ('insert', 'update', 'delete'), ('semantic', 'episodic')
  assert set(seen) == {*map(' '.join, itertools.product(tools, kinds))}
  assert min(seen.values()) > 3
  assert set(counts) == {*range(len(warm_start.COUNTS))}


def test_the_call_says_nothing_about_the_chunk(setup):
  """Kinds are drawn whatever the chunk says, dated or not."""
  counts = {True: [0, 0], False: [0, 0]}
  for chunk, _, text, _ in drawn(setup, 4500):
    if text.startswith('<ins>'):
      dated = re.search(r'\d', chunk) is not None
      counts[dated][text.startswith('<ins><epi>')] += 1
  shares = {dated: epi / (sem + epi) for dated, (sem, epi) in counts.items()}
  assert min(map(sum, counts.values())) > 150
  assert shares[True] == pytest.approx(shares[False], abs=0.12)


def test_random_views_show_notes_on_earlier_chunks(setup):
  rng = np.random.default_rng(0)
  earlier = ['Marta moved to Lisbon.', 'Leo works as a baker.']
  shown = set()
  for _ in range(50):
    view = warm_start.random_view(rng, earlier, 3)
    assert len(view) == 3
    entries = [entry for entry in view if entry]
    assert view[: len(entries)] == tuple(entries)  # empty places come last
    assert len({entry.id for entry in entries}) == len(entries)
    shown.add(len(entries))
    for entry in entries:
      words = set(entry.text.split())
      assert any(words <= set(chunk[:-1].split()) for chunk in earlier)
  assert shown == {0, 1, 2}
  assert warm_start.random_view(rng, [], 3) == (None,) * 3


def test_rows_are_what_a_rollout_would_train_on(setup):
  episode = next(loader(setup.config))[0]
  rows, again = (
    warm_start.demonstrations(
      setup, rng, [warm_start.turn_of(setup, rng, episode, t) for t in range(3)]
    )
    for rng in (np.random.default_rng(2), np.random.default_rng(2))
  )
  jax.tree.map(np.testing.assert_array_equal, rows, again)
  blank = (None,) * setup.config.memory.view_entries
  turns = [
    turn._replace(state=state_lib.empty(), view=blank)
    for turn in writer.read_chunks(episode)[:3]
  ]
  prompts = play.pad(setup, play.show(setup, turns)[1])
  chunk = [setup.tokenizer.encode_text(text) for text in episode.chunks]
  for i, ids in enumerate(chunk):
    assert rows.prefix[i, 1 : 1 + len(ids)].tolist() == ids
  np.testing.assert_array_equal(rows.prefix_length, prompts.prefix_length)
  assert (rows.own[:, 0] == prompts.own).all()
  for response, mask in zip(
    rows.response.reshape(-1, rows.response.shape[-1]),
    rows.response_mask.reshape(-1, rows.response.shape[-1]),
    strict=True,
  ):
    said = response[mask]
    assert said[-1] == setup.tokenizer.eos_id
    assert not (said[:-1] == setup.tokenizer.eos_id).any()
    assert (response[~mask] == setup.tokenizer.pad_id).all()


def test_an_answer_is_words_of_an_entry_that_is_shown(setup):
  episode, rng = next(loader(setup.config))[0], np.random.default_rng(3)
  tokenizer, said = setup.tokenizer, set()
  for _ in range(20):
    turn = warm_start.turn_of(setup, rng, episode, 2, asks=True)
    assert turn.text in {q.text for q in episode.questions}
    rows = warm_start.demonstrations(setup, rng, [turn])
    assert (rows.own == tokenizer.symbol('<sep>')).all()
    for ids, mask in zip(rows.response[0], rows.response_mask[0], strict=True):
      text = tokenizer.decode(ids[mask])
      shown = [f' {entry.text}' for entry in turn.view if entry]
      assert any(text in entry for entry in shown) or not (text or shown)
      said.add(len(text.split()))
  assert said == {0, 1, 2}


def test_loss_falls_and_one_update_is_compiled(experiment):
  losses, compiled = [], []

  def report(step, loss):
    losses.append((step, float(loss)))
    compiled.append(buckets.compile_count())

  setup = experiment.train_setup
  params = warm_start.train(
    setup,
    experiment.policy,
    build_lib.init_params(experiment),
    warm_start.batches(setup, loader(setup.config)),
    report,
  )
  assert compiled[0] == compiled[-1]  # by the first update, and no other
  assert [step for step, _ in losses] == list(range(STEPS))
  losses = [loss for _, loss in losses]
  assert np.isfinite(losses).all()
  assert np.mean(losses[-3:]) < 0.7 * losses[0]
  batches = [
    next(warm_start.batches(setup, loader(setup.config))) for _ in range(2)
  ]
  jax.tree.map(np.testing.assert_array_equal, *batches)
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(params))


def test_trial_a_note_of_a_text_without_spaces_is_some_of_its_characters():
  """In runs, so that some words are whole; the stop is none of them."""
  rng = np.random.default_rng(0)
  notes = {warm_start.note(rng, '我住在北京市。') for _ in range(40)}
  for note in notes:
    left = iter('我住在北京市')
    assert len(note) > 1 and all(character in left for character in note)
  assert len(notes) > 5 and any('北京' in note for note in notes)
