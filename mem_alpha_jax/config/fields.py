"""Every config field: its default, meaning, rule, and when it may change.

They stand in config/sections/. The defaults are the laptop run's,
configs/tiny.py; other configs say what differs from it. A field without a rule
has that of its type, rules.KINDS.
"""

import ml_collections

from mem_alpha_jax.config import rules
from mem_alpha_jax.config.rules import Field, integer, natural
from mem_alpha_jax.config.sections import (
  data,
  learning,
  memory,
  model,
  outputs,
  reading,
  reward,
  rollout,
)

_RUN = rules.section(
  '',
  rules.NEVER,
  seed=Field(0, 'of data, weights, sampling, shuffling', integer(0, 2**31 - 1)),
  num_steps=Field(250, 'collected batches', natural),
)
_FILES = (data, memory, reading, model, rollout, reward, learning, outputs)
FIELDS: dict[str, Field] = dict(_RUN)
for _file in _FILES:
  for _fields in _file.SECTIONS:
    FIELDS |= _fields


def defaults() -> ml_collections.ConfigDict:
  """A config of all defaults, not locked."""
  tree = {}
  for name, field in FIELDS.items():
    section, _, key = name.rpartition('.')
    tree.setdefault(section, {})[key] = field.default
  return ml_collections.ConfigDict(tree.pop('') | tree)
