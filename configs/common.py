"""What config files share."""

import ml_collections

from mem_alpha_jax.config import override
from mem_alpha_jax.model import presets


def use_preset(config: ml_collections.ConfigDict, name: str) -> None:
  """Sets the shape fields of config.model to those of a public model.

  Its vocabulary too: what is planned before the model is there needs it.
  """
  config.model.copy_head = config.model.match_bias = False
  config.model.qk_norm = config.model.qkv_bias = False
  config.tokenizer.vocab_size = presets.PRESETS[name]['vocab_size']
  for field, value in presets.PRESETS[name].items():
    if field in config.model:  # the rest comes with the checkpoint
      config.model[field] = value


def parse_arg(
  config: ml_collections.ConfigDict, arg: str
) -> ml_collections.ConfigDict:
  """Sets 'field=value,...' (dotted fields) and locks the config."""
  return override.apply(config, override.pairs(arg))
