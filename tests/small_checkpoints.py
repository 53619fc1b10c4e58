"""Tiny checkpoints written by transformers, and logits of both sides."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mem_alpha_jax.model import blockwise_softmax
from mem_alpha_jax.model import policy as policy_lib

torch = pytest.importorskip('torch')
transformers = pytest.importorskip('transformers')
pytest.importorskip('safetensors')

VOCAB, LENGTH = 61, 24
LLAMA3 = dict(
  rope_type='llama3', rope_theta=5e4, factor=4.0, low_freq_factor=1.0,
  high_freq_factor=4.0, original_max_position_embeddings=32,
)  # fmt: skip
# Name -> (model_type, fields). With heads of 16, LLAMA3 keeps, mixes and
# stretches wavelengths.
FAMILIES = {
  'qwen3': ('qwen3', dict(head_dim=8, tie_word_embeddings=True)),
  'qwen3_untied': ('qwen3', dict(head_dim=8, tie_word_embeddings=False)),
  'qwen2': ('qwen2', dict(tie_word_embeddings=True)),
  'llama': ('llama', dict(tie_word_embeddings=False)),
  'llama3': (
    'llama',
    dict(head_dim=16, tie_word_embeddings=True, rope_parameters=LLAMA3),
  ),
}


@functools.cache
def model(family: str):
  """A float32 model of transformers, with random biases and norms, too."""
  kind, fields = FAMILIES[family]
  config = transformers.AutoConfig.for_model(
    kind, vocab_size=VOCAB, hidden_size=24, intermediate_size=40,
    num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=128, bos_token_id=1, eos_token_id=2, **fields,
  )  # fmt: skip
  made = transformers.AutoModelForCausalLM.from_config(config)
  rng = np.random.default_rng(0)
  with torch.no_grad():
    for name, x in made.named_parameters():
      noise = torch.tensor(rng.standard_normal(x.shape), dtype=torch.float32)
      start = 1.0 if 'norm' in name else 0.0
      x.copy_(start + 0.3 * noise)
  return made.eval()


def write(family: str, folder, dtype: str = 'float32', **options) -> None:
  """Saves the model as transformers does."""
  made = model(family)
  if dtype != 'float32':
    made = type(made)(made.config).to(getattr(torch, dtype))
    made.load_state_dict(model(family).state_dict())
  made.save_pretrained(folder, **options)


def tokens(rows: int = 2) -> np.ndarray:
  return np.random.default_rng(1).integers(3, VOCAB, (rows, LENGTH))


def reference_logits(made, ids: np.ndarray) -> np.ndarray:
  """Logits [B, n, V] of a model of transformers, float32."""
  with torch.no_grad():
    return made(torch.tensor(ids)).logits.float().numpy()


def our_logits(config, params, ids: np.ndarray) -> np.ndarray:
  """Logits [B, n - 1, V] after each token but the first, float32.

  Token 0 is a prefix; the others are run against its keys as a decode loop
  runs them.
  """
  policy = policy_lib.make_policy(config)

  @jax.jit
  def run(params, ids):
    b, own = len(ids), ids[:, None, 1:]
    n = own.shape[-1]
    length = jnp.full((b, 1), n)
    prefix = policy.prefill(params, ids[:, :1], jnp.ones((b,), int))
    layers = policy.prepare(params, n + 1)
    cache = policy.init_cache(length, n, n)
    hidden, _ = policy.extend(layers, prefix, cache, own, ids[:, None, :-1], 0)
    dist = policy.head(layers, prefix, hidden, own)
    return blockwise_softmax.logits(dist.hidden, dist.unembedding)[:, 0]

  return np.asarray(run(params, jnp.asarray(ids)), np.float32)


def check_equal(mine: np.ndarray, reference: np.ndarray) -> None:
  """Same to 1e-3, and the same best token everywhere."""
  np.testing.assert_allclose(mine, reference, atol=1e-3, rtol=0)
  np.testing.assert_array_equal(mine.argmax(-1), reference.argmax(-1))


def check_prompt_logps(config, params, ids, reference, atol: float) -> None:
  """The training pass: log-probs of the tokens themselves."""
  run = jax.jit(policy_lib.make_policy(config).prompt_logps)
  got = run(params, ids, np.full(len(ids), ids.shape[1], np.int32))
  want = jax.nn.log_softmax(jnp.asarray(reference[:, :-1]))
  want = np.take_along_axis(np.asarray(want), ids[:, 1:, None], axis=-1)
  np.testing.assert_allclose(got[:, 1:], want[..., 0], atol=atol, rtol=0)
