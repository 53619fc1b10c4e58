"""One thing that is measured on a GPU, in a process of its own.

  python -m experiments.gpu.items --item='qwen3-4b ours' --out=FILE [--toy]

A process holds most of the memory of the card, so each ends before the next
begins. What is known so far is in FILE after each part.
"""

import argparse
import pathlib
from collections.abc import Callable
from typing import Any

from experiments.bench_device import run as device
from mem_alpha_jax.system import files, machine

RATE = 1e-5  # of torch's AdamW
TOY = {
  name: device.QUICK._replace(lora=task.lora)
  for name, task in device.TASKS.items()
}
Note = Callable[[dict], None]


def rates(task: str, toy: bool, note: Note) -> None:
  del task
  note(device.rates(256 if toy else 8192) | {'versions': machine.versions()})


def ours(task: str, toy: bool, note: Note) -> None:
  """All parts, with XLA's attention."""
  device.measure(_task(task, toy), 'xla', note=note)


def cudnn(task: str, toy: bool, note: Note) -> None:
  """What attention matters to; decode steps have the same with both."""
  parts = ('prefill', 'update')
  device.measure(_task(task, toy), 'cudnn', parts, note)


def theirs(task: str, toy: bool, note: Note) -> None:
  """The same parts by torch and transformers; no prefix is shared there."""
  try:
    import torch
    import transformers

    from experiments.bench_lm.theirs import Theirs
  except ImportError as error:
    note({'missing': str(error)})
    return
  t = _task(task, toy)
  there = 'cuda' if torch.cuda.is_available() else 'cpu'

  def model():
    with torch.device(there):  # random numbers of 4B take a minute elsewhere
      return transformers.AutoModelForCausalLM.from_config(
        _hf_config(t), dtype=getattr(torch, t.dtype)
      )

  torch.manual_seed(0)
  system = Theirs(model, there)
  ids = torch.randint(
    3, 1000, (t.prompts * t.samples, t.prefix + t.own + t.response)
  ).numpy()
  prompts = ids[:, : t.prefix + t.own]
  seconds = {}
  found = {
    'task': t._asdict(),
    'seconds': seconds,
    'torch': torch.__version__,
    'transformers': transformers.__version__,
  }

  def took(part: str, call: Callable[[], Any], rounds: int = 1) -> None:
    seconds[part] = device.best(call, rounds)
    note(found)

  took('prefill', lambda: system.prefill(ids[: t.prompts, : t.prefix]), 3)
  took('first', lambda: system.generate(prompts, 1))
  took('generate', lambda: system.generate(prompts, t.response))
  seconds['decode'] = seconds['generate'] - seconds['first']
  parts = t.prompts * (2 if t.lora else 1)  # logits of all fit no card
  step = system.trainer(ids, RATE, _trained(system, t), parts)
  took('update', step)
  seconds['step'] = seconds['generate'] + seconds['update']
  note(found)


def _trained(system, task: device.Task):
  """The model itself, with PEFT's low-rank factors where the task has them."""
  model = system.model
  if task.lora:
    import peft

    model = peft.get_peft_model(
      model,
      peft.LoraConfig(
        r=task.lora, lora_alpha=2 * task.lora, target_modules='all-linear'
      ),
    )
    model.enable_input_require_grads()
  if system.device.type == 'cuda':  # ours has remat='full'
    model.gradient_checkpointing_enable()
  return model


def _hf_config(task: device.Task):
  """The shape as transformers has it."""
  import transformers

  from mem_alpha_jax.model import presets
  from mem_alpha_jax.pretrained import hf_config

  layers = {'layers': task.layers} if task.layers else {}
  fields = hf_config.to_fields(presets.preset(task.preset, **layers))
  return transformers.AutoConfig.for_model(fields.pop('model_type'), **fields)


KINDS = {'rates': rates, 'ours': ours, 'cudnn': cudnn, 'theirs': theirs}
# In the order in which they are measured.
ITEMS = (
  'rates',
  'smollm2-135m ours',
  'smollm2-135m theirs',
  'qwen3-4b ours',
  'smollm2-135m cudnn',
  'qwen3-4b theirs',
  'qwen3-4b cudnn',
)


def _task(name: str, toy: bool) -> device.Task:
  return (TOY if toy else device.TASKS)[name]


def main():
  flags = argparse.ArgumentParser()
  flags.add_argument('--item', choices=ITEMS, required=True)
  flags.add_argument('--out', type=pathlib.Path, required=True)
  flags.add_argument(
    '--toy', action='store_true', help='a check, on any machine'
  )
  flags = flags.parse_args()
  machine.use_compilation_cache()
  *task, kind = flags.item.split()
  known: dict[str, Any] = {}

  def note(found: dict) -> None:
    known.update(found)
    files.write_json(flags.out, {'done': False, **known})

  try:
    KINDS[kind](''.join(task), flags.toy, note)
  except Exception as error:  # of a kernel, or out of memory: the next may run
    note({'error': machine.summary(error)})
    raise
  finally:
    files.write_json(flags.out, {'done': True, **known})


if __name__ == '__main__':
  main()
