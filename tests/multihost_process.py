"""What multihost_test runs in processes of its own."""

import json
import sys

import jax
import numpy as np
from absl import flags
from jax.sharding import NamedSharding, PartitionSpec

from mem_alpha_jax import train
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.report import metrics
from mem_alpha_jax.rl import update
from mem_alpha_jax.rollout import starts as starts_lib
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import learning, progress
from mem_alpha_jax.system import cluster, machine, multihost
from tests import tiny_config


def check_gathers(me: int, count: int) -> None:
  rows = {'a': np.full((2, 3), me, np.float32), 'b': np.array([me > 0, False])}
  found = multihost.gather(rows)
  np.testing.assert_array_equal(found['a'][:, 0], np.arange(count).repeat(2))
  assert found['b'][::2].tolist() == [i > 0 for i in range(count)]
  found['a'][:] = 7  # writable, as with one process
  keys = jax.random.split(jax.random.key(me), 2)
  both = jax.random.key_data(multihost.gather(keys))
  mine = jax.random.key_data(keys)
  np.testing.assert_array_equal(both[2 * me : 2 * me + 2], mine)
  # Lists of any length and content, one of them empty.
  texts = [[i * 'é', (i * 3000 * 'x', i)][: 2 * i] for i in range(count)]
  assert multihost.gather_lists(texts[me]) == sum(texts, [])
  assert multihost.largest(me, 5 - me) == [count - 1, 5]


def check_shares(me: int, count: int) -> None:
  items = list(range(4 * count - 1))  # the last process fills up
  mine = multihost.share(items)
  assert mine == [min(i, items[-1]) for i in range(4 * me, 4 * me + 4)]
  assert multihost.gather_lists(mine)[: len(items)] == items


def check_global_arrays(me: int) -> None:
  mesh = jax.make_mesh((jax.device_count(),), ('x',))
  multihost.meet(jax.make_mesh((2, jax.device_count() // 4, 2), tuple('abc')))
  place = NamedSharding(mesh, PartitionSpec('x'))
  x = np.arange(16, dtype=np.float32)
  spread = jax.make_array_from_callback(x.shape, place, x.__getitem__)
  np.testing.assert_array_equal(multihost.whole(spread), x)
  # Each process gives its rows to one program and gets them back.
  double = jax.jit(lambda p, a, b: (p.sum() + a, 2 * b), out_shardings=place)
  run = multihost.together(double)
  rows = np.arange(4, dtype=np.float32) + 10 * me
  got, twice = run(spread, rows, -rows)
  np.testing.assert_array_equal(got, x.sum() + rows)
  np.testing.assert_array_equal(twice, -2 * rows)


def check_first(me: int) -> None:
  acted = []
  multihost.on_first(lambda: acted.append(1))
  assert len(acted) == (me == 0)

  def fail():
    raise FileNotFoundError('no such file')

  try:
    multihost.on_first(fail)
  except (ValueError, FileNotFoundError) as error:
    assert str(error) == 'no such file'
  else:
    raise AssertionError('the error of the first process was lost')


def cross(config, workdir: str) -> None:
  """Every way to cross; then one process fails while the other waits."""
  del config, workdir
  me, count = jax.process_index(), jax.process_count()
  check_gathers(me, count)
  check_shares(me, count)
  check_global_arrays(me)
  check_first(me)
  print('all crossed')
  if me == count - 1:
    raise RuntimeError('one process fails')
  multihost.largest(me)  # waits for one that never comes


def steps(config, workdir: str) -> None:
  """Two steps of training and a baseline; the first process writes them."""
  experiment = build_lib.build(config, workdir)
  learner = learning.create(
    experiment.config, experiment.policy, experiment.mesh
  )
  loader = iter(pipeline.make_dataset(config, 'train'))
  state = update.init_state(
    build_lib.init_params(experiment), learner.tx, experiment.mesh
  )
  mine = multihost.share(range(config.data.batch_episodes))
  starts = [starts_lib.empty()] * len(mine)
  now = progress.Progress(state, loader.get_state(), starts, 0, 0.0)
  with metrics.Writer(workdir, 2, 0, False, False) as writer:
    for _ in range(2):
      now, scalars = train.step(
        experiment, learner, loader, now, metrics.Timer()
      )
      writer.write(now.step, scalars)
  episodes = pipeline.eval_episodes(config, 'test')
  arm, _ = held_out.arm('random_inserts', experiment, None, episodes)
  if jax.process_index() == 0:
    del arm['seconds_per_chunk'], arm['seconds_at_ends']
    with open(f'{workdir}/arm.json', 'w') as file:
      json.dump(arm, file)


TASKS = {'cross': cross, 'steps': steps}


def main() -> None:
  cluster.define_flags()
  flags.DEFINE_enum('task', 'cross', list(TASKS), 'What to do.')
  flags.DEFINE_string('workdir', '', 'Of the run.')
  flags.DEFINE_string('arg', '', 'Config fields.')
  flags.DEFINE_bool('differ', False, 'Give each process another config.')
  given = flags.FLAGS
  given(sys.argv)
  arg = given.arg + f',seed={given.process_id}' * given.differ
  config = tiny_config.get_config(arg.lstrip(','))
  machine.use_compilation_cache()
  try:
    cluster.join(given, config)
  except ValueError as error:
    print(error, file=sys.stderr)
    cluster.leave(2)
  TASKS[given.task](config, given.workdir)


if __name__ == '__main__':
  main()
