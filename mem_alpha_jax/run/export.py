"""--mode=export: a run's policy as a folder that other programs load."""

import dataclasses
import operator
import pathlib
import shutil
import tempfile

import jax

from mem_alpha_jax.data import pipeline
from mem_alpha_jax.model import lora, presets
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.pretrained import hf_config
from mem_alpha_jax.rollout import play
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import parameters
from mem_alpha_jax.run import workdir as workdir_lib
from mem_alpha_jax.sampling import buckets
from mem_alpha_jax.system import files, multihost

COMPARED = 16  # prompts on which a merge is compared with the factors
SPECIAL = ('bos', 'eos', 'pad')  # tokens that config.json names


def main(config, workdir: str) -> None:
  """Exports into the folders `export` and `adapter` of the workdir."""
  folder = pathlib.Path(workdir)
  out = export(config, workdir, str(folder / 'export'))
  print(f'{out}: load it with transformers or vLLM')
  if config.lora.rank:
    print(f'{folder / "adapter"}: load it with peft onto {config.model.source}')


def export(config, workdir: str, out: str) -> pathlib.Path:
  """Writes the policy of a workdir's checkpoint; returns its folder.

  transformers and vLLM load it. LoRA is merged, a value head left out, and
  tensors have the dtype the policy computes in, `model.dtype`. The factors are
  written as well, for peft, into `adapter` beside `out`.

  Raises:
    FileNotFoundError: if the workdir has no checkpoint.
    ValueError: if `out` has files, or the policy is of no public architecture,
      naming the field.
  """
  out = pathlib.Path(out)
  # Before what needs packages: whether there is anything to load it with.
  hf_config.to_fields(presets.model_config(config.model, vocab_size=1))
  from mem_alpha_jax.pretrained import hf_weights

  adapter = out.parent / 'adapter'
  for folder in (out, adapter) if config.lora.rank else (out,):
    hf_weights.check_new(folder)
  workdir_lib.finished(workdir, config)
  experiment = build_lib.build(config, workdir)
  shape = experiment.policy.config
  params = parameters.saved_params(experiment, workdir)
  if shape.lora_rank:
    from mem_alpha_jax.pretrained import peft_adapter

    peft_adapter.save(adapter, params, shape, config.model.source)
    if shape.dtype != 'float32':
      _say_what_merging_changed(experiment, params)
    params = lora.merge(params, shape)
  with tempfile.TemporaryDirectory() as made:
    origin = _origin(experiment, workdir, pathlib.Path(made))
    hf_weights.save(out, params, shape, shape.dtype, copy_from=origin)
  # The one that the policy was trained with, also where its folder had none.
  template = experiment.train_setup.tokenizer.chat_template
  if template and jax.process_index() == 0:
    (out / 'chat_template.jinja').write_text(template, encoding='utf-8')
  return out


def _say_what_merging_changed(experiment, params) -> None:
  """Compares greedy calls with those of the sum, rounded to `model.dtype`."""
  shape, config = experiment.policy.config, experiment.config
  setup, dtype = experiment.eval_setup, shape.dtype
  plain = dataclasses.replace(shape, lora_rank=0, param_dtype=dtype)
  policy = policy_lib.make_policy(
    plain, experiment.mesh, config.mesh.decode, experiment.policy.table
  )
  merged = jax.tree.map(lambda x: x.astype(dtype), lora.merge(params, shape))
  episodes = multihost.share(pipeline.eval_episodes(config, 'validation', 1))
  turns = play.unread(config, [e.chunks[0] for e in episodes[:COMPARED]])
  other = setup._replace(
    generate=multihost.together(
      build_lib.make_sampler(config, policy, setup.tokenizer, greedy=True)
    )
  )
  said = [
    [ids for _, ids, _ in play.respond(one, values, turns)]
    for one, values in ((setup, params), (other, merged))
  ]
  same = sum(map(operator.eq, *said))
  print(
    f'merged in {dtype}: {same} of {len(turns)} greedy responses are those of '
    'the adapter; where all should be, serve the adapter'
  )


def _origin(experiment, workdir, made) -> pathlib.Path:
  """The folder that the policy came from, or one like it, in `made`."""
  source = experiment.source
  if source and source.path.is_dir():
    return source.path
  fields = hf_config.to_fields(experiment.policy.config)
  tokenizer = experiment.train_setup.tokenizer
  if source:
    from mem_alpha_jax.pretrained import gguf_weights

    positions = gguf_weights.context_length(source.path)
    tokenizer.save(made)
  else:
    # Of the longest sequence that the policy was trained on.
    table = buckets.from_config(experiment.config.rollout)
    positions = sum(sizes[-1] for sizes in table)
    shutil.copy(pathlib.Path(workdir) / 'tokenizer.model', made)
  ids = {f'{n}_token_id': getattr(tokenizer, f'{n}_id', None) for n in SPECIAL}
  if len(tokenizer.eos_ids) > 1:
    ids['eos_token_id'] = list(tokenizer.eos_ids)
  fields |= {'max_position_embeddings': positions, **ids}
  files.write_json(made / 'config.json', fields)
  return made
