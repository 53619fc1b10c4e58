"""TRL's GRPOTrainer, whose steps can be taken in turns with another's."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import datasets
import numpy as np
import torch
import transformers
import trl


class Trained(NamedTuple):
  """What a step trained: N = prompts * samples rows, in no order."""

  prompts: np.ndarray  # ids [N, P]
  responses: np.ndarray  # ids [N, R]
  mask: np.ndarray  # [N, R], 1 where a token is trained
  advantages: np.ndarray  # [N]
  logps: np.ndarray  # [N, R], of the parameters before the update, nats


class Recorder(trl.GRPOTrainer):
  """Keeps the log-probs of the newest step, and its seconds of sampling."""

  def _generate_and_score_completions(self, inputs):
    started = time.perf_counter()
    found = super()._generate_and_score_completions(inputs)
    self.sampling, self.logps = time.perf_counter() - started, []
    return found

  def _get_per_token_logps_and_entropies(self, *args, **kwargs):
    found = super()._get_per_token_logps_and_entropies(*args, **kwargs)
    self.logps.append(found[0].detach())
    return found

  def trained(self) -> Trained:
    parts = self._buffered_inputs  # micro-batches, as the log-probs are
    whole = lambda name: torch.cat([part[name] for part in parts]).numpy()
    names = ('prompt_ids', 'completion_ids', 'completion_mask', 'advantages')
    return Trained(*map(whole, names), torch.cat(self.logps).numpy())


class Turns(transformers.TrainerCallback):
  """Tells the seconds of each step, sampling to optimizer."""

  def __init__(self, after: Callable[[float], None]):
    self.after = after

  def on_step_begin(self, args, state, control, **kwargs):
    self.started = time.perf_counter()

  def on_step_end(self, args, state, control, **kwargs):
    self.after(time.perf_counter() - self.started)


def trainer(
  folder: str,
  texts: Sequence[str],
  reward: Callable[[Sequence[str]], list[float]],
  samples: int,
  new: int,
  rows: int,
  steps: int,
  rate: float,
  after: Callable[[Recorder, float], None],
) -> Recorder:
  """Returns a trainer; `train()` makes its steps and calls `after` each time.

  Args:
    folder: a model and its tokenizer; it is trained in float32. Logs go there.
    texts: prompts, all of them in each step.
    new: tokens of each response; none ends earlier.
    rows: of a micro-batch.
    rate: learning rate.
    after: gets the trainer and the seconds of the step.
  """
  options = trl.GRPOConfig(
    output_dir=folder,
    use_cpu=True,
    bf16=False,
    fp16=False,
    gradient_checkpointing=False,
    per_device_train_batch_size=rows,
    gradient_accumulation_steps=len(texts) * samples // rows,
    max_steps=steps,
    learning_rate=rate,
    lr_scheduler_type='constant',
    weight_decay=0.01,
    max_grad_norm=1.0,
    num_generations=samples,
    max_completion_length=new,
    generation_kwargs={'min_new_tokens': new},
    temperature=1.0,
    top_k=0,
    beta=0.0,
    num_iterations=1,
    loss_type='dapo',
    epsilon=0.2,
    scale_rewards='group',
    pad_to_multiple_of=None,
    logging_steps=1,
    save_strategy='no',
    report_to='none',
    disable_tqdm=True,
    dataloader_pin_memory=False,
  )
  load = transformers.AutoModelForCausalLM.from_pretrained
  made = Recorder(
    model=load(folder, dtype=torch.float32),
    reward_funcs=lambda completions, **_: reward(completions),
    args=options,
    train_dataset=datasets.Dataset.from_dict({'prompt': list(texts)}),
    processing_class=transformers.AutoTokenizer.from_pretrained(
      folder, padding_side='left'
    ),
  )
  made.remove_callback(transformers.PrinterCallback)
  made.add_callback(Turns(lambda seconds: after(made, seconds)))
  return made
