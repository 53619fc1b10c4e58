"""Folders of safetensors: there and back, and what is refused."""

import dataclasses
import json
import pathlib
import pickle
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import small_checkpoints

from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.model import presets
from mem_alpha_jax.pretrained import hf_config, hf_weights
from mem_alpha_jax.pretrained import tensors as tensors_lib
from mem_alpha_jax.system import sharding

safetensors_numpy = pytest.importorskip('safetensors.numpy')

EMBEDDING = 'model.embed_tokens.weight'
KEY = 'model.layers.1.self_attn.k_proj.weight'


@pytest.fixture(scope='module')
def original(tmp_path_factory) -> pathlib.Path:
  path = tmp_path_factory.mktemp('qwen3')
  small_checkpoints.write('qwen3', path)
  return path


@pytest.fixture(scope='module')
def split(tmp_path_factory) -> pathlib.Path:
  """The same in several files, with an index."""
  path = tmp_path_factory.mktemp('split')
  small_checkpoints.write('qwen3', path, max_shard_size='20KB')
  assert len(list(path.glob('*.safetensors'))) > 2
  return path


@pytest.fixture
def folder(original, tmp_path) -> pathlib.Path:
  """A copy to break."""
  return shutil.copytree(original, tmp_path / 'copy')


def _tensors(folder) -> dict[str, np.ndarray]:
  found = {}
  for path in folder.glob('*.safetensors'):
    found |= safetensors_numpy.load_file(path)
  return found


def _rewrite(folder, tensors):
  path = folder / hf_weights.SINGLE
  safetensors_numpy.save_file(tensors, path, metadata={'format': 'pt'})


def _load(folder, **options):
  return hf_weights.load(folder, hf_weights.read_config(folder), **options)


def _check_same_tensors(got, want):
  assert set(got) == set(want)
  for name, tensor in want.items():
    assert got[name].dtype == tensor.dtype, name
    assert got[name].shape == tensor.shape, name
    assert got[name].tobytes() == tensor.tobytes(), name


@pytest.mark.parametrize('family', list(small_checkpoints.FAMILIES))
def test_the_tree_is_that_of_the_policy(family, tmp_path):
  small_checkpoints.write(family, tmp_path)
  config = hf_weights.read_config(tmp_path)
  params = hf_weights.load(tmp_path, config)
  init = policy_lib.make_policy(config).init
  shapes = jax.eval_shape(init, jax.random.key(0))
  jax.tree.map(
    lambda x, want: np.testing.assert_equal(
      (x.shape, x.dtype), (want.shape, want.dtype)
    ),
    params,
    shapes,
  )


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
@pytest.mark.parametrize('family', ['qwen3_untied', 'qwen2', 'llama3'])
def test_there_and_back_gives_the_same_bytes(
  family, dtype, tmp_path, monkeypatch
):
  small_checkpoints.write(family, tmp_path / 'a', dtype)
  config = hf_weights.read_config(tmp_path / 'a')
  params = hf_weights.load(tmp_path / 'a', config, dtype=dtype)
  monkeypatch.setattr(hf_weights, 'FILE_BYTES', 20_000)
  hf_weights.save(tmp_path / 'b', params, config, copy_from=tmp_path / 'a')
  transformers = small_checkpoints.transformers
  again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / 'b')
  assert str(again.dtype) == f'torch.{dtype}'
  again.save_pretrained(tmp_path / 'c')
  want = _tensors(tmp_path / 'a')
  _check_same_tensors(_tensors(tmp_path / 'b'), want)
  _check_same_tensors(_tensors(tmp_path / 'c'), want)
  files = sorted((tmp_path / 'b').glob('*.safetensors'))
  assert len(files) > 1
  # One tensor may be larger than a file should be, headers come on top.
  assert max(f.stat().st_size for f in files) < 30_000


def test_files_with_an_index_give_the_same(original, split):
  jax.tree.map(np.testing.assert_array_equal, _load(split), _load(original))


