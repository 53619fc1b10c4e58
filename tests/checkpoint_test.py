import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from mem_alpha_jax.run import checkpoint, params_file
from mem_alpha_jax.types import TrainState


def make_state(step: int, size: int = 16) -> TrainState:
  rng = np.random.default_rng(step)
  params = {
    'embed': jnp.asarray(rng.normal(size=(size, 8)), jnp.float32),
    'layers': {'w': jnp.asarray(rng.normal(size=(2, 8, 4)), jnp.bfloat16)},
  }
  return TrainState(
    step=jnp.int32(step),
    params=params,
    opt_state=optax.adamw(1e-3).init(params),
  )


SHAPES = jax.eval_shape(lambda: make_state(0))


def assert_same(actual: TrainState, expected: TrainState) -> None:
  def check(a, b):
    assert a.dtype == b.dtype
    assert np.asarray(a).tobytes() == np.asarray(b).tobytes()

  jax.tree.map(check, actual, expected)


def largest_file(folder: pathlib.Path) -> pathlib.Path:
  files = [path for path in folder.rglob('*') if path.is_file()]
  return max(files, key=lambda path: path.stat().st_size)


def test_nothing_to_restore(tmp_path):
  with checkpoint.Manager(tmp_path, keep=2) as manager:
    assert manager.restore(SHAPES) is None


def test_round_trip_is_exact(tmp_path):
  state = make_state(3)
  data_state = {'position': 12, 'raw': b'\x00\xff'}
  extra = {'memories': [['a note', 3]], 'seconds': 1.5, 'n': np.int64(4)}
  with checkpoint.Manager(tmp_path, keep=2) as manager:
    manager.save(3, state, data_state, extra, metric=0.5)
  with checkpoint.Manager(tmp_path, keep=2) as manager:
    restored = manager.restore(SHAPES)
    params = manager.restore({'params': SHAPES.params}).state
  assert_same(restored.state, state)
  assert set(params) == {'params'}  # no moments are read
  assert_same(params['params'], state.params)
  assert restored.data_state == data_state
  assert restored.extra == extra


def test_fields_that_a_state_no_longer_has_are_left_out(tmp_path):
  state = make_state(1)
  old = {f: getattr(state, f) for f in ('step', 'params', 'opt_state')}
  with checkpoint.Manager(tmp_path, keep=2) as manager:
    manager.save(1, {**old, 'key': jnp.zeros(2, jnp.uint32)}, {})
    assert_same(manager.restore(SHAPES).state, state)


def test_keeps_newest_and_best(tmp_path):
  metrics = {1: None, 2: 0.9, 3: float('nan'), 4: 0.2, 5: 0.1}
  with checkpoint.Manager(tmp_path, keep=2) as manager:
    for step, metric in metrics.items():
      manager.save(step, make_state(step), {}, metric=metric)
    assert manager.steps() == [2, 4, 5]
    assert manager.restore(SHAPES).step == 5
    best = manager.restore(SHAPES, best=True)
    assert best.step == 2
    assert_same(best.state, make_state(2))


def test_restores_onto_the_shardings_of_the_example(tmp_path):
  state = make_state(1)
  mesh = jax.make_mesh((4,), ('fsdp',), axis_types=(AxisType.Auto,))
  sharding = NamedSharding(mesh, PartitionSpec('fsdp'))
  embed = jax.ShapeDtypeStruct((16, 8), jnp.float32, sharding=sharding)
  example = SHAPES.replace(params={**SHAPES.params, 'embed': embed})
  with checkpoint.Manager(tmp_path, keep=1) as manager:
    manager.save(1, state, {})
    restored = manager.restore(example).state
  assert restored.params['embed'].sharding == sharding
  assert_same(restored, state)


def flip(path: pathlib.Path) -> None:
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


BREAK = {
  'a flipped bit': lambda folder: flip(largest_file(folder)),
  'a short file': lambda folder: os.truncate(largest_file(folder), 10),
  'a missing file': lambda folder: largest_file(folder).unlink(),
  'no metrics': lambda folder: os.truncate(folder / 'metrics/metrics', 0),
}


