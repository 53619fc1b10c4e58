"""Sampling: equal to training, to itself in any batch, and to its options."""

import dataclasses

import hypothesis
import jax
import numpy as np
import pytest
import small_models
from hypothesis import strategies as st

from mem_alpha_jax.sampling import logits, sampler

FREE = np.full((3, 2, 1), -1, np.int32)


def _sample(name, rows, forced=FREE, keys=None, length=5, **options):
  generate = sampler.make_sampler(
    small_models.policy(name),
    length,
    eos_id=small_models.EOS,
    pad_id=small_models.PAD,
    **options,
  )
  if keys is None:
    keys = small_models.keys(*rows.own_length.shape)
  samples = generate(
    small_models.params(name),
    rows.prefix,
    rows.prefix_length,
    rows.own,
    rows.own_length,
    forced,
    keys,
  )
  return jax.tree.map(np.asarray, samples)


def _trained_logps(name, rows, samples, temperature=1.0):
  rows = dataclasses.replace(rows, response=samples.tokens)
  run = small_models.training_pass(name, temperature)
  return np.asarray(run(small_models.params(name), rows)[0])


# Every bucket, and the options that take another path through the softmax.
@pytest.mark.parametrize(
  'name, p, c, options',
  [
    ('on', 7, 3, dict()),
    ('on', 9, 1, dict()),
    ('one', 7, 3, dict(temperature=0.7)),
    ('off', 9, 1, dict(temperature=1.3)),
    ('one', 7, 3, dict(greedy=True)),
  ],
)
def test_sampled_log_probs_are_those_of_training(name, p, c, options):
  rows = small_models.rows(p=p, c=c)
  samples = _sample(name, rows, **options)
  temperature = options.get('temperature', 1.0)
  want = _trained_logps(name, rows, samples, temperature)
  np.testing.assert_allclose(
    samples.logps, np.where(samples.mask, want, 0), atol=1e-4
  )
  assert samples.mask[..., 0].all()
  assert (samples.tokens[~samples.mask] == small_models.PAD).all()


def test_a_row_is_the_same_in_any_slot_group_and_bucket():
  rows, keys = small_models.rows(), small_models.keys(3, 2)
  want = _sample('one', rows, keys=keys)
  flip = lambda x: np.asarray(x)[::-1]
  got = _sample('one', jax.tree.map(flip, rows), keys=keys[::-1])
  np.testing.assert_array_equal(flip(got.tokens), want.tokens)
  wide = small_models.rows(p=9, c=4)
  wide.prefix[:, :7], wide.own[:, :1, :3] = rows.prefix, rows.own[:, :1]
  wide = dataclasses.replace(
    wide,
    prefix_length=rows.prefix_length,
    own=wide.own[:, :1],
    own_length=rows.own_length[:, :1],
  )
  got = _sample('one', wide, FREE[:, :1], keys[:, :1], length=7)
  np.testing.assert_array_equal(got.tokens[..., :5], want.tokens[:, :1])
  np.testing.assert_allclose(got.logps[..., :5], want.logps[:, :1], atol=1e-5)


def test_forced_tokens_are_emitted_and_scored():
  rows, forced = small_models.rows(), np.full((3, 2, 2), -1, np.int32)
  forced[0, 1] = 9, 11
  forced[2, 0, 0] = small_models.EOS
  samples = _sample('one', rows, forced)
  free = _sample('one', rows)
  np.testing.assert_array_equal(samples.tokens[0, 1, :2], [9, 11])
  np.testing.assert_array_equal(samples.tokens[1], free.tokens[1])
  # A row ends with its EOS, which counts as a token of the response.
  np.testing.assert_array_equal(samples.tokens[2, 0], [2, 0, 0, 0, 0])
  np.testing.assert_array_equal(samples.mask[2, 0], [True] + [False] * 4)
  assert samples.finished[2, 0] and samples.logps[2, 0, 0] < 0
  want = _trained_logps('one', rows, samples)
  np.testing.assert_allclose(
    samples.logps, np.where(samples.mask, want, 0), atol=1e-4
  )


@pytest.mark.parametrize('name', ['off', 'one'])
def test_greedy_takes_the_most_likely_token(name):
  rows = small_models.rows(b=1, g=1)
  greedy = _sample(name, rows, FREE[:1, :1], greedy=True).tokens[0, 0]
  # The first token against every other: one row of a group for each.
  every = np.arange(small_models.VOCAB, dtype=np.int32)
  wide = lambda x: np.repeat(x, small_models.VOCAB, axis=1)
  many = dataclasses.replace(
    rows, own=wide(rows.own), own_length=wide(rows.own_length)
  )
  forced = every[None, :, None]
  logps = _sample(name, many, forced, length=1).logps[0, :, 0]
  assert greedy[0] == logps.argmax()
  np.testing.assert_allclose(np.exp(logps).sum(), 1.0, atol=1e-4)


