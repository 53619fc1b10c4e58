"""Embedders: texts to vectors, for the bank's slots and for questions.

  n  texts   E  embedding size   B, L  rows and tokens of one padded call

What `create` returns gives, for the parameters of the moment, one function
from n texts to float32 [n, E]: unit vectors, zeros for a text without words.
Equal texts are embedded once, in batches of few shapes.
"""

import functools
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging
from jaxtyping import Float

from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.sampling import buckets as buckets_lib
from mem_alpha_jax.text import words

EmbedFn = slots_lib.EmbedFn
Encode = Callable[[np.ndarray, np.ndarray], Any]  # [B, L], [B] -> [B, E]

LENGTHS = (16, 32, 64, 128, 256)  # padded tokens of a text; more are cut
CALL_TOKENS = (2048, 256)  # tokens of one call: of a full one, of the rest
CACHE_FLOATS = 1 << 24  # of remembered vectors: 64 MiB


def create(config: Any, policy: Any, tokenizer: Any) -> Callable:
  """Returns bind(params) -> EmbedFn for `memory.embedder`.

  Only 'policy' looks at the parameters. A vector stays in a bank until its
  entry is written again or the bank is built again, as it is for each batch
  of episodes; so a batch sees the vectors of one policy.

  Raises:
    FileNotFoundError: for 'minilm' if it is not installed.
    ValueError: for 'policy' in a run of several processes.
  """
  kind = config.memory.embedder
  if kind == 'none':
    return lambda params: slots_lib.no_vectors
  if kind == 'policy':
    return _policy(policy, tokenizer)
  if kind == 'hashed':
    size = config.memory.embedding_size
    once = cached(functools.partial(hashed, size=size), size)
  else:
    once = minilm()
  return lambda params: once


def minilm() -> EmbedFn:
  """all-MiniLM-L6-v2, of 384 floats; FileNotFoundError if not installed."""
  from mem_alpha_jax.pretrained import minilm as minilm_lib
  from mem_alpha_jax.pretrained import packages

  model = minilm_lib.load(packages.minilm_folder())
  size = model.config.width
  return cached(in_batches(model.tokenize, model.encode, size), size)


def _policy(policy, tokenizer):
  """Mean of the policy's last hidden states over the tokens of a text."""
  if jax.process_count() > 1:
    raise ValueError(
      "memory.embedder='policy': the policy is spread over "
      f'{jax.process_count()} processes, whose texts differ; use minilm'
    )
  encode, size = jax.jit(policy.mean_states), policy.config.width
  tokenize = lambda texts: [tokenizer.encode_text(text) for text in texts]

  def bind(params):
    run = functools.partial(encode, params)
    return cached(in_batches(tokenize, run, size), size)

  return bind


def hashed(texts: Sequence[str], size: int) -> Float[np.ndarray, 'n E']:
  """Character trigrams of each text, hashed into `size` bins.

  Feature hashing with signs, Weinberger et al. 2009 (arXiv 0902.2206). Words
  are padded by one space.
  """
  vectors = np.zeros((len(texts), size), np.float32)
  for vector, text in zip(vectors, texts, strict=True):
    for word in words.terms(text):
      padded = f' {word} '
      for i in range(len(padded) - 2):
        code = zlib.crc32(padded[i : i + 3].encode('utf-8', 'replace'))
        vector[(code >> 1) % size] += 1 - 2 * (code & 1)
  norms = np.linalg.norm(vectors, axis=1, keepdims=True)
  return vectors / np.where(norms > 0, norms, 1)


def cached(embed: EmbedFn, size: int, floats: int = CACHE_FLOATS) -> EmbedFn:
  """Returns embed, given each distinct text once while it is remembered.

  Blank texts are zeros. The newest floats / size texts are remembered.
  """
  known: dict[str, np.ndarray] = {}
  zeros = np.zeros(size, np.float32)

  def look_up(texts: Sequence[str]) -> Float[np.ndarray, 'n E']:
    new = [t for t in dict.fromkeys(texts) if t not in known and t.strip()]
    fresh = dict(zip(new, embed(new), strict=True)) if new else {}
    found = [fresh[t] if t in fresh else known.get(t, zeros) for t in texts]
    known.update(fresh)
    while len(known) > floats // size:
      del known[next(iter(known))]  # the oldest
    return np.stack(found) if found else np.zeros((0, size), np.float32)

  return look_up


def in_batches(
  tokenize: Callable[[Sequence[str]], list[list[int]]],
  encode: Encode,
  size: int,
) -> EmbedFn:
  """Returns the embedder that runs a jitted encoder on padded batches.

  Texts are sorted by length, longest first, so that a batch pads little. A
  batch has a length of LENGTHS and its tokens are one of CALL_TOKENS: ten
  shapes in all, compiled when first used.

  Args:
    tokenize: texts -> ids; those beyond the last of LENGTHS are cut.
    encode: tokens [B, L], lengths [B] -> unit vectors [B, E].
  """

  def embed(texts: Sequence[str]) -> Float[np.ndarray, 'n E']:
    rows = tokenize(texts)
    if max(map(len, rows), default=0) > LENGTHS[-1]:
      _warn_of_cut()
    rows = [ids[: LENGTHS[-1]] for ids in rows]
    out = np.zeros((len(rows), size), np.float32)
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    calls = []
    while order:
      count, length = _shape(len(order), len(rows[order[0]]))
      part, order = order[:count], order[count:]
      filled = [rows[i] for i in part] + [[]] * (count - len(part))
      # Dispatched ahead: the device works while the next batch is padded.
      calls.append((part, encode(*buckets_lib.pad(filled, length, 0))))
    for part, vectors in calls:
      out[part] = np.asarray(vectors, np.float32)[: len(part)]
    return out

  return embed


@functools.cache
def _warn_of_cut() -> None:
  """Says once that texts are longer than what is embedded of them."""
  logging.warning(
    'memory.embedder: of longer texts the first %d tokens count', LENGTHS[-1]
  )


def _shape(left: int, longest: int) -> tuple[int, int]:
  """(B, L) of the next batch of `left` texts of at most `longest` tokens."""
  length = next(size for size in LENGTHS if longest <= size)
  full, rest = (tokens // length for tokens in CALL_TOKENS)
  return (full if left >= full else rest), length
