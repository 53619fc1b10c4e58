"""Opens public models by name: their shape, their tokenizer, their weights."""

import dataclasses
import math
import pathlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from mem_alpha_jax.model import presets
from mem_alpha_jax.pretrained import packages
from mem_alpha_jax.system import machine, optional

# Names that stand for files of a package; the others are paths.
PACKAGED = {'smollm2': packages.smollm2_gguf}
# OWNER/NAME on huggingface.co; nobody there may have these names.
_HUB = re.compile(r'(?!(?:models|datasets|spaces)/)\w[\w.-]*/\w[\w.-]*')
_FETCHED = ['*.json', '*.jinja', '*.safetensors']
# By the name of a model, who publishes it on huggingface.co.
OWNERS = {'qwen': 'Qwen', 'smollm': 'HuggingFaceTB', 'llama': 'meta-llama'}
# Fields of config.model that a checkpoint does not decide.
OWN_FIELDS = (
  'value_head', 'dtype', 'param_dtype', 'remat', 'lora_rank', 'lora_alpha',
  'attention', 'block_logits',
)  # fmt: skip


class Pretrained(NamedTuple):
  """A model on disk."""

  path: pathlib.Path  # its folder or GGUF file
  config: presets.ModelConfig  # its shape, in float32
  tokenizer: Any  # with the chat template if it has one
  load: Callable[[Any, str], Any]  # shardings or None, dtype -> parameters


def open_model(name: str) -> Pretrained:
  """Opens 'smollm2', a Hugging Face folder, a .gguf file, or OWNER/NAME.

  Only the header and the tokenizer are read; `load` reads the weights. What is
  OWNER/NAME on huggingface.co and no path here is fetched into the cache that
  huggingface_hub keeps, and found there without a network.

  Raises:
    FileNotFoundError: if there is no such model.
    ValueError: for files that are broken or not supported, naming them.
  """
  path = PACKAGED[name]() if name in PACKAGED else pathlib.Path(name)
  why = ''
  if not path.exists() and _HUB.fullmatch(name):
    try:
      hub = optional.load('huggingface_hub', 'models')
      fetched = hub.snapshot_download(name, allow_patterns=_FETCHED)
      path = pathlib.Path(fetched)
    except (OSError, ValueError) as error:  # no package, network or model
      why = f', and not fetched ({machine.summary(error)})'
  if not path.exists():
    owner = OWNERS.get(path.name.partition('-')[0].lower().rstrip('23.5'))
    raise FileNotFoundError(
      f'model {name!r}: no such folder or file{why}; download it (pip install '
      f'huggingface_hub; hf download {owner or "OWNER"}/{path.name} '
      f'--local-dir {name}), or give one of {list(PACKAGED)}, another Hugging '
      'Face folder, a .gguf file or OWNER/NAME (--mode=compile plans without a '
      'model)'
    )
  from mem_alpha_jax.pretrained import gguf_weights, hf_tokenizer, hf_weights

  if path.is_dir():
    reader, tokenizer = hf_weights, hf_tokenizer.from_folder(path)
  else:
    reader, tokenizer = gguf_weights, hf_tokenizer.from_gguf(path)
  config = reader.read_config(path)
  load = lambda shardings, dtype: reader.load(path, config, shardings, dtype)
  return Pretrained(path, config, tokenizer, load)


def adopt(
  config: presets.ModelConfig, wanted: presets.ModelConfig
) -> presets.ModelConfig:
  """Returns a checkpoint's shape with the options of `config.model`.

  ValueError names the field by which config.model describes another shape.
  """
  for field in dataclasses.fields(config):
    mine, theirs = getattr(wanted, field.name), getattr(config, field.name)
    # RoPE scaling has no field in config.model; the checkpoint's is taken.
    if field.name in (*OWN_FIELDS, 'rope_scaling', 'vocab_size'):
      continue
    if not _same(mine, theirs):
      raise ValueError(
        f'model.{field.name}={mine!r}: the checkpoint of model.source has '
        f'{theirs!r}'
      )
  own = {name: getattr(wanted, name) for name in OWN_FIELDS}
  return dataclasses.replace(config, **own)


def _same(mine: Any, theirs: Any) -> bool:
  """Equal; numbers to the float32 that some formats store."""
  if isinstance(mine, float):
    return math.isclose(mine, theirs, rel_tol=1e-6)
  return mine == theirs