def test_samples_follow_the_distribution():
  """4000 draws of one token, chi-squared against its probabilities."""
  rows, n = small_models.rows(b=1, g=1, c=1), 4000
  wide = lambda x: np.repeat(x, n, axis=1)
  many = dataclasses.replace(
    rows, own=wide(rows.own), own_length=wide(rows.own_length)
  )
  keys = jax.random.split(jax.random.key(0), (1, n))
  samples = _sample('one', many, wide(FREE[:1, :1]), keys, length=1)
  tokens, logps = samples.tokens.ravel(), samples.logps.ravel()
  probs = np.zeros(small_models.VOCAB)
  probs[tokens] = np.exp(logps)
  counts = np.bincount(tokens, minlength=small_models.VOCAB)
  likely = n * probs >= 5
  excess = (counts - n * probs)[likely] ** 2 / (n * probs[likely])
  # Mean is about the number of cells, standard deviation sqrt of twice it.
  cells = likely.sum()
  assert excess.sum() < cells + 5 * np.sqrt(2 * cells)


@pytest.mark.slow
@pytest.mark.parametrize('streams', [2, 3])
def test_trial_streams_do_not_change_rows(monkeypatch, streams):
  """Three streams of one prompt each; two do not divide three prompts."""
  rows = small_models.rows()
  monkeypatch.setattr(sampler.os, 'cpu_count', lambda: 1)
  want = _sample('one', rows)
  monkeypatch.setattr(sampler.os, 'cpu_count', lambda: 8)
  monkeypatch.setattr(sampler, 'STREAMS', streams)
  got = _sample('one', rows)
  np.testing.assert_array_equal(got.tokens, want.tokens)
  np.testing.assert_array_equal(got.finished, want.finished)
  np.testing.assert_allclose(got.logps, want.logps, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['on', 'off'])
def test_segments_of_the_cache_do_not_change_rows(name):
  assert sampler.segment_ends(5, 2) == [2, 4, 5]
  assert sampler.segment_ends(4, 2) == [2, 4]
  assert sampler.segment_ends(5) == [5]
  rows = small_models.rows()
  whole, grown = (_sample(name, rows, segment=n) for n in (5, 2))
  np.testing.assert_array_equal(grown.tokens, whole.tokens)
  np.testing.assert_array_equal(grown.mask, whole.mask)
  np.testing.assert_allclose(grown.logps, whole.logps, atol=1e-6)


def test_the_key_decides():
  rows = small_models.rows()
  keys = jax.random.split(jax.random.key(9), (3, 2))
  other = _sample('one', rows, keys=keys)
  assert (other.tokens != _sample('one', rows).tokens).any()


def test_temperature_is_checked():
  with pytest.raises(ValueError, match='rollout.temperature=0'):
    sampler.make_sampler(None, 3, eos_id=2, pad_id=0, temperature=0)


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(
  st.lists(st.sampled_from([0.0, 1e-6, 0.5, 1.0, 7.0]), min_size=70,
           max_size=70).filter(any),
  st.floats(0, 1, exclude_max=True, width=32),
)  # fmt: skip
def test_pick_inverts_the_cumulative_distribution(weights, uniform):
  weights = np.float32(weights)
  index = int(_pick(weights, np.float32(uniform)))
  edges = np.cumsum(np.float64(weights))
  slack = 1e-5 * edges[-1]
  assert weights[index] > 0
  assert edges[index] - weights[index] - slack <= uniform * edges[-1]
  assert uniform * edges[-1] <= edges[index] + slack


_pick = jax.jit(logits.pick)


def test_trial_any_of_several_ends_stops_a_response():
  rows = small_models.rows(p=7, c=3)
  whole = _sample('one', rows, greedy=True)
  second = int(whole.tokens[0, 0, 1])
  generate = sampler.make_sampler(
    small_models.policy('one'), 5, eos_id=(small_models.EOS, second),
    pad_id=small_models.PAD, greedy=True,
  )  # fmt: skip
  keys = small_models.keys(*rows.own_length.shape)
  cut = generate(
    small_models.params('one'), rows.prefix, rows.prefix_length, rows.own,
    rows.own_length, FREE, keys,
  )  # fmt: skip
  length = int(np.flatnonzero(whole.tokens[0, 0] == second)[0]) + 1
  assert cut.finished[0, 0] and int(cut.mask[0, 0].sum()) == length
  np.testing.assert_array_equal(
    cut.tokens[0, 0, :length], whole.tokens[0, 0, :length]
  )