@pytest.mark.parametrize('name', BREAK)
def test_unreadable_newest_gives_way_to_the_one_before(tmp_path, name, caplog):
  with checkpoint.Manager(tmp_path, keep=3) as manager:
    for step in (1, 2):
      manager.save(step, make_state(step), {'at': step}, metric=step)
  BREAK[name](tmp_path / 'checkpoints' / '2')
  with checkpoint.Manager(tmp_path, keep=3) as manager:
    restored = manager.restore(SHAPES)
    assert restored.data_state == {'at': 1}
    assert manager.steps() == [1]
    # The step can be written again, and the broken one is still there.
    manager.save(2, make_state(2), {'at': 2})
    assert_same(manager.restore(SHAPES).state, make_state(2))
  assert list(tmp_path.glob('checkpoints/unreadable_2_*'))
  told = [r.getMessage() for r in caplog.records if r.levelname == 'WARNING']
  told = [message for message in told if 'cannot be read' in message]
  assert len(told) == 1 and '\n' not in told[0]
  assert os.path.join('checkpoints', '2') in told[0]


def test_leftovers_of_a_killed_save_are_ignored(tmp_path):
  with checkpoint.Manager(tmp_path, keep=2) as manager:
    manager.save(1, make_state(1), {})
  leftover = tmp_path / 'checkpoints' / '2.orbax-checkpoint-tmp'
  (leftover / 'state').mkdir(parents=True)
  with checkpoint.Manager(tmp_path, keep=2) as manager:
    assert manager.steps() == [1]
    assert_same(manager.restore(SHAPES).state, make_state(1))
    # Orbax removes leftovers in the background and waits for that at a save.
    manager.save(2, make_state(2), {})
    assert_same(manager.restore(SHAPES).state, make_state(2))
  assert not leftover.exists()


def test_all_unreadable_is_an_error_and_moves_nothing(tmp_path):
  with checkpoint.Manager(tmp_path, keep=2) as manager:
    manager.save(1, make_state(1), {})
  folder = tmp_path / 'checkpoints' / '1'
  largest_file(folder).unlink()
  with (
    checkpoint.Manager(tmp_path, keep=2) as manager,
    pytest.raises(ValueError, match='no checkpoint can be read.*start again'),
  ):
    manager.restore(SHAPES)
  assert folder.exists()


def test_params_file_is_exact_and_deterministic(tmp_path):
  params = make_state(2).params
  first, second = tmp_path / 'a' / 'p.npz', tmp_path / 'b.npz'
  params_file.save(first, params)
  params_file.save(second, params)
  assert first.read_bytes() == second.read_bytes()
  example = jax.eval_shape(lambda: make_state(0).params)
  loaded = params_file.load(first, example)
  assert jax.tree.structure(loaded) == jax.tree.structure(params)
  for a, b in zip(
    jax.tree.leaves(loaded), jax.tree.leaves(params), strict=True
  ):
    assert a.dtype == b.dtype
    assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_params_file_errors_name_file_and_array(tmp_path):
  path = tmp_path / 'p.npz'
  with pytest.raises(FileNotFoundError, match=r'p\.npz'):
    params_file.load(path, {})
  params_file.save(path, {'a': jnp.ones((2, 3))})
  with pytest.raises(ValueError, match=r"'a' has shape \(2, 3\).*\(3, 2\)"):
    params_file.load(path, {'a': jnp.ones((3, 2))})
  with pytest.raises(ValueError, match="'b' is missing"):
    params_file.load(path, {'a': jnp.ones((2, 3)), 'b': jnp.ones(1)})
  with pytest.raises(ValueError, match="'a' is not in the model"):
    params_file.load(path, {})
  path.write_bytes(path.read_bytes()[:-30])
  with pytest.raises(ValueError, match='not a readable parameter file'):
    params_file.load(path, {'a': jnp.ones((2, 3))})
