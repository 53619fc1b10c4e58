"""The bucket table, padding, and the count of compilations."""

import types

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from configs import tiny
from mem_alpha_jax.config import sizes
from mem_alpha_jax.roles import prompt
from mem_alpha_jax.rollout import play
from mem_alpha_jax.sampling import buckets


def _config():
  return ml_collections.ConfigDict(
    dict(prefix_buckets=(4, 8), own_buckets=(1,), response_buckets=(3, 6))
  )


def test_pick_takes_the_smallest_that_fits():
  table = buckets.from_config(_config())
  assert [buckets.pick(table, n, 'prefix') for n in (1, 4, 5, 8)] == [
    4, 4, 8, 8,
  ]  # fmt: skip
  with pytest.raises(ValueError, match=r'9 tokens.*rollout.prefix_buckets'):
    buckets.pick(table, 9, 'prefix')


def test_pad_keeps_tokens_and_lengths():
  out, lengths = buckets.pad([[5, 6], [7], []], 3, pad_id=0)
  np.testing.assert_array_equal(out, [[5, 6, 0], [7, 0, 0], [0, 0, 0]])
  np.testing.assert_array_equal(lengths, [2, 1, 0])
  with pytest.raises(ValueError, match='row 1 has 4 tokens'):
    buckets.pad([[1], [1, 2, 3, 4]], 3, pad_id=0)


def test_compilations_are_counted_once_a_shape():
  double = jax.jit(lambda x: x * 2 + len(x.shape) * 17)
  inputs = [jnp.zeros(3), jnp.zeros(4)]
  start = buckets.compile_count()
  for x in inputs * 3:
    double(x).block_until_ready()
  assert buckets.compile_count() == start + 2


@pytest.mark.parametrize('groups', ['state', 'trajectory'])
def test_samples_of_one_state_share_all_but_the_last_token(groups):
  config = tiny.get_config(
    f'rollout.groups={groups},rollout.own_buckets=(4;8),'
    'rollout.prefix_buckets=(6;)'
  )
  prompts = [
    prompt.Prompt([1, 2, 3], [4, 5, 6, 7, 8], ()),
    prompt.Prompt([1, 2], [9], ()),
  ]
  setup = types.SimpleNamespace(
    config=config,
    buckets=buckets.from_config(config.rollout),
    tokenizer=types.SimpleNamespace(pad_id=0),
  )
  padded = play.pad(setup, prompts)
  shapes = padded.prefix.shape, padded.own.shape
  wanted = sizes.prompt_shape(config, 6, 8)
  assert shapes == tuple((2, width) for width in wanted)
  shared = [[1, 2, 3, 4, 5, 6, 7], [1, 2]], [[8], [9]]
  apart = [[1, 2, 3], [1, 2]], [[4, 5, 6, 7, 8], [9]]
  prefix, own = shared if groups == 'state' else apart
  cut = lambda rows, lengths: [
    row[:n].tolist() for row, n in zip(rows, lengths, strict=True)
  ]
  assert cut(padded.prefix, padded.prefix_length) == prefix
  assert cut(padded.own, padded.own_length) == own
