"""Retrieval for all memories and questions in one jitted call.

  N  memories    S  slots    Q  questions of a memory    k  slots returned
  U  words of a question, 0 is none

Every score is [N, Q, S], higher is better, -inf where a slot holds nothing.
"""

import functools
from collections.abc import Collection, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.memory import slots as slots_lib

SlotBank = slots_lib.SlotBank
terms = slots_lib.terms

METHODS = ('bm25', 'cosine', 'rrf')


@functools.lru_cache(maxsize=1 << 16)
def _query(text: str, width: int, stop: frozenset[str]) -> tuple[int, ...]:
  words = [word for word in terms(text) if word not in stop][:width]
  ids = [slots_lib.term_id(word) for word in words]
  return (*ids, *(0,) * (width - len(ids)))


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


def bm25_scores(
  bank: SlotBank,
  query_ids: Int[Array, 'N Q U'],
  k1: float = 1.5,
  b: float = 0.75,
  epsilon: float = 0.25,
) -> Float[Array, 'N Q S']:
  """Okapi BM25 in each memory, equal to rank_bm25.BM25Okapi 0.2.2.

    score(q, d) = sum_u idf(u) tf(u, d) (k1 + 1)
                  / (tf(u, d) + k1 (1 - b + b |d| / mean |d|))
    idf(u) = log((n - f + 0.5) / (f + 0.5))

  for n entries of which f contain u. Robertson and Zaragoza 2009, "The
  Probabilistic Relevance Framework: BM25 and Beyond"; a negative idf becomes
  epsilon times the mean idf of the memory's distinct words (Trotman et al.
  2014, "Improvements to BM25 and Language Models Examined"). In a memory of
  one or two entries that floor is not positive.
  """
  return _bm25(bank, query_ids, 0, k1, b, epsilon)


def _bm25(bank, query_ids, overlap, k1=1.5, b=0.75, epsilon=0.25):
  """Scores the slots with at least `overlap` words of the query."""
  table = _idf_table(bank, epsilon)  # [N, S+1]
  length = jnp.sum(bank.term_counts, -1)  # [N, S]
  mean = jnp.sum(length, -1) / jnp.maximum(jnp.sum(bank.valid, -1), 1)
  mean = jnp.maximum(mean, 1e-9)[:, None]
  norm = k1 * (1 - b + b * length / mean)[:, None]  # [N, 1, S]
  # The slots are the minor axis and W is unrolled: plain vector code.
  ids = jnp.swapaxes(bank.term_ids, 1, 2)[:, None]  # [N, 1, W, S]
  counts = jnp.swapaxes(bank.term_counts, 1, 2)[:, None]

  def add_word(total, word):  # one word of each question, [N, Q]
    word = word[..., None]
    tf = 0
    for w in range(ids.shape[2]):
      tf += jnp.where(ids[:, :, w] == word, counts[:, :, w], 0)
    tf = jnp.where(word > 0, tf, 0)  # [N, Q, S]
    found_in = jnp.sum(tf > 0, -1)
    idf = jnp.take_along_axis(table, found_in, 1)[..., None]
    score, hits = total
    score += idf * tf * (k1 + 1) / (tf + norm)
    return (score, hits + (tf > 0) if overlap else hits), None

  shape = (*query_ids.shape[:2], bank.valid.shape[1])
  start = jnp.zeros(shape, jnp.float32), jnp.zeros(shape, jnp.int32)
  words = jnp.moveaxis(query_ids, -1, 0)
  (scores, hits), _ = lax.scan(add_word, start, words)
  return _only_valid(bank, jnp.where(hits >= overlap, scores, -jnp.inf))


def _idf_table(bank: SlotBank, epsilon: float) -> Float[Array, 'N S+1']:
  """Returns idf by frequency; column f is the idf of a word in f entries."""
  n = jnp.sum(bank.valid, -1, keepdims=True)
  f = jnp.arange(bank.histogram.shape[1])[None]
  idf = jnp.log((jnp.maximum(n - f, 0) + 0.5) / (f + 0.5))
  weight = bank.histogram.astype(jnp.float32)
  distinct = jnp.maximum(jnp.sum(weight, -1, keepdims=True), 1)
  mean = jnp.sum(weight * idf, -1, keepdims=True) / distinct
  return jnp.where(idf < 0, epsilon * mean, idf)


def cosine_scores(
  bank: SlotBank, query_vecs: Float[Array, 'N Q E']
) -> Float[Array, 'N Q S']:
  """Cosine of query and entry; 0 where either has no direction."""
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
  scores: Sequence[Float[Array, 'N Q S']], k: float = 60.0
) -> Float[Array, 'N Q S']:
  """Reciprocal-rank fusion: sum over rankings of 1 / (k + rank).

  Cormack et al. 2009, "Reciprocal Rank Fusion outperforms Condorcet and
  individual Rank Learning Methods". Ranks start at 1, ties go to the lower
  slot; a slot at -inf has no rank in that list, and -inf if in none.
  """
  total = jnp.zeros_like(scores[0])
  for score in scores:
    order = jnp.argsort(-score, axis=-1, stable=True)
    rank = jnp.argsort(order, axis=-1) + 1
    total += jnp.where(score > -jnp.inf, 1 / (k + rank), 0.0)
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


@functools.partial(jax.jit, static_argnames=('method', 'k', 'overlap'))
def search(
  bank: SlotBank,
  query_ids: Int[Array, 'N Q U'],
  query_vecs: Float[Array, 'N Q E'] | None = None,
  method: str = 'bm25',
  k: int = 5,
  min_score: float | None = None,
  overlap: int = 0,
) -> tuple[Int[Array, 'N Q k'], Bool[Array, 'N Q k']]:
  """Returns for each question its best k slots and which of them are real.

  Args:
    bank: the memories.
    query_ids: words of the questions, from `encode_queries`.
    query_vecs: vectors of the questions; bm25 does not use them.
    method: 'bm25', 'cosine' or 'rrf' (both, fused).
    k: slots to return.
    min_score: a slot must score more than this; with rrf more than this by
      BM25 to be ranked in that list, likewise by cosine. None takes all.
    overlap: words of the question that an entry must contain to be ranked by
      BM25, counted like `query_ids` with repetitions. Unlike min_score=0 it
      also finds the entries of a memory so small that no idf is positive.

  Raises:
    ValueError: for an unknown method, or vectors that it needs and lacks.
  """
  if method not in METHODS:
    raise ValueError(f'reading.retrieval={method!r} is not one of {METHODS}')
  if method != 'bm25' and (query_vecs is None or not query_vecs.shape[-1]):
    raise ValueError(
      f'reading.retrieval={method!r} needs vectors; set memory.embedder or '
      'use bm25'
    )
  lists = []
  if method != 'cosine':
    lists.append(_bm25(bank, query_ids, overlap))
  if method != 'bm25':
    lists.append(cosine_scores(bank, query_vecs))
  if min_score is not None:
    lists = [jnp.where(x > min_score, x, -jnp.inf) for x in lists]
  scores = rrf(lists) if method == 'rrf' else lists[0]
  return top_k(scores, k)
