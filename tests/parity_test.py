"""Our logits beside those of transformers, on the same weights."""

import functools

import numpy as np
import pytest
import small_checkpoints

from mem_alpha_jax.pretrained import hf_weights

FAMILIES = list(small_checkpoints.FAMILIES)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """Family -> a float32 checkpoint, written once."""

  @functools.cache
  def write(family):
    path = tmp_path_factory.mktemp(family)
    small_checkpoints.write(family, path)
    return path

  return write


@pytest.mark.slow
@pytest.mark.parametrize('family', FAMILIES)
def test_logits_are_those_of_transformers(folder, family):
  config = hf_weights.read_config(folder(family))
  params = hf_weights.load(folder(family), config)
  ids = small_checkpoints.tokens()
  reference = small_checkpoints.reference_logits(
    small_checkpoints.model(family), ids
  )
  assert np.abs(reference).max() > 2  # weights that tell mistakes
  mine = small_checkpoints.our_logits(config, params, ids)
  small_checkpoints.check_equal(mine, reference[:, 1:])
  small_checkpoints.check_prompt_logps(config, params, ids, reference, 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize('family', ['qwen3', 'llama3'])
def test_bfloat16_is_as_near_as_that_of_transformers(
  folder, family, record_property
):
  """bfloat16 here and there err alike against float32."""
  torch = small_checkpoints.torch
  path = folder(family)
  config = hf_weights.read_config(path)
  options = dict(dtype='bfloat16', param_dtype='bfloat16')
  half = type(config)(**{**vars(config), **options})
  params = hf_weights.load(path, half, dtype='bfloat16')
  ids = small_checkpoints.tokens()
  exact = small_checkpoints.reference_logits(
    small_checkpoints.model(family), ids
  )[:, 1:]
  theirs = small_checkpoints.transformers.AutoModelForCausalLM.from_pretrained(
    path, dtype=torch.bfloat16
  )
  theirs = small_checkpoints.reference_logits(theirs, ids)[:, 1:]
  mine = small_checkpoints.our_logits(half, params, ids)
  error, their_error = (np.abs(x - exact).mean() for x in (mine, theirs))
  agree = (mine.argmax(-1) == theirs.argmax(-1)).mean()
  record_property('mean_error', float(error))
  record_property('mean_error_of_transformers', float(their_error))
  record_property('same_argmax', float(agree))
  print(f'{family}: {error:.4f}, transformers {their_error:.4f}, {agree:.3f}')
  assert error < 1.5 * their_error + 1e-3
  assert agree > 0.8
