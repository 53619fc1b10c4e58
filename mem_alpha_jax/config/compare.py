"""Which fields may differ where a run is taken up again."""

from collections.abc import Sequence
from typing import Any

from mem_alpha_jax.system import files

# Fields (or their prefixes) that may differ when a run is taken up again:
# none changes what is learned, beyond rounding.
RESUME_FIELDS = (
  'log.',
  'checkpoint.',
  'eval.html_episodes',
  'stream.',
  'data.root',
  'mesh.',
  'model.attention',
  'model.block_logits',
  'model.remat',
  'rl.microbatches',
  'optim.max_skipped',
  'reading.url',
  'reading.key_env',
  'reading.cache',
  'reading.price_prompt',
  'reading.price_completion',
  'reading.timeout',
  'reading.retries',
  'reading.backoff',
  'reading.concurrency',
  'reading.breaker_limit',
  'reading.breaker_pause',
  'reading.max_missing',
)
# Fields that may differ when a finished run is only evaluated.
EVAL_FIELDS = (*RESUME_FIELDS, 'eval.', 'data.', 'reading.')


def flatten(tree: dict, prefix: str = '') -> dict[str, Any]:
  """Returns dotted names -> values, as JSON has them (tuples are lists)."""
  flat = {}
  for key, value in tree.items():
    if isinstance(value, dict):
      flat.update(flatten(value, f'{prefix}{key}.'))
    else:
      flat[prefix + key] = files.plain(value)
  return flat


def nest(flat: dict[str, Any]) -> dict:
  """The inverse of `flatten`, names sorted."""
  tree = {}
  for name, value in sorted(flat.items()):
    *parents, leaf = name.split('.')
    node = tree
    for parent in parents:
      node = node.setdefault(parent, {})
    node[leaf] = value
  return tree


def differences(
  mine: dict[str, Any], theirs: dict[str, Any], may_differ: Sequence[str]
) -> list[str]:
  """What differs between two flat configs, each field with both values.

  Args:
    mine: fields now.
    theirs: fields of the run that is there.
    may_differ: names of fields, or prefixes ending in a dot.
  """
  return [
    f'{name} ({theirs.get(name, "absent")!r} there, '
    f'{mine.get(name, "absent")!r} now)'
    for name in sorted({**mine, **theirs})
    if mine.get(name) != theirs.get(name) and not _matches(name, may_differ)
  ]


def _matches(name: str, allowed: Sequence[str]) -> bool:
  return any(
    name.startswith(item) if item.endswith('.') else name == item
    for item in allowed
  )