def test_dtypes_are_converted(original, tmp_path):
  exact, half = _load(original), _load(original, dtype='bfloat16')
  jax.tree.map(
    lambda x, y: np.testing.assert_array_equal(x.astype(jnp.bfloat16), y),
    exact,
    half,
  )
  config = hf_weights.read_config(original)
  hf_weights.save(tmp_path / 'half', exact, config, 'bfloat16', original)
  wide = _load(tmp_path / 'half')
  jax.tree.map(
    lambda x, y: np.testing.assert_array_equal(x.astype(y.dtype), y), half, wide
  )
  assert jax.tree.leaves(wide)[0].dtype == jnp.float32


def test_a_mesh_gets_the_same_arrays_in_parts(original, split, monkeypatch):
  monkeypatch.setattr(tensors_lib, 'BLOCK_BYTES', 200)
  config = hf_weights.read_config(split)
  whole = hf_weights.load(original, config)
  policy = policy_lib.make_policy(config)
  mesh = jax.make_mesh(
    (2, 4), ('fsdp', 'tensor'), axis_types=(jax.sharding.AxisType.Auto,) * 2
  )
  places = sharding.param_shardings(policy, mesh)
  read = []
  open_folder = hf_weights.open_folder

  def watched(folder):
    source = open_folder(folder)

    def count(name, where):
      part = source.read(name, where)
      read.append((name, part.shape))
      return part

    return source._replace(read=count)

  monkeypatch.setattr(hf_weights, 'open_folder', watched)
  params = hf_weights.load(split, config, places)
  jax.tree.map(np.testing.assert_array_equal, params, whole)
  assert jax.tree.map(lambda x: x.sharding, params) == places
  q = params['blocks']['attention']['q']
  assert q.addressable_shards[0].data.shape == (2, 12, 1, 8)
  name = 'model.layers.0.self_attn.q_proj.weight'
  assert max(shape for n, shape in read if n == name) == (8, 12)
  jax.tree.map(
    np.testing.assert_array_equal,
    _saved_and_loaded(params, config, split.parent),
    whole,
  )


def _saved_and_loaded(params, config, parent):
  hf_weights.save(parent / 'sharded', params, config)
  return hf_weights.load(parent / 'sharded', config)


def test_leaves_of_training_are_not_asked_for(original):
  """A value head and LoRA's factors have places, but are not in files."""
  config = hf_weights.read_config(original)
  more = dataclasses.replace(config, value_head=True)
  mesh = jax.make_mesh(
    (1, 1), ('fsdp', 'tensor'), axis_types=(jax.sharding.AxisType.Auto,) * 2
  )
  places = sharding.param_shardings(policy_lib.make_policy(more), mesh)
  assert 'value' in places
  assert 'value' not in hf_weights.load(original, more, places)


def test_donated_parameters_do_not_change_what_others_hold(original):
  """On CPU they live in memory that NumPy made."""
  params = _load(original)
  kept = jax.tree.map(np.array, params)
  double = jax.jit(lambda p: jax.tree.map(lambda x: 2 * x, p), donate_argnums=0)
  jax.tree.map(
    lambda x, want: np.testing.assert_array_equal(x, 2 * want),
    double(params),
    kept,
  )
  jax.tree.map(np.testing.assert_array_equal, _load(original), kept)


def test_not_a_number_is_no_error(folder):
  tensors = _tensors(folder)
  tensors[KEY][1, 2] = np.nan
  _rewrite(folder, tensors)
  k = np.asarray(_load(folder)['blocks']['attention']['k'])
  assert np.isnan(k).sum() == 1


def _drop(tensors):
  del tensors[KEY]


def _add(tensors):
  tensors['model.layers.0.mlp.experts.0.weight'] = np.ones(2, np.float32)


def _add_layer(tensors):
  name = 'model.layers.2.input_layernorm.weight'
  tensors[name] = np.ones(24, np.float32)


def _turn(tensors):
  tensors[KEY] = np.ascontiguousarray(tensors[KEY].T)


def _to_integers(tensors):
  tensors[KEY] = tensors[KEY].astype(np.int8)


