"""How well each entry fits each question, and the best of them.

  N  memories    S  slots    Q  questions of a memory    k  slots returned
  U  words of a question, 0 is none    E  size of a vector

A score is higher where an entry fits better, -inf where a slot holds nothing
or fewer than `overlap` words of the question.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from mem_alpha_jax.memory.slots import SlotBank, term_id
from mem_alpha_jax.text import words, wrapping

K1, B, EPSILON = 1.5, 0.75, 0.25  # of BM25
RARE, EARLY, TOPIC = 1e-3, 1e-4, 4e-5  # of coverage, topic: they part ties
RANKS = 60.0  # added to ranks that are fused
LEAST_WORDS = 8  # of a padded question
Words = Int[Array, 'N Q U']
Vectors = Float[Array, 'N Q E'] | None
Scores = Float[Array, 'N Q S']
Score = Callable[[SlotBank, Words, Vectors, int], Scores]


@functools.lru_cache(maxsize=1 << 14)
def _query(text: str) -> Int[np.ndarray, 'U']:
  return np.array([*map(term_id, words.content(wrapping.bare(text)))], np.int32)


def encode_queries(
  texts: Sequence[Sequence[str]], questions: int | None = None
) -> Int[np.ndarray, 'N Q U']:
  """Ids of all distinct words of each question, without words.STOP.

  U is LEAST_WORDS times a power of 4: few shapes, and no word is dropped.

  Args:
    questions: Q, None for the longest list; missing questions are zeros.

  Raises:
    ValueError: if a memory has more than `questions` questions.
  """
  most = max(map(len, texts), default=0)
  if questions is not None and most > questions:
    raise ValueError(f'{most} questions do not fit into {questions} rows')
  found = [_query(text) for row in texts for text in row]
  longest, width = max(map(len, found), default=0), LEAST_WORDS
  while width < longest:
    width *= 4
  asked = np.array([*map(len, texts)])[:, None]
  lengths = np.zeros((len(texts), questions or most), int)
  lengths[np.arange(lengths.shape[1]) < asked] = [*map(len, found)]
  out = np.zeros((*lengths.shape, width), np.int32)
  out[np.arange(width) < lengths[..., None]] = np.concatenate(
    [np.zeros(0, np.int32), *found]
  )
  return out


def bm25(
  bank: SlotBank, query_ids: Words, query_vecs: Vectors = None, overlap: int = 0
) -> Scores:
  """BM25 in each memory, with an idf that is always positive.

    score(q, d) = sum_{u in q and d} idf(u) (k1 + 1)
                  / (1 + k1 (1 - b + b |d| / mean |d|))
    idf(u) = log(1 + (n - f + 0.5) / (f + 0.5))

  for n entries of |d| distinct words, of which f contain u. Robertson and
  Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond"; the
  1 in the logarithm is Lucene's. Without it a word of half the entries counts
  nothing or less, and a memory of few entries is in no order at all.
  """
  del query_vecs
  n, f = _found_in(bank)
  return _bm25(bank, query_ids, jnp.log1p((n - f + 0.5) / (f + 0.5)), overlap)


def rank_bm25(
  bank: SlotBank, query_ids: Words, query_vecs: Vectors = None, overlap: int = 0
) -> Scores:
  """The same, equal to rank_bm25.BM25Okapi 0.2.2, for comparison.

  idf(u) = log((n - f + 0.5) / (f + 0.5)); where that is negative EPSILON times
  the mean idf of the memory's distinct words (Trotman et al. 2014,
  "Improvements to BM25 and Language Models Examined"), which in a memory of
  one or two entries is not positive either. It sorts the words of a memory.
  """
  del query_vecs
  n, f = _found_in(bank)
  idf = jnp.log((n - f + 0.5) / (f + 0.5))
  weight = jax.vmap(_frequencies)(bank.term_ids).astype(jnp.float32)
  distinct = jnp.maximum(jnp.sum(weight, -1, keepdims=True), 1)
  mean = jnp.sum(weight * idf, -1, keepdims=True) / distinct
  table = jnp.where(idf < 0, EPSILON * mean, idf)
  return _bm25(bank, query_ids, table, overlap)


def _found_in(bank):
  """Entries n [N, 1], and each number f [N, S+1] of them that have a word."""
  n = jnp.sum(bank.valid, -1, keepdims=True)
  return n, jnp.minimum(jnp.arange(bank.valid.shape[1] + 1)[None], n)


def _frequencies(ids: Int[Array, 'S W']) -> Int[Array, 'S+1']:
  """How many words of a memory are in f of its entries; 0 for f = 0."""
  word, found_in = jnp.unique(ids, return_counts=True, size=ids.size)
  found_in = jnp.where(word > 0, found_in, 0)
  return jnp.bincount(found_in, length=len(ids) + 1).at[0].set(0)


def _bm25(
  bank: SlotBank, query_ids: Words, table: Float[Array, 'N S+1'], overlap: int
) -> Scores:
  """BM25 where table[f] is the idf of a word in f entries."""
  length = jnp.sum(bank.term_ids > 0, -1)  # [N, S]
  mean = jnp.sum(length, -1) / jnp.maximum(jnp.sum(bank.valid, -1), 1)
  mean = jnp.maximum(mean, 1e-9)[:, None]
  norm = K1 * (1 - B + B * length / mean)[:, None]  # [N, 1, S]
  ids = _by_word(bank)

  def add_word(total, word):  # one word of each question, [N, Q]
    hit = _hit(ids, word)
    idf = jnp.take_along_axis(table, jnp.sum(hit, -1), 1)[..., None]
    score, hits = total
    return (score + hit * idf, hits + hit if overlap else hits), None

  shape = (*query_ids.shape[:2], bank.valid.shape[1])
  start = jnp.zeros(shape, jnp.float32), jnp.zeros(shape, jnp.int32)
  (scores, hits), _ = lax.scan(add_word, start, jnp.moveaxis(query_ids, -1, 0))
  scores *= (K1 + 1) / (1 + norm)
  return _only_valid(bank, jnp.where(hits >= overlap, scores, -jnp.inf))


def _by_word(bank: SlotBank) -> Int[Array, 'N 1 W S']:
  return jnp.swapaxes(bank.term_ids, 1, 2)[:, None]


def _hit(
  ids: Int[Array, 'N 1 W S'], word: Int[Array, 'N Q']
) -> Bool[Array, 'N Q S']:
  """Whether an entry holds a word; none holds 0."""
  word = word[..., None]
  # The slots are the minor axis and W is unrolled: plain vector code.
  hit = False
  for w in range(ids.shape[2]):
    hit |= ids[:, :, w] == word
  return hit & (word > 0)


def coverage(
  bank: SlotBank, query_ids: Words, query_vecs: Vectors = None, overlap: int = 0
) -> Scores:
  """What a text may change: the entries that share most of their words with it.

    score(q, d) = |q and d| / sqrt(|d|) - RARE log(same) - EARLY place

  Every word counts alike, for a new value is rare and an idf lets it outrank
  what the text is about: of "Ana has a job as a poet" poets would stand before
  'Ana job baker'. Ties go to the words that the fewest entries share with the
  text (`same`: Ana has one job, poets are many), then to those that it says
  first, its topic (`place`: their mean place in it, from 0 to 1). Among entries
  of hundreds of words, whose first terms are close, the others decide more than
  ties. This is ours; experiments/view measures it on entries of a few words.
  """
  del query_vecs
  shared = _shared(bank, query_ids)
  tie = EARLY * shared.place / jnp.maximum(shared.words, 1)
  return _covered(bank, shared, -tie, overlap)


def topic(
  bank: SlotBank, query_ids: Words, query_vecs: Vectors = None, overlap: int = 0
) -> Scores:
  """As coverage, for texts that may say first what is new in them.

    score(q, d) = |q and d| / sqrt(|d|) - RARE log(same)
      + TOPIC mean_w(log(1 + entries with w) - w's index in q / 10)

  over the words w that they share. Ties that `same` leaves go to words that
  many entries have: who "Dumplings: that is what Ana is allergic to" is about
  has more notes than there are of dumplings. This is ours, see
  experiments/view.
  """
  del query_vecs
  shared = _shared(bank, query_ids)
  index = shared.place * query_ids.shape[-1]
  tie = TOPIC * (shared.common - index / 10) / jnp.maximum(shared.words, 1)
  return _covered(bank, shared, tie, overlap)


class _Shared(NamedTuple):
  """Of a text and an entry, [N, Q, S] each: what they share."""

  words: Int[Array, 'N Q S']  # how many
  which: Int[Array, 'N Q S']  # a sum of their ids, which names the set
  place: Float[Array, 'N Q S']  # sum of their places in the text, each below 1
  common: Float[Array, 'N Q S']  # sum of log(1 + entries with the word)


def _shared(bank: SlotBank, query_ids: Words) -> _Shared:
  ids, most = _by_word(bank), query_ids.shape[-1]

  def add_word(total, word):  # one word of each question, [N, Q]
    word, at = word
    hit = _hit(ids, word)
    which = hit * word[..., None].astype(jnp.uint32)
    entries = jnp.sum(hit, -1, keepdims=True)
    one = _Shared(hit, which, hit * at, hit * jnp.log1p(entries))
    return jax.tree.map(jnp.add, total, one), None

  shape = (*query_ids.shape[:2], bank.valid.shape[1])
  types = jnp.int32, jnp.uint32, jnp.float32, jnp.float32
  start = _Shared(*(jnp.zeros(shape, t) for t in types))
  words = jnp.moveaxis(query_ids, -1, 0), jnp.arange(most) / most
  return lax.scan(add_word, start, words)[0]


def _covered(bank: SlotBank, shared: _Shared, tie, overlap: int) -> Scores:
  length = jnp.maximum(jnp.sum(bank.term_ids > 0, -1), 1)[:, None]
  scores = shared.words / jnp.sqrt(length)
  same = jnp.vectorize(_equal, signature='(s)->(s)')(shared.which)
  scores -= RARE * jnp.log(same)
  scores += tie
  return _only_valid(bank, jnp.where(shared.words >= overlap, scores, -jnp.inf))


def _equal(values: Int[Array, 'S']) -> Int[Array, 'S']:
  """How many of the values are equal to each."""
  ends = (
    jnp.searchsorted(jnp.sort(values), values, side, method='sort')
    for side in ('left', 'right')
  )
  first, end = ends
  return end - first


def cosine(
  bank: SlotBank, query_ids: Words | None, query_vecs: Vectors, overlap: int = 0
) -> Scores:
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
  bank: SlotBank, query_ids: Words, query_vecs: Vectors, overlap: int = 0
) -> Scores:
  """BM25 and cosine, `fused`."""
  return fused(
    [f(bank, query_ids, query_vecs, overlap) for f in (bm25, cosine)]
  )


def fused(scores: Sequence[Scores]) -> Scores:
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
  scores: Scores, k: int
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
  query_ids: Words,
  query_vecs: Vectors = None,
  k: int = 5,
  overlap: int = 0,
) -> tuple[Int[Array, 'N Q k'], Bool[Array, 'N Q k']]:
  """Returns for each question its best k slots and which of them are real."""
  return top_k(score(bank, query_ids, query_vecs, overlap), k)
