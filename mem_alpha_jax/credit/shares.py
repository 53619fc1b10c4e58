"""Who earned how much of a reward that several share."""

import numpy as np
from jaxtyping import Bool, Float, Int


def evidence(
  scores: Float[np.ndarray, 'N J'],
  written: Int[np.ndarray, 'N J K'],
  turns: int,
  beta: float,
) -> Float[np.ndarray, 'N T']:
  """The reward of the answers, shared among the turns that wrote the evidence.

  r_t = (1 - beta) mean_j(s_j) / T + beta mean_j(s_j share_jt), where share_jt
  is the part of the entries shown for question j that turn t wrote. The sum
  over t is mean_j(s_j). Fine-Mem, arXiv 2601.08435. Ours: an answer without
  any entry is shared by all turns, else its reward would be lost; a missing
  answer is no question.

  Args:
    scores: of N trajectories' J questions, NaN where missing.
    written: the turn that wrote each entry shown, -1 for none; whether an
      updated entry is of its first or its last writer is the caller's choice.
    turns: T.
    beta: 0 shares evenly, 1 by evidence alone.
  """
  known = ~np.isnan(scores)
  paid = np.where(known, scores, 0.0)
  paid = paid / np.maximum(known.sum(1, keepdims=True), 1)
  shown = written >= 0
  count = shown.sum(2)
  each = np.divide(paid, count, out=np.zeros_like(paid), where=count > 0)
  found = np.zeros((len(scores), turns))
  row, question, entry = np.nonzero(shown)
  turn = written[row, question, entry]
  np.add.at(found, (row, turn), beta * each[row, question])
  even = (1 - beta) * paid.sum(1) + beta * np.where(count, 0.0, paid).sum(1)
  return found + even[:, None] / turns


def agree(
  local: Float[np.ndarray, 'E A G'],
  shared: Float[np.ndarray, 'E G'],
  rule: str = 'ndcg',
  temperature: float = 1.0,
) -> Float[np.ndarray, 'E A']:
  """Weights of the shared reward, by how each role's own reward agrees with it.

  w_a = softmax_a(v_a / temperature), r_a = local_a + w_a shared, where v_a is
  the NDCG of the order of the G trajectories by local_a, their gains being the
  shared reward. CoMAM, arXiv 2603.12631, has temperature 1: of three roles no
  weight is below 0.15 or above 0.58. Ours: gains are counted from the lowest,
  discounts are 1 / log2(1 + place), ties have their mean discount, a constant
  shared reward agrees with all; and 'spearman', the positive part of the rank
  correlation, 0 where one side is constant. What is missing has no place.
  """
  shared = np.broadcast_to(shared[:, None], local.shape)
  known = ~np.isnan(local) & ~np.isnan(shared)
  score = {'ndcg': _ndcg, 'spearman': _spearman}[rule]
  value = np.exp(score(local, shared, known) / temperature)
  return value / value.sum(1, keepdims=True)


def most_used(
  kind: Int[np.ndarray, 'N'], uses: Int[np.ndarray, 'N kinds'], alpha: float
) -> Float[np.ndarray, 'N']:
  """Weights of advantages: alpha for the kind of memory that was used most.

  A' = A alpha if the row writes the kind of which most entries were shown for
  its trajectory's questions, A otherwise. MemBuilder, arXiv 2601.05488, has
  alpha 4 and lets core memory, here kind -1, always be 1. Ours: kinds that are
  used equally often all get alpha, and none if none was used.
  """
  top = (uses == uses.max(1, keepdims=True)) & (uses > 0)
  found = np.where(top[np.arange(len(kind)), kind], alpha, 1.0)
  return np.where(kind < 0, 1.0, found)


def _places(values, known: Bool[np.ndarray, '*S G']):
  """How many known values are above each, and how many equal it."""
  one, other = values[..., :, None], values[..., None, :]
  seen = known[..., None, :]
  return ((other > one) & seen).sum(-1), ((other == one) & seen).sum(-1)


def _ndcg(score, gain, known) -> Float[np.ndarray, '*S']:
  discount = 1 / np.log2(2 + np.arange(score.shape[-1]))
  upto = np.concatenate([[0.0], np.cumsum(discount)])
  lowest = np.where(known, gain, np.inf).min(-1, keepdims=True)
  gain = np.where(known, gain - np.where(known, lowest, 0.0), 0.0)

  def total(order):
    above, equal = _places(order, known)
    mean = (upto[above + equal] - upto[above]) / np.maximum(equal, 1)
    return (gain * mean).sum(-1)

  best = total(gain)
  return np.divide(total(score), best, out=np.ones_like(best), where=best > 0)


def _spearman(score, gain, known) -> Float[np.ndarray, '*S']:
  gaps = []
  for values in (score, gain):
    above, equal = _places(values, known)
    rank = np.where(known, above + (equal - 1) / 2, 0.0)
    count = np.maximum(known.sum(-1, keepdims=True), 1)
    gaps.append(np.where(known, rank - rank.sum(-1, keepdims=True) / count, 0))
  a, b = gaps
  spread = np.sqrt(np.square(a).sum(-1) * np.square(b).sum(-1))
  found = np.zeros_like(spread)
  np.divide((a * b).sum(-1), spread, out=found, where=spread > 0)
  return np.maximum(found, 0.0)
