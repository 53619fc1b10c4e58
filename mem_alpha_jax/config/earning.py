"""What ways to sample, to pay and to compare need of each other."""

import ml_collections

from mem_alpha_jax.config import sizes
from mem_alpha_jax.config.rules import require

# Values of rl.advantage.
ANSWERED = ('uma', 'agree', 'agree_spearman')
TREES = ('siblings', 'siblings_grpo', 'tree', 'mem_t')


def check(c: ml_collections.ConfigDict) -> None:
  """Raises ValueError for the first field that is wrong, in one line."""
  _check_evidence(c)
  _check_rerolls(c)
  _check_forks(c)
  _check_answers(c)


def _check_evidence(c: ml_collections.ConfigDict) -> None:
  rl, at_end = c.rl, c.reward.when == 'end'
  for name in ('evidence', 'memq'):
    share = c.reward[name]
    require(
      not share or (at_end and c.rollout.groups == 'trajectory'),
      f'reward.{name}={share}: shares the reward of an end among its turns; '
      "needs reward.when='end' and rollout.groups='trajectory'",
    )
    require(
      not share or (rl.group_by != 'trajectory' and rl.advantage != 'gae'),
      f'reward.{name}={share}: rl.group_by={rl.group_by!r} with '
      f'rl.advantage={rl.advantage!r} sums over turns and so undoes it; use '
      "rl.group_by='chunk' and no gae",
    )
  require(
    not (c.reward.evidence and c.reward.memq),
    f'reward.memq={c.reward.memq}: reward.evidence={c.reward.evidence} shares '
    'the same reward; use 0 for one of them',
  )


def _check_rerolls(c: ml_collections.ConfigDict) -> None:
  count, share = c.rollout.rerolls, c.rollout.rerolled
  require(
    not count or (c.rollout.groups == 'trajectory' and c.rl.advantage != 'gae'),
    f'rollout.rerolls={count}: are beside trajectories, and compared; needs '
    "rollout.groups='trajectory' and no rl.advantage='gae'",
  )
  require(
    count != 1,
    'rollout.rerolls=1: one has none to be compared with; use 2 or more',
  )
  require(
    not count or round(share * c.data.batch_episodes) > 0,
    f'rollout.rerolled={share}: is no episode of '
    f'data.batch_episodes={c.data.batch_episodes}; raise it',
  )


def _check_forks(c: ml_collections.ConfigDict) -> None:
  rollout, by = c.rollout, c.rl.advantage
  forks, branches = tuple(rollout.forks), rollout.branches
  require(
    bool(forks) == (by in TREES),
    f'rl.advantage={by!r}, rollout.forks={forks}: memories that branch are '
    f'compared by one of {list(TREES)}, and nothing else is',
  )
  if not forks:
    return
  require(
    rollout.groups == 'trajectory' and not rollout.rerolls,
    f'rollout.forks={forks}: trajectories branch; needs rollout.groups='
    "'trajectory' and rollout.rerolls=0",
  )
  require(
    not c.reward.evidence and not c.reward.memq,
    f'rollout.forks={forks}: a trajectory earns one reward; needs '
    'reward.evidence=0 and reward.memq=0',
  )
  shortest = min((*c.data.horizon, c.data.train_chunks))
  require(
    forks[-1] < shortest,
    f'rollout.forks={forks}: the last must be below the {shortest} chunks of '
    'the shortest episodes (data.train_chunks, data.horizon)',
  )
  leaves = sizes.leaves_below(rollout, 0)
  trunks, rest = divmod(rollout.group_size, leaves)
  require(
    not rest and trunks > (by == 'tree'),
    f'rollout.group_size={rollout.group_size}: must be a multiple of {leaves}, '
    f'which a memory becomes that branches by rollout.branches={branches} at '
    f'rollout.forks={forks}; of rl.advantage=tree two or more times',
  )


def _check_answers(c: ml_collections.ConfigDict) -> None:
  count, by, rollout = c.rollout.answers, c.rl.advantage, c.rollout
  require(
    bool(count)
    or not (c.warm_start.answers or c.reward.answerer == 'policy')
    and by not in ANSWERED,
    f'rollout.answers=0: rl.advantage={by!r}, reward.answerer='
    f'{c.reward.answerer!r} and warm_start.answers={c.warm_start.answers} are '
    'about the answers of the policy; let it answer some',
  )
  alone = c.eval.answerer == 'reader'
  require(
    bool(count) or alone,
    "eval.answerer='policy': rollout.answers=0, so this policy answers "
    "nothing; use 'reader', or a run whose policy answers some",
  )
  require(
    alone or c.reading.top_k >= c.memory.view_entries,
    f"eval.answerer='policy': is shown reading.top_k={c.reading.top_k} entries "
    f'at most, fewer than memory.view_entries={c.memory.view_entries} of '
    'training; raise the former',
  )
  require(
    c.reward.answerer == 'reader'
    or (c.reward.when == 'end' and rollout.groups == 'trajectory'),
    "reward.answerer='policy': answers after an episode pay its trajectories; "
    "needs reward.when='end' and rollout.groups='trajectory'",
  )
  require(
    by not in ANSWERED
    or (c.reward.answerer == 'policy' and c.reward.answers > 0),
    f'rl.advantage={by!r}: pays the answers of the policy to its writer, too; '
    "needs reward.answerer='policy' and reward.answers above 0",
  )
  require(
    not count
    or (c.memory.prompt_format == 'compact' and rollout.grammar == 'off'),
    f'rollout.answers={count}: only the compact prompt can ask, and a grammar '
    "knows no answers; needs memory.prompt_format='compact' and "
    "rollout.grammar='off'",
  )
  others = {
    'rollout.forks': bool(rollout.forks),
    'rollout.rerolls': rollout.rerolls,
    'rollout.expert': rollout.expert,
    'reward.evidence': c.reward.evidence,
    'reward.memq': c.reward.memq,
    'reward.gold': c.reward.gold,
    'rl.advantage': by == 'gae',
  }
  for name, used in others.items():
    require(
      not count or not used,
      f'rollout.answers={count}: {name} is about turns that write alone; leave '
      'one of them out',
    )
