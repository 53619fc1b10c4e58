"""LoRA's factors as a folder that the package peft loads onto a base model.

Facts: the names and the `adapter_config.json` of LoraConfig in peft, where a
Linear W [out, in] acts as W + lora_alpha / r * B A.
"""

import os
import pathlib
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from mem_alpha_jax.model import lora, presets
from mem_alpha_jax.pretrained import hf_weights
from mem_alpha_jax.pretrained import tensors as tensors_lib
from mem_alpha_jax.system import files, multihost


def save(
  folder: str | os.PathLike,
  params: Any,
  config: presets.ModelConfig,
  base: str,
) -> None:
  """Writes the adapter; all processes of a run call it, the first writes.

  Args:
    folder: must be empty if it is there.
    params: with LoRA's factors beside their kernels.
    config: of the model.
    base: the model that the adapter is of, as peft is to load it.
  """
  folder = pathlib.Path(folder)
  hf_weights.check_new(folder)
  flat, found, targets = traverse_util.flatten_dict(params), {}, set()
  for leaf in tensors_lib.leaves(config):
    factors = [
      (*leaf.path[:-1], leaf.path[-1] + suffix) for suffix in lora.SUFFIXES
    ]
    for i, name in enumerate(leaf.names(config) if factors[0] in flat else ()):
      module = name.removesuffix('.weight')
      targets.add(module.rpartition('.')[2])
      for path, letter in zip(factors, 'AB', strict=True):
        factor = np.asarray(multihost.whole(flat[path][i]), np.float32)
        name = f'base_model.model.{module}.lora_{letter}.weight'
        found[name] = np.ascontiguousarray(factor.T)
  if jax.process_index():
    return
  fields = {
    'peft_type': 'LORA',
    'task_type': 'CAUSAL_LM',
    'base_model_name_or_path': base,
    'r': config.lora_rank,
    'lora_alpha': config.lora_alpha,
    'lora_dropout': 0.0,
    'bias': 'none',
    'fan_in_fan_out': False,
    'inference_mode': True,
    'target_modules': sorted(targets),
  }
  with files.replacing(folder) as temporary:
    temporary.mkdir()
    files.write_json(temporary / 'adapter_config.json', fields)
    hf_weights.safetensors_numpy.save_file(
      found,
      temporary / 'adapter_model.safetensors',
      metadata={'format': 'pt'},
    )
    for path in temporary.iterdir():  # some writers keep to themselves
      path.chmod(temporary.stat().st_mode & 0o666)
