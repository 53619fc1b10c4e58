"""Sizes of a run that follow from several fields of its config."""

import itertools

import ml_collections


def shares_prefix(config: ml_collections.ConfigDict) -> bool:
  """Whether all samples of one episode and turn have the same prefix.

  Those of one state do; those of trajectories only where the memory is not
  in the prefix.
  """
  by_state = config.rollout.groups == 'state'
  return by_state or config.memory.prompt_format != 'compact'


def prompt_shape(
  config: ml_collections.ConfigDict, prefix: int, own: int
) -> tuple[int, int]:
  """Padded tokens of a prompt that samples share, and that each runs itself.

  Samples of one state share all but the last token, which every sample has to
  run; those of trajectories have a memory each.

  Args:
    prefix: bucket of the first part of the prompt.
    own: bucket of its second part.
  """
  if config.rollout.groups == 'state' and own > 1:
    return prefix + own, 1
  return prefix, own


def prompt_width(config: ml_collections.ConfigDict) -> int:
  """Samples of one group that share a prefix in training rows."""
  size = max(config.rollout.group_size, config.rollout.rerolls)
  return size if shares_prefix(config) else 1


def leaves_below(rollout: ml_collections.ConfigDict, turn: int) -> int:
  """Trajectories that a memory becomes which writes at this turn."""
  return rollout.branches ** sum(at > turn for at in rollout.forks)


def total_updates(
  config: ml_collections.ConfigDict, pieces: float = 1.0
) -> int:
  """Optimizer updates of a run whose episodes are as long as is asked for.

  With data.promote_at the fewest: as if no stage began sooner.

  Args:
    pieces: turns that read a chunk, on average (rollout.clauses).
  """
  data, rollout = config.data, config.rollout
  again = rollout.rerolls * round(rollout.rerolled * data.batch_episodes)

  def rows(chunks: int) -> int:
    chunks = round(chunks * pieces)
    whole = [rollout.group_size] * (chunks + rollout.answers)
    if not shares_prefix(config):  # else groups are padded
      whole = [n // leaves_below(rollout, t) for t, n in enumerate(whole)]
    return data.batch_episodes * sum(whole) + again * chunks

  steps = (0, *data.promote, config.num_steps)
  steps = [min(step, config.num_steps) for step in steps]
  return sum(
    (end - begin) * -(-rows(chunks) // config.rl.minibatch_rows)
    for (begin, end), chunks in zip(
      itertools.pairwise(steps),
      data.horizon or (data.train_chunks,),
      strict=True,
    )
  )
