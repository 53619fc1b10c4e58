"""Training with a reader that fails: at 30% of its requests, and at all.

  nice .venv/bin/python -m experiments.reader_faults.run

Parts that results.json beside this file holds are not run again; the runs go
to runs/reader_faults/.
"""

import argparse
import collections
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from configs import tiny
from experiments.reader_faults import server as server_lib
from mem_alpha_jax import train
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.reading import http_client, protocol
from mem_alpha_jax.report import metrics as metrics_lib
from mem_alpha_jax.report import tables
from mem_alpha_jax.rollout import collector
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import learning, progress
from mem_alpha_jax.system import files, machine

RESULTS = pathlib.Path(__file__).parent / 'results.json'
RUNS = pathlib.Path('runs/reader_faults')
TIMEOUT, DELAY = 1.0, 1.5  # seconds
# configs/tiny.py and its policy, in small batches.
CONFIG = (
  'data.batch_episodes=8,data.train_chunks=4,data.eval_episodes=4,'
  'rollout.group_size=4,rollout.forced=1,rl.minibatch_rows=64,eval.lengths=1,'
  'eval.html_episodes=0,log.tensorboard=False,log.progress=False,'
  'reading.reader=remote,reading.model=rules,reading.backoff=0.05,'
  f'reading.timeout={TIMEOUT},reading.breaker_pause=2.0,'
)
CELLS = {  # share of faults, retries
  '30%, 1 retry': (0.3, 1),
  '30%, 4 retries': (0.3, 4),
  'no faults': (0.0, 0),
}
STEPS = 8


class Watched(NamedTuple):
  """What a run did, and what it would have done.

  Attributes:
    rows: its metrics.
    accuracies: what each step's validation gave, or None.
    pairs: each batch as the reader graded it, and as a faultless one does.
    counts: of the client, evaluations included.
  """

  rows: list[dict[str, Any]]
  accuracies: list[float | None]
  pairs: list[tuple[collector.Rollout, collector.Rollout]]
  counts: dict[str, int]


def watch(config, folder: str) -> Watched:
  """Trains, and grades every batch a second time without faults."""
  collect, pairs, accuracies = collector.collect, [], []

  def both(setup, *args):
    faultless = protocol.cached(server_lib.faultless)
    true = collect(setup._replace(reader=faultless), *args)
    pairs.append((collect(setup, *args), true))
    return pairs[-1][0]

  experiment = build_lib.build(config, folder)
  learner = learning.create(
    experiment.config, experiment.policy, experiment.mesh
  )
  loader = iter(pipeline.make_dataset(config, 'train'))
  episodes = pipeline.eval_episodes(config, 'validation', 1)
  now = progress.begin(experiment, learner.tx, loader, folder, 0.0, print)
  with (
    mock.patch.object(collector, 'collect', both),
    metrics_lib.Writer(folder, config.num_steps, progress=False) as writer,
  ):
    for _ in range(config.num_steps):
      now, scalars = train.step(
        experiment, learner, loader, now, metrics_lib.Timer()
      )
      found = {}
      if now.step % config.eval.every == 0 or now.step == config.num_steps:
        found = held_out.validation(experiment, now.state.params, episodes)
      writer.write(now.step, {**scalars, **found})
      accuracies.append(found.get('eval/accuracy'))
  rows = metrics_lib.read(os.path.join(folder, metrics_lib.FILE))
  # Those of the last evaluation have no step to be written with.
  counts = collections.Counter(experiment.reader_counts())
  for row in rows:
    counts.update({k: n for k, n in row.items() if k.startswith('reader/')})
  counts = {k.removeprefix('reader/'): n for k, n in counts.items()}
  return Watched(rows, accuracies, pairs, counts)


def compare(pairs) -> dict[str, int]:
  """Rewards r1 of all samples, as graded and as without faults."""
  counts = collections.Counter()
  for faulty, true in pairs:
    found, wanted = (r.samples.parts['answers'] for r in (faulty, true))
    missing = np.isnan(found)
    counts['rewards'] += len(found)
    counts['missing'] += int(missing.sum())
    counts['equal'] += int((found == wanted).sum())
    counts['zeroed'] += int(((found == 0) & (wanted != 0)).sum())
    counts['missing_not_zero'] += int((missing & (wanted != 0)).sum())
  return dict(counts)


