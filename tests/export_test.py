"""--mode=export: what a run learned, loaded by transformers."""

import json
import pathlib

import jax
import numpy as np
import pytest
import small_checkpoints
import small_gguf
import tiny_config

from mem_alpha_jax.data import pipeline
from mem_alpha_jax.model import lora, presets
from mem_alpha_jax.pretrained import gguf_weights, hf_weights, registry
from mem_alpha_jax.rollout import warm_start
from mem_alpha_jax.run import (
  build,
  checkpoint,
  export,
  learning,
  progress,
  workdir,
)
from mem_alpha_jax.text import tokenizer as tokenizer_lib

PLAIN = 'model.copy_head=False,model.match_bias=False'


def _run(config, folder) -> tuple[presets.ModelConfig, dict]:
  """Saves a run's first checkpoint; returns its model and parameters."""
  workdir.prepare(folder, config)
  built = build.build(config, str(folder))
  learner = learning.create(built.config, built.policy, built.mesh)
  loader = iter(pipeline.make_dataset(config, 'train'))
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(warm_start, 'train', lambda setup, policy, params, *_: params)
    now = progress.begin(built, learner.tx, loader, str(folder), 0.0, print)
  rng = np.random.default_rng(0)
  params = jax.tree.map(
    lambda x: x + 0.1 * rng.standard_normal(x.shape).astype(x.dtype),
    now.state.params,
  )
  if built.policy.config.lora_rank:  # what is not trained stays
    params = jax.tree_util.tree_map_with_path(
      lambda path, new, old: new if lora.is_factor((path[-1].key,)) else old,
      params,
      now.state.params,
    )
  now = now._replace(state=now.state.replace(params=params))
  with checkpoint.Manager(str(folder), 1) as manager:
    progress.save(manager, now)
  return built.policy.config, params


def _reload(folder):
  return small_checkpoints.transformers.AutoModelForCausalLM.from_pretrained(
    folder
  )


@pytest.mark.slow
def test_trial_of_a_model_born_here_which_is_a_llama(tmp_path):
  config = tiny_config.get_config(PLAIN)
  shape, params = _run(config, tmp_path / 'run')
  out = export.export(config, str(tmp_path / 'run'), str(tmp_path / 'out'))
  assert out == tmp_path / 'out'
  ids = small_checkpoints.tokens()
  small_checkpoints.check_equal(
    small_checkpoints.our_logits(shape, params, ids),
    small_checkpoints.reference_logits(_reload(out), ids)[:, 1:],
  )
  fields = json.loads((out / 'config.json').read_text())
  assert fields['model_type'] == 'llama'
  assert fields['max_position_embeddings'] == 80 + 1 + 16
  tokenizer = tokenizer_lib.Tokenizer(str(out / 'tokenizer.model'))
  assert fields['vocab_size'] == tokenizer.vocab_size
  generation = json.loads((out / 'generation_config.json').read_text())
  assert generation['eos_token_id'] == tokenizer.eos_id
  assert len({path.stat().st_mode for path in out.iterdir()}) == 1
  with pytest.raises(ValueError, match=r'out: is there already'):
    export.export(config, str(tmp_path / 'run'), str(out))


@pytest.mark.parametrize('field', ['copy_head', 'match_bias'])
def test_what_no_architecture_has_is_refused_by_field(field, tmp_path):
  other = {'copy_head': 'match_bias', 'match_bias': 'copy_head'}[field]
  config = tiny_config.get_config(f'model.{other}=False')
  with pytest.raises(ValueError, match=rf'model\.{field}=True: .*exported'):
    export.export(config, str(tmp_path / 'run'), str(tmp_path / 'out'))
  assert list(tmp_path.iterdir()) == []


def test_a_run_without_checkpoint_is_told(tmp_path):
  config = tiny_config.get_config(PLAIN)
  with pytest.raises(FileNotFoundError, match='no run there'):
    export.export(config, str(tmp_path / 'run'), str(tmp_path / 'out'))
  assert not (tmp_path / 'out').exists()


class _Tokenizer:
  """What a run needs of a tokenizer, and how public ones are saved."""

  vocab_size, eos_id, pad_id, bos_id = small_checkpoints.VOCAB, 2, 0, None
  eos_ids = (2, 5)
  fingerprint = ''
  chat_template = '{{ messages }}'

  def save(self, folder: pathlib.Path) -> None:
    (folder / 'tokenizer.json').write_text('{"here": 1}')
    (folder / 'tokenizer_config.json').write_text('{}')


def _public(monkeypatch, path, reader, **fields):
  """The config of a run that starts from the model at `path`."""
  config = reader.read_config(path)
  load = lambda places, dtype: reader.load(path, config, places, dtype)
  source = registry.Pretrained(path, config, _Tokenizer(), load)
  monkeypatch.setattr(registry, 'open_model', lambda name: source)
  shape = {f'model.{k}': v for k, v in vars(config).items()}
  run = tiny_config.get_config().unlock()
  known = {k for k in shape if k.split('.')[1] in run.model}
  run.update_from_flattened_dict({k: shape[k] for k in known})
  run.update_from_flattened_dict({'model.source': str(path), **fields})
  return run.lock()