@pytest.mark.parametrize(
  'change, message',
  [
    (_drop, rf'{KEY} is missing'),
    (_add, r'experts\.0\.weight is of no use'),
    (_add_layer, r'model\.layers\.2\.input_layernorm\.weight is of no use'),
    (_turn, rf'{KEY} is \[24, 16\], the config makes it \[16, 24\]'),
    (_to_integers, rf'{hf_weights.SINGLE}: tensor {KEY} is I8'),
  ],
)
def test_tensors_that_do_not_fit_are_named(folder, change, message):
  tensors = _tensors(folder)
  change(tensors)
  _rewrite(folder, tensors)
  with pytest.raises(ValueError, match=message) as raised:
    _load(folder)
  assert str(folder) in str(raised.value)


def test_a_head_of_a_tied_model_must_be_its_embedding(folder):
  """Some checkpoints store it; transformers writes it no more."""
  tensors = _tensors(folder)
  want = _load(folder)
  _rewrite(folder, tensors | {hf_weights.HEAD: tensors[EMBEDDING].copy()})
  jax.tree.map(np.testing.assert_array_equal, _load(folder), want)
  for other in (2 * tensors[EMBEDDING], tensors[EMBEDDING][:5]):
    _rewrite(folder, tensors | {hf_weights.HEAD: other})
    with pytest.raises(ValueError, match=rf'{hf_weights.HEAD}.*tie_word'):
      _load(folder)


def test_buffers_of_old_versions_are_skipped(folder):
  tensors = _tensors(folder)
  name = 'model.layers.0.self_attn.rotary_emb.inv_freq'
  _rewrite(folder, tensors | {name: np.ones(4, np.float32)})
  _load(folder)


def _header_of_terabytes(data):
  return (2**40).to_bytes(8, 'little') + data[8:]


def _offsets_beyond_the_end(data):
  return data.replace(b'"data_offsets":[', b'"data_offsets":[9999999')


