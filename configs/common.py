"""What config files share."""

import ast

import ml_collections

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
  """Sets 'field=value,...' (dotted fields) and locks the config.

  A value is a Python literal; what is not one is read as a string. Tuples
  are written with semicolons: eval.lengths=1;2;4.

  Raises:
    ValueError: for a field that the config does not have.
  """
  known = config.to_dict()
  for pair in filter(None, arg.split(',')):
    key, _, text = pair.partition('=')
    node = known
    for part in key.split('.'):
      if not isinstance(node, dict) or part not in node:
        raise ValueError(f'--config: no field {key!r} to set to {text!r}')
      node = node[part]
    items = [_literal(item) for item in text.split(';')]
    value = tuple(items) if isinstance(node, tuple) else items[0]
    config.update_from_flattened_dict({key: value})
  return config.lock()


def _literal(text: str):
  try:
    return ast.literal_eval(text)
  except (ValueError, SyntaxError):
    return text
