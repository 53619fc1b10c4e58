"""The smallest run that does all a run does; one set of shapes for all tests.

Also a config file: --config=tests/tiny_config.py:field=value,...
"""

from collections.abc import Mapping
from typing import Any

import ml_collections

from configs import common, tiny

FIELDS = {
  'num_steps': 4,
  'data.batch_episodes': 4,
  'data.train_chunks': 3,
  'data.eval_episodes': 4,
  'tokenizer.vocab_size': 600,
  'tokenizer.train_episodes': 100,
  'memory.entry_tokens': 12,
  'memory.view_entries': 2,
  'model.layers': 1,
  'model.width': 32,
  'model.heads': 2,
  'model.kv_heads': 1,
  'model.head_size': 16,
  'model.ffn': 48,
  'rollout.prefix_buckets': (80,),
  'rollout.response_buckets': (16,),
  'rollout.group_size': 4,
  'rollout.forced': 1,
  'rollout.probes': 4,
  'rl.minibatch_rows': 32,
  'optim.schedule': 'constant',
  'warm_start.checkpoint': '',
  'warm_start.steps': 30,
  'warm_start.batch': 32,
  'warm_start.learning_rate': 1e-2,
  'eval.every': 2,
  'eval.lengths': (1, 2),
  'eval.length_episodes': 4,
  'eval.html_episodes': 1,
  'checkpoint.every': 2,
  'log.tensorboard': False,
  'log.progress': False,
}


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns configs/tiny.py at test size; `arg` as there."""
  c = tiny.get_config().unlock()
  c.update_from_flattened_dict(FIELDS)
  return common.parse_arg(c, arg)


def overrides(fields: Mapping[str, Any] = FIELDS) -> str:
  """Fields as an argument of a config file."""

  def join(v):
    return ';'.join(map(str, v)) if isinstance(v, tuple) else str(v)

  return ','.join(f'{name}={join(value)}' for name, value in fields.items())