def cell(name: str) -> dict[str, Any]:
  """A run of STEPS steps against a server with a share of faults."""
  rate, retries = CELLS[name]
  folder = str(RUNS / f'retries_{retries}')
  shutil.rmtree(folder, ignore_errors=True)
  with server_lib.Server(server_lib.share(rate), DELAY) as server:
    config = tiny.get_config(
      f'{CONFIG}num_steps={STEPS},eval.every={STEPS},reading.url={server.url},'
      f'reading.retries={retries},reading.max_missing=0.25'
    )
    done = watch(config, folder)
  mean = lambda key: float(np.mean([row[key] for row in done.rows]))
  return {
    'steps': len(done.rows),
    'client': done.counts,
    'server': dict(server.counts),
    'rewards': compare(done.pairs),
    'missing_answers': mean('rollout/missing_answers'),
    'missing_rewards': mean('rl/missing_rewards'),
    'skipped_updates': sum(row['rl/skipped'] for row in done.rows),
    'reward': mean('reward/total'),
    'accuracy': done.accuracies[-1],
    'rollout_seconds': mean('time/rollout'),
  }


def command(folder: pathlib.Path, arg: str) -> subprocess.Popen:
  """The run as a user starts it."""
  return subprocess.Popen(
    [sys.executable, '-m', 'mem_alpha_jax.main', f'--workdir={folder}',
     f'--config=configs/tiny.py:{CONFIG}num_steps=6,eval.every=6,{arg}'],
    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
  )  # fmt: skip


def outage() -> dict[str, Any]:
  """The server fails wholly after step 3; then it is mended."""
  broken = []
  plan = lambda body, nth: server_lib.FAULTS[nth % 5] if broken else ''
  found = {}
  with (
    server_lib.Server(plan, DELAY) as server,
    tempfile.TemporaryDirectory() as parent,
  ):
    arg = f'reading.url={server.url}'
    folder = pathlib.Path(parent, 'run')
    job = command(folder, arg)
    metrics = folder / metrics_lib.FILE
    while not (metrics.exists() and '{"step": 3,' in metrics.read_text()):
      assert job.poll() is None, job.stderr.read()
      time.sleep(0.01)
    broken.append(True)
    started = time.perf_counter()
    found['message'] = job.communicate()[1].strip().splitlines()[-1]
    found['code'] = job.returncode
    found['seconds'] = time.perf_counter() - started
    found['steps_before'] = len(metrics_lib.read(metrics))
    broken.clear()
    job = command(folder, arg)
    assert 'error' not in job.communicate()[1]
    found['code_when_mended'] = job.returncode
    found['steps'] = len(metrics_lib.read(metrics))
  return found


def table(cells: dict[str, Any]) -> str:
  """A cell a column."""
  rows = [
    (
      f'requests: {name}',
      *(str(c['client'].get(name, '')) for c in cells.values()),
    )
    for name in http_client.COUNTS
  ]
  rows += [
    (
      f'server: {name}',
      *(str(c['server'].get(name, 0)) for c in cells.values()),
    )
    for name in ('ok', *server_lib.FAULTS)
  ]
  rows += [
    (f'rewards: {name}', *(str(c['rewards'][name]) for c in cells.values()))
    for name in next(iter(cells.values()))['rewards']
  ]
  for name in ('missing_answers', 'missing_rewards', 'reward'):
    rows.append((name, *(f'{c[name]:.4f}' for c in cells.values())))
  return tables.grid(('', *cells), rows)


def main() -> None:
  argparse.ArgumentParser(description=__doc__).parse_args()
  machine.use_compilation_cache()
  parts = {name: functools.partial(cell, name) for name in CELLS}
  first, *others = parts
  for name in (first, 'outage', *others):
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if name not in results:
      results[name] = parts.get(name, outage)()
      files.write_json(RESULTS, results)
      print(name, results[name], flush=True)
  print(table({name: results[name] for name in CELLS}))


if __name__ == '__main__':
  main()
