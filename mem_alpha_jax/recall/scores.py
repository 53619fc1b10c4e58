"""How well each entry fits each question, and the best of them.

  N  memories    S  slots    Q  questions of a memory    k  slots returned
  U  words of a question, 0 is none    E  size of a vector

A score is a function (bank, word ids [N, Q, U], vectors [N, Q, E] or None,
overlap) -> [N, Q, S], higher is better, -inf where a slot holds nothing or
fewer than `overlap` words of the question.
"""

import functools
from collections.abc import Callable, Collection, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.memory.slots import SlotBank, term_id
from mem_alpha_jax.text import words

K1, B, EPSILON = 1.5, 0.75, 0.25  # of BM25
RANKS = 60.0  # added to ranks that are fused
Score = Callable[..., Float[Array, 'N Q S']]


@functools.lru_cache(maxsize=1 << 16)
def _query(text: str, width: int, stop: frozenset[str]) -> tuple[int, ...]:
  kept = [word for word in words.terms(text) if word not in stop][:width]
  return (*map(term_id, kept), *(0,) * (width - len(kept)))


def encode_queries(
  texts: Sequence[Sequence[str]],
  width: int,
  questions: int | None = None,
  stop: Collection[str] = (),
) -> Int[np.ndarray, 'N Q U']:
  """Returns the word ids of questions; a repeated word stays repeated.

  Args:
    texts: for each memory its questions.
    width: U; words beyond it are dropped from the end.
    questions: Q, None for the longest list; missing questions are zeros.
    stop: words to leave out.

  Raises:
    ValueError: if a memory has more than `questions` questions.
  """
  longest = max(map(len, texts), default=0)
  if questions is not None and longest > questions:
    raise ValueError(f'{longest} questions do not fit into {questions} rows')
  stop, blank = frozenset(stop), (0,) * width
  count = longest if questions is None else questions
  rows = [
    [_query(text, width, stop) for text in row] + [blank] * (count - len(row))
    for row in texts
  ]
  return np.array(rows, np.int32).reshape(len(rows), count, width)


def bm25(
  bank: SlotBank,
  query_ids: Int[Array, 'N Q U'],
  query_vecs: Float[Array, 'N Q E'] | None = None,
  overlap: int = 0,
) -> Float[Array, 'N Q S']:
  """Okapi BM25 in each memory, equal to rank_bm25.BM25Okapi 0.2.2.

    score(q, d) = sum_{u in d} idf(u) (k1 + 1)
                  / (1 + k1 (1 - b + b |d| / mean |d|))
    idf(u) = log((n - f + 0.5) / (f + 0.5))

  for n entries of |d| distinct words, of which f contain u. Robertson and
  Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond"; a
  negative idf becomes epsilon times the mean idf of the memory's distinct
  words (Trotman et al. 2014, "Improvements to BM25 and Language Models
  Examined"). In a memory of one or two entries that floor is not positive, so
  an `overlap` of 1 finds what a least score of 0 would not.
  """
  del query_vecs
  table = _idf_table(bank, EPSILON)  # [N, S+1]
  length = jnp.sum(bank.term_ids > 0, -1)  # [N, S]
  mean = jnp.sum(length, -1) / jnp.maximum(jnp.sum(bank.valid, -1), 1)
  mean = jnp.maximum(mean, 1e-9)[:, None]
  norm = K1 * (1 - B + B * length / mean)[:, None]  # [N, 1, S]
  # The slots are the minor axis and W is unrolled: plain vector code.
  ids = jnp.swapaxes(bank.term_ids, 1, 2)[:, None]  # [N, 1, W, S]

  def add_word(total, word):  # one word of each question, [N, Q]
    word = word[..., None]
    hit = False
    for w in range(ids.shape[2]):
      hit |= ids[:, :, w] == word
    tf = (hit & (word > 0)).astype(jnp.int32)  # [N, Q, S]
    found_in = jnp.sum(tf, -1)
    idf = jnp.take_along_axis(table, found_in, 1)[..., None]
    score, hits = total
    score += idf * tf * (K1 + 1) / (tf + norm)
    return (score, hits + tf if overlap else hits), None

  shape = (*query_ids.shape[:2], bank.valid.shape[1])
  start = jnp.zeros(shape, jnp.float32), jnp.zeros(shape, jnp.int32)
  words = jnp.moveaxis(query_ids, -1, 0)
  (scores, hits), _ = lax.scan(add_word, start, words)
  return _only_valid(bank, jnp.where(hits >= overlap, scores, -jnp.inf))


