"""Programs of a small run, compiled for chips that are not here."""

import json

import jax
import pytest

from configs import tiny
from mem_alpha_jax.compile import main, programs
from mem_alpha_jax.config import validate as validate_lib

SMALL = (
  'model.layers=1,model.copy_head=False,model.match_bias=False,'
  'model.width=128,model.heads=4,model.kv_heads=4,model.head_size=128,'
  'model.dtype=bfloat16,model.remat=full,model.attention=splash,'
  'rollout.prefix_buckets=256,rollout.own_buckets=128,'
  'rollout.response_buckets=128,mesh.fsdp=4,mesh.data=1,mesh.decode=tensor,'
  'data.batch_episodes=32,data.eval_episodes=8,rl.packed_groups=0'
)


def config(arg: str):
  found = tiny.get_config(f'{SMALL},{arg}')
  validate_lib.validate(found)
  return found


def needs_libtpu(topology: str) -> None:
  try:
    main.topology_devices(topology)
  except ValueError as error:
    pytest.skip(f'libtpu is not installed: {error}')


def only(monkeypatch, *kinds):
  """Leaves out programs of other kinds, for their time."""
  every = programs.programs
  monkeypatch.setattr(
    programs, 'programs', lambda *a: [p for p in every(*a) if p.kind in kinds]
  )


@pytest.mark.slow
def test_programs_compile_for_a_slice_that_is_not_here(tmp_path, monkeypatch):
  needs_libtpu('v5e:2x2')
  only(monkeypatch, 'update', 'sample')
  rows = main.main(config('mesh.topology=v5e:2x2'), str(tmp_path))
  assert all(row['fits'] for row in rows)
  update = next(row for row in rows if row['kind'] == 'update')
  # Rematerialised and padded, but no more than a few times the model's own.
  assert 1 < update['flops'] / update['model_flops'] < 4
  assert update['link_bytes'] > 0
  sample = next(row for row in rows if row['kind'] == 'sample')
  step = sample['step']
  # So small a program keeps its caches on the chip, and reads next to nothing.
  assert step['needed_share'] > 0
  assert json.loads((tmp_path / 'compile.json').read_text())
  assert 'update' in (tmp_path / 'compile.txt').read_text()


@pytest.mark.slow
def test_what_does_not_fit_is_refused_with_the_field(
  tmp_path, monkeypatch, capsys
):
  needs_libtpu('v5e:2x2')
  only(monkeypatch, 'retrieve')
  found = config(
    'mesh.topology=v5e:2x2,memory.slots=33554432,memory.max_slots=33554432'
  )
  with pytest.raises(ValueError, match=r'retrieve.*memory\.max_slots=33554432'):
    main.main(found, str(tmp_path))
  assert 'DOES NOT FIT' in (tmp_path / 'compile.txt').read_text()
  assert capsys.readouterr().out.count('\n') > 4


@pytest.mark.slow
def test_without_a_topology_it_compiles_for_what_is_here(tmp_path):
  found = config(
    'mesh.topology=,model.attention=xla,model.layers=1,model.dtype=float32'
  )
  rows = main.main(found, str(tmp_path))
  assert {row['kind'] for row in rows} == {
    'update', 'sample', 'greedy', 'reshard', 'retrieve'
  }  # fmt: skip
  assert all('seconds' not in row for row in rows)
  assert jax.default_backend() == 'cpu'


@pytest.mark.parametrize('topology', ['z9:2x2', 'v5e:3x77'])
def test_unknown_topologies_are_refused(topology):
  with pytest.raises(ValueError, match=r"mesh\.topology='.*'"):
    main.topology_devices(topology)