@pytest.fixture(scope='module')
def adapted(tmp_path_factory):
  """Folders of a base, what was exported of it, its shape and parameters."""
  pytest.importorskip('qwix')
  folder = tmp_path_factory.mktemp('adapted')
  origin = folder / 'origin'
  small_checkpoints.write('qwen3', origin)
  (origin / 'tokenizer.json').write_text('{"there": 1}')
  fields = {'lora.rank': 2, 'lora.alpha': 3.0, 'model.value_head': True}
  with pytest.MonkeyPatch.context() as patch:
    config = _public(patch, origin, hf_weights, **fields)
    shape, params = _run(config, folder / 'run')
    out = export.export(config, str(folder / 'run'), str(folder / 'out'))
  return origin, out, shape, params


def test_the_adapter_beside_its_base_is_the_policy(adapted):
  origin, out, shape, params = adapted
  torch, adapter = small_checkpoints.torch, out.parent / 'adapter'
  made, ids = _reload(origin), small_checkpoints.tokens()
  fields = json.loads((adapter / 'adapter_config.json').read_text())
  found = hf_weights.safetensors_numpy.load_file(
    adapter / 'adapter_model.safetensors'
  )
  assert len(found) == 2 * 7 * shape.layers
  weights, scale = made.state_dict(), fields['lora_alpha'] / fields['r']
  for name in found:
    if '.lora_A.' in name:
      a, b = found[name], found[name.replace('.lora_A.', '.lora_B.')]
      module = name.removeprefix('base_model.model.').split('.lora_A')[0]
      assert module.rpartition('.')[2] in fields['target_modules']
      weights[f'{module}.weight'] += torch.tensor(scale * b @ a)
  logits = small_checkpoints.reference_logits(made, ids)
  small_checkpoints.check_prompt_logps(shape, params, ids, logits, 1e-4)


def test_peft_loads_the_adapter(adapted):
  peft = pytest.importorskip('peft', reason='peft is not installed')
  origin, out, shape, params = adapted
  ids = small_checkpoints.tokens()
  made = peft.PeftModel.from_pretrained(_reload(origin), out.parent / 'adapter')
  logits = small_checkpoints.reference_logits(made.eval(), ids)
  small_checkpoints.check_prompt_logps(shape, params, ids, logits, 1e-4)


def test_trial_lora_is_merged_tokenizer_and_template_are_kept(adapted):
  origin, out, shape, params = adapted
  ids = small_checkpoints.tokens()
  merged = small_checkpoints.reference_logits(_reload(out), ids)
  # The training pass, with the factors beside the kernels.
  small_checkpoints.check_prompt_logps(shape, params, ids, merged, 1e-4)
  got, old = (
    hf_weights.load(f, hf_weights.read_config(f)) for f in (out, origin)
  )
  change = jax.tree.map(lambda a, b: float(abs(a - b).max()), got, old)
  assert change['blocks']['attention']['q'] > 1e-3
  assert change['embedding'] == 0
  assert (out / 'tokenizer.json').read_text() == '{"there": 1}'
  # The template of the run, which the folder that it came from does not have.
  assert not (origin / 'chat_template.jinja').exists()
  assert (out / 'chat_template.jinja').read_text() == '{{ messages }}'
  theirs, mine = (
    json.loads((f / 'config.json').read_text()) for f in (origin, out)
  )
  assert mine == theirs


def test_trial_a_model_from_gguf_gets_tokenizer_and_ends(tmp_path, monkeypatch):
  folder, path = tmp_path / 'folder', tmp_path / 'x.gguf'
  arch, shape, tensors, _ = small_gguf.family('llama', folder)
  small_gguf.write(path, arch, shape, tensors, context_length=77)
  options = {'model.dtype': 'bfloat16'}
  config = _public(monkeypatch, path, gguf_weights, **options)
  shape, params = _run(config, tmp_path / 'run')
  out = export.export(config, str(tmp_path / 'run'), str(tmp_path / 'out'))
  again = _reload(out)
  assert str(again.dtype) == 'torch.bfloat16'
  assert again.config.max_position_embeddings == 77
  for file in ('config', 'generation_config'):
    fields = json.loads((out / f'{file}.json').read_text())
    assert fields['eos_token_id'] == [2, 5]
  assert (out / 'tokenizer.json').read_text() == '{"here": 1}'
  half = hf_weights.load(out, hf_weights.read_config(out), dtype='bfloat16')
  jax.tree.map(
    lambda x, want: np.testing.assert_array_equal(x, want.astype(x.dtype)),
    half,
    params,
  )


@pytest.mark.slow
def test_what_a_merge_in_bfloat16_changed_is_said(
  tmp_path, monkeypatch, capsys
):
  pytest.importorskip('qwix')
  small_checkpoints.write('qwen3', tmp_path / 'origin')
  fields = {'lora.rank': 2, 'model.dtype': 'bfloat16'}
  config = _public(monkeypatch, tmp_path / 'origin', hf_weights, **fields)
  _run(config, tmp_path / 'run')

  def respond(setup, params, turns):
    """Another response to the first turn where nothing is beside a kernel."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    factors = any(lora.is_factor((path[-1].key,)) for path, _ in leaves)
    return [(t, [int(t is turns[0] and not factors)], []) for t in turns]

  monkeypatch.setattr(export.play, 'respond', respond)
  export.export(config, str(tmp_path / 'run'), str(tmp_path / 'out'))
  said = capsys.readouterr().out
  assert 'merged in bfloat16: 3 of 4 greedy responses' in said