def _idf_table(bank: SlotBank, epsilon: float) -> Float[Array, 'N S+1']:
  """Returns idf by frequency; column f is the idf of a word in f entries."""
  n = jnp.sum(bank.valid, -1, keepdims=True)
  f = jnp.arange(bank.valid.shape[1] + 1)[None]
  idf = jnp.log((jnp.maximum(n - f, 0) + 0.5) / (f + 0.5))
  weight = jax.vmap(_frequencies)(bank.term_ids).astype(jnp.float32)
  distinct = jnp.maximum(jnp.sum(weight, -1, keepdims=True), 1)
  mean = jnp.sum(weight * idf, -1, keepdims=True) / distinct
  return jnp.where(idf < 0, epsilon * mean, idf)


def _frequencies(ids: Int[Array, 'S W']) -> Int[Array, 'S+1']:
  """How many words of a memory are in f of its entries; 0 for f = 0."""
  word, found_in = jnp.unique(ids, return_counts=True, size=ids.size)
  found_in = jnp.where(word > 0, found_in, 0)
  return jnp.bincount(found_in, length=len(ids) + 1).at[0].set(0)


def cosine(
  bank: SlotBank,
  query_ids: Int[Array, 'N Q U'] | None,
  query_vecs: Float[Array, 'N Q E'],
  overlap: int = 0,
) -> Float[Array, 'N Q S']:
  """Cosine of query and entry; 0 where either has no direction."""
  del query_ids, overlap
  dots = jnp.einsum('nqe,nse->nqs', query_vecs, bank.embedding)
  lengths = (
    jnp.linalg.norm(query_vecs, axis=-1)[:, :, None]
    * jnp.linalg.norm(bank.embedding, axis=-1)[:, None]
  )
  scores = jnp.where(lengths > 0, dots / jnp.maximum(lengths, 1e-12), 0.0)
  return _only_valid(bank, scores)


def _only_valid(bank, scores):
  return jnp.where(bank.valid[:, None], scores, -jnp.inf)


def rrf(
  bank: SlotBank,
  query_ids: Int[Array, 'N Q U'],
  query_vecs: Float[Array, 'N Q E'],
  overlap: int = 0,
) -> Float[Array, 'N Q S']:
  """BM25 and cosine, `fused`."""
  return fused(
    [f(bank, query_ids, query_vecs, overlap) for f in (bm25, cosine)]
  )


def fused(scores: Sequence[Float[Array, 'N Q S']]) -> Float[Array, 'N Q S']:
  """Reciprocal-rank fusion: sum over rankings of 1 / (RANKS + rank).

  Cormack et al. 2009, "Reciprocal Rank Fusion outperforms Condorcet and
  individual Rank Learning Methods". Ranks start at 1, ties go to the lower
  slot; a slot at -inf has no rank in that list, and -inf if in none.
  """
  total = jnp.zeros_like(scores[0])
  for score in scores:
    order = jnp.argsort(-score, axis=-1, stable=True)
    rank = jnp.argsort(order, axis=-1) + 1
    total += jnp.where(score > -jnp.inf, 1 / (RANKS + rank), 0.0)
  return jnp.where(total > 0, total, -jnp.inf)


def top_k(
  scores: Float[Array, 'N Q S'], k: int
) -> tuple[Int[Array, 'N Q k'], Bool[Array, 'N Q k']]:
  """Returns the best slots, best first, and which of them are real.

  Ties go to the lower slot. Where fewer than k slots are above -inf the rest
  is slot -1, not found.
  """
  best, slots = lax.top_k(scores, min(k, scores.shape[-1]))
  found = best > -jnp.inf
  pad = [(0, 0), (0, 0), (0, k - slots.shape[-1])]
  slots = jnp.pad(jnp.where(found, slots, -1), pad, constant_values=-1)
  return slots, jnp.pad(found, pad)


@functools.partial(jax.jit, static_argnames=('score', 'k', 'overlap'))
def best(
  score: Score,
  bank: SlotBank,
  query_ids: Int[Array, 'N Q U'],
  query_vecs: Float[Array, 'N Q E'] | None = None,
  k: int = 5,
  overlap: int = 0,
) -> tuple[Int[Array, 'N Q k'], Bool[Array, 'N Q k']]:
  """Returns for each question its best k slots and which of them are real."""
  return top_k(score(bank, query_ids, query_vecs, overlap), k)