@pytest.mark.parametrize(
  'break_it',
  [
    lambda data: data[:-1],
    lambda data: data[: len(data) // 2],
    lambda data: data[:5],
    lambda data: b'',
    lambda data: data + b'more',
    lambda data: data[:8] + b'x' + data[9:],
    lambda data: pickle.dumps({KEY: [1.0]}) * 9,
    _header_of_terabytes,
    _offsets_beyond_the_end,
  ],
)
@pytest.mark.parametrize('several', [False, True])
def test_a_broken_file_is_named(original, split, tmp_path, break_it, several):
  folder = shutil.copytree(split if several else original, tmp_path / 'copy')
  path = sorted(folder.glob('*.safetensors'))[-1]
  path.write_bytes(break_it(path.read_bytes()))
  with pytest.raises(
    ValueError, match='not a whole safetensors file'
  ) as raised:
    _load(folder)
  assert str(path) in str(raised.value)


def test_pickles_are_not_opened(folder):
  class Boom:
    def __reduce__(self):
      return (pytest.fail, ('the pickle was opened',))

  (folder / hf_weights.SINGLE).unlink()
  (folder / 'pytorch_model.bin').write_bytes(pickle.dumps(Boom()))
  with pytest.raises(FileNotFoundError, match='convert the model'):
    _load(folder)
  (folder / hf_weights.SINGLE).write_bytes(pickle.dumps(Boom()))
  with pytest.raises(ValueError, match='not a whole safetensors file'):
    _load(folder)


@pytest.mark.parametrize(
  'file',
  [
    '../{name}', '{parent}/{name}', 'sub/{name}', '..', '', '.', None, 3, [],
    'sub\\{name}', 'pytorch_model-00001-of-00002.bin',
  ],
)  # fmt: skip
def test_an_index_may_only_name_files_beside_it(split, tmp_path, file):
  folder = shutil.copytree(split, tmp_path / 'copy')
  index = json.loads((folder / hf_weights.INDEX).read_text())
  name = index['weight_map'][KEY]
  shutil.copy(folder / name, tmp_path / name)
  (folder / 'sub').mkdir()
  shutil.copy(folder / name, folder / 'sub' / name)
  if isinstance(file, str):
    file = file.format(name=name, parent=tmp_path)
  index['weight_map'][KEY] = file
  (folder / hf_weights.INDEX).write_text(json.dumps(index))
  with pytest.raises(ValueError, match=hf_weights.INDEX) as raised:
    _load(folder)
  assert KEY in str(raised.value)


def test_links_out_of_the_folder_are_refused(original, tmp_path):
  outside = shutil.copytree(original, tmp_path / 'outside')
  for name in (hf_weights.SINGLE, 'config.json'):
    folder = shutil.copytree(original, tmp_path / name)
    (folder / name).unlink()
    (folder / name).symlink_to(outside / name)
    with pytest.raises(ValueError, match=f'{name}: a link out of the folder'):
      _load(folder)


def test_a_download_cache_keeps_its_files_as_links(original, tmp_path):
  blobs, snapshot = tmp_path / 'blobs', tmp_path / 'snapshots' / 'a1b2'
  blobs.mkdir()
  snapshot.mkdir(parents=True)
  for i, name in enumerate((hf_weights.SINGLE, 'config.json')):
    shutil.copy(original / name, blobs / str(i))
    (snapshot / name).symlink_to(pathlib.Path('../../blobs') / str(i))
  _load(snapshot)


def _edit_index(folder, edit):
  index = json.loads((folder / hf_weights.INDEX).read_text())
  edit(index['weight_map'])
  (folder / hf_weights.INDEX).write_text(json.dumps(index))


def test_an_index_must_fit_its_files(split, tmp_path):
  def swap(names):
    names[KEY] = next(f for f in names.values() if f != names[KEY])

  cases = {
    'swapped': (swap, f'tensor {KEY} is not what'),
    'forgotten': (lambda names: names.pop(KEY), f'tensor {KEY} is not what'),
    'invented': (
      lambda names: names.update({'x': names[KEY]}),
      r'safetensors: tensor x is missing',
    ),
  }
  for name, (edit, message) in cases.items():
    folder = shutil.copytree(split, tmp_path / name)
    _edit_index(folder, edit)
    with pytest.raises(ValueError, match=message):
      _load(folder)
  folder = shutil.copytree(split, tmp_path / 'absent')
  _edit_index(folder, lambda m: m.update({'x': 'model-9.safetensors'}))
  with pytest.raises(FileNotFoundError, match=r'model-9\.safetensors'):
    _load(folder)


@pytest.mark.parametrize('text', ['', '{', '[]', '"a"', '[' * 100_000, '\xff'])
def test_bad_json_is_named(split, tmp_path, text):
  for name in (hf_weights.INDEX, 'config.json'):
    folder = shutil.copytree(split, tmp_path / name)
    (folder / name).write_bytes(text.encode('latin-1'))
    with pytest.raises(ValueError, match=f'{name}: not '):
      _load(folder)
  (folder / 'config.json').unlink()
  with pytest.raises(FileNotFoundError, match='config.json'):
    _load(folder)


def test_a_saved_folder_has_what_a_server_needs(folder, tmp_path):
  companions = {'tokenizer.json': '{}', 'chat_template.jinja': '{{ x }}'}
  for name, text in companions.items():
    (folder / name).write_text(text)
  (folder / 'optimizer.pt').write_text('not of the model')
  config = hf_weights.read_config(folder)
  target = tmp_path / 'runs' / 'export'
  hf_weights.save(target, _load(folder), config, copy_from=folder)
  assert {p.name for p in target.iterdir()} == {
    'config.json', 'generation_config.json', hf_weights.SINGLE, *companions
  }  # fmt: skip
  for name, text in companions.items():
    assert (target / name).read_text() == text
  theirs, mine = (
    json.loads((f / 'config.json').read_text()) for f in (folder, target)
  )
  assert mine == theirs
  assert [p.name for p in target.parent.iterdir()] == ['export']


@pytest.mark.parametrize('family', list(small_checkpoints.FAMILIES))
def test_a_config_can_be_made_from_the_model_alone(family, tmp_path):
  small_checkpoints.write(family, tmp_path / 'a')
  config = hf_weights.read_config(tmp_path / 'a')
  params = hf_weights.load(tmp_path / 'a', config)
  hf_weights.save(tmp_path / 'b', params, config)
  assert hf_weights.read_config(tmp_path / 'b') == config
  transformers = small_checkpoints.transformers
  again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / 'b')
  ids = small_checkpoints.tokens()
  model = small_checkpoints.model(family)
  np.testing.assert_array_equal(
    small_checkpoints.reference_logits(again, ids),
    small_checkpoints.reference_logits(model, ids),
  )


