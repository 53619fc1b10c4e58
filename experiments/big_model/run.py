"""A Qwen3-4B-shaped model in bfloat16: loaded and asked within its own size.

  python -m experiments.big_model.run --folder=FOLDER [--keep]

Writes random weights into a sharded safetensors folder (8 GB, removed at the
end unless --keep), then loads it in a process of its own and answers one
prompt through the project's sampler. results.json beside this file has the
peak memory of that process.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.model import presets
from mem_alpha_jax.pretrained import hf_config, hf_weights
from mem_alpha_jax.pretrained import tensors as tensors_lib
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.system import files, machine

HERE = pathlib.Path(__file__).parent
_FOLDER = flags.DEFINE_string('folder', None, 'Where the model goes.')
_KEEP = flags.DEFINE_bool('keep', False, 'Leave the model there.')
_STAGE = flags.DEFINE_enum('stage', 'all', ['all', 'answer'], 'Internal.')
_PRESET = flags.DEFINE_string('preset', 'qwen3-4b', 'Shape of the model.')
PROMPT, NEW = 64, 16  # tokens
FILE_BYTES = 2**31  # of a shard


def config() -> presets.ModelConfig:
  return presets.preset(_PRESET.value, dtype='bfloat16', param_dtype='bfloat16')


def tensors(c: presets.ModelConfig):
  """Yields (name, random bfloat16 tensor); norms are ones."""
  rng = np.random.default_rng(0)
  for leaf in tensors_lib.leaves(c):
    for name in leaf.names(c):
      shape = leaf.tensor_shape
      if len(shape) == 1:
        yield name, np.ones(shape, jnp.bfloat16)
      else:
        values = rng.standard_normal(shape, np.float32) * shape[-1] ** -0.5
        yield name, values.astype(jnp.bfloat16)


def write(folder: pathlib.Path) -> None:
  """Writes the folder shard by shard, as the publisher of a model does."""
  from safetensors import numpy as safetensors

  folder.mkdir(parents=True)
  c, part, size, where, count = config(), {}, 0, {}, 0

  def flush():
    nonlocal part, size, count
    count += 1
    name = f'model-{count:05d}.safetensors'
    safetensors.save_file(part, folder / name, {'format': 'pt'})
    where.update(dict.fromkeys(part, name))
    part, size = {}, 0

  for name, tensor in tensors(c):
    if size + tensor.nbytes > FILE_BYTES and part:
      flush()
    part[name] = tensor
    size += tensor.nbytes
  flush()
  index = {'metadata': {}, 'weight_map': where}
  (folder / 'model.safetensors.index.json').write_text(json.dumps(index))
  (folder / 'config.json').write_text(json.dumps(hf_config.to_fields(c)))


def answer(folder: pathlib.Path) -> dict:
  """Loads the folder and answers one prompt, twice; returns what it took."""
  started = time.perf_counter()
  c = hf_weights.read_config(folder)
  params = jax.block_until_ready(hf_weights.load(folder, c, None, jnp.bfloat16))
  loaded = time.perf_counter() - started
  after_load = machine.peak_rss_bytes()
  policy = policy_lib.make_policy(config())
  generate = sampler.make_sampler(
    policy, NEW, eos_id=c.vocab_size, pad_id=0, greedy=True
  )
  ids = np.random.default_rng(1).integers(0, c.vocab_size, (1, PROMPT))
  inputs = (
    ids[:, :-1].astype(np.int32),
    np.array([PROMPT - 1], np.int32),
    ids[:, None, -1:].astype(np.int32),
    np.ones((1, 1), np.int32),
    np.full((1, 1, 1), -1, np.int32),
    jax.random.split(jax.random.key(0), (1, 1)),
  )
  seconds = []
  for _ in range(2):
    started = time.perf_counter()
    out = jax.block_until_ready(generate(params, *inputs))
    seconds.append(time.perf_counter() - started)
  size = sum(x.nbytes for x in jax.tree.leaves(params))
  peak = machine.peak_rss_bytes()
  return {
    'parameters': policy_lib.num_params(params),
    'weights_bytes': size,
    'peak_rss_bytes': peak,
    'peak_over_weights': peak / size,
    'peak_after_load_over_weights': after_load / size,
    'load_seconds': loaded,
    'first_answer_seconds': seconds[0],  # with compilation
    'answer_seconds': seconds[1],
    'prompt_tokens': PROMPT,
    'new_tokens': int(np.asarray(out.mask).sum()),
    'finite': bool(np.isfinite(np.asarray(out.logps)).all()),
    'files': len(list(folder.glob('*.safetensors'))),
    'versions': machine.versions(),
  }


def main(argv):
  del argv
  folder = pathlib.Path(_FOLDER.value)
  if _STAGE.value == 'answer':
    files.write_json(HERE / 'results.json', answer(folder))
    return
  write(folder)
  try:
    command = [sys.executable, '-m', 'experiments.big_model.run']
    command += ['--stage=answer', f'--folder={folder}']
    command += [f'--preset={_PRESET.value}']
    subprocess.run(command, check=True)
  finally:
    if not _KEEP.value:
      shutil.rmtree(folder)
  print((HERE / 'results.json').read_text())


if __name__ == '__main__':
  flags.mark_flag_as_required('folder')
  app.run(main)