def test_nothing_is_overwritten_or_half_written(folder, tmp_path, monkeypatch):
  config, params = hf_weights.read_config(folder), _load(folder)
  before = sorted(p.name for p in folder.iterdir())
  for target in (folder, folder / 'config.json'):
    with pytest.raises(ValueError, match='is there already'):
      hf_weights.save(target, params, config)
  assert sorted(p.name for p in folder.iterdir()) == before

  def fail(*args):
    raise OSError('disk full')

  monkeypatch.setattr(hf_weights, '_write_companions', fail)
  target = tmp_path / 'new' / 'export'
  with pytest.raises(OSError, match='disk full'):
    hf_weights.save(target, params, config)
  assert list(target.parent.iterdir()) == []
  monkeypatch.undo()
  target.mkdir()  # an empty folder is no obstacle
  hf_weights.save(target, params, config)
  assert (target / hf_weights.SINGLE).exists()


@pytest.mark.parametrize('field', ['copy_head', 'match_bias'])
def test_what_no_architecture_has_cannot_be_saved(field, original, tmp_path):
  config = dataclasses.replace(
    hf_weights.read_config(original), **{field: True}
  )
  with pytest.raises(ValueError, match=rf'model\.{field}=True'):
    hf_weights.save(tmp_path / 'x', _load(original), config)
  assert list(tmp_path.iterdir()) == []


def test_parameters_that_do_not_fit_cannot_be_saved(original, tmp_path):
  config, params = hf_weights.read_config(original), _load(original)
  strange = {**params, 'seen': jnp.zeros(24)}
  less = {k: v for k, v in params.items() if k != 'final_norm'}
  for tree, name in ((strange, 'seen'), (less, 'final_norm/scale')):
    with pytest.raises(ValueError, match=f'parameter {name}'):
      hf_weights.save(tmp_path / 'x', tree, config)
  valued = {**params, 'value': jnp.zeros(24)}
  hf_weights.save(tmp_path / 'x', valued, config)
  assert set(_tensors(tmp_path / 'x')) == set(_tensors(original))


def test_a_copy_from_another_model_is_refused(original, tmp_path):
  config = dataclasses.replace(hf_weights.read_config(original), rope_theta=5.0)
  with pytest.raises(ValueError, match=r'rope_theta is 10000\.0 there, 5\.0'):
    hf_weights.save(tmp_path / 'x', _load(original), config, copy_from=original)


LOAD = """
import jax, pathlib
from mem_alpha_jax.pretrained import hf_weights, tensors

def status(name):
  text = pathlib.Path('/proc/self/status').read_text()
  return 1024 * int(text.split(name + ':')[1].split()[0])

tensors.BLOCK_BYTES = 2**21
jax.block_until_ready(jax.numpy.ones(3))
config = hf_weights.read_config({folder!r})
before = status('VmRSS')
params = hf_weights.load({folder!r}, config, dtype='bfloat16')
jax.block_until_ready(params)
size = sum(x.nbytes for x in jax.tree.leaves(params))
print((status('VmHWM') - before) / size)
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_loading_needs_little_more_memory_than_the_result(tmp_path):
  """No copy of a stacked array, no pages of the files: 160 MB of weights."""
  config = presets.ModelConfig(
    layers=4, width=1024, heads=8, kv_heads=8, head_size=128, ffn=4096,
    vocab_size=6144,
  )  # fmt: skip
  names = tensors_lib.sizes(config, 'bfloat16')
  tensors = {
    name: np.zeros(leaf.tensor_shape, ml_dtypes.bfloat16)
    for leaf in tensors_lib.leaves(config)
    for name in leaf.names(config)
  }
  assert list(tensors) == list(names)
  _rewrite(tmp_path, tensors)
  fields = hf_config.to_fields(config)
  (tmp_path / 'config.json').write_text(json.dumps(fields))
  code = LOAD.format(folder=str(tmp_path))
  ran = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert 0.9 < float(ran.stdout) < 1.15
