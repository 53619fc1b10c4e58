"""Trains the policies of a scale with one seed and fills its cells.

A cell is a file; one that is there is never computed again.
"""

import json
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.paper_tables import scales
from mem_alpha_jax import train
from mem_alpha_jax.config import validate as validate_lib
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.methods import registry
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import parameters
from mem_alpha_jax.system import files
from mem_alpha_jax.types import Episode

EXAMPLES = 8  # questions of a cell that are kept word for word


class Cell(NamedTuple):
  run: str
  column: scales.Column
  system: str


def needed(scale: scales.Scale, tables: Sequence[str]) -> list[Cell]:
  """The cells of some tables, those of a run and of a column together."""
  found = {}
  for name in tables:
    table = scale.tables[name]
    for row in table.rows:
      for column in table.columns:
        if row.system not in column.lacks:
          key = row.run, column.read_as, row.system
          found.setdefault(key, Cell(row.run, column, row.system))
  order = {name: i for i, name in enumerate(scale.runs)}
  columns = list(dict.fromkeys(column for _, column, _ in found))
  place = lambda key: (order[key[0]], columns.index(key[1]))
  return [found[key] for key in sorted(found, key=place)]


def path_of(out: pathlib.Path, cell: Cell, seed: int) -> pathlib.Path:
  """The file of a cell."""
  system = cell.system.replace(' ', '_')
  return (
    out / 'cells' / cell.run / cell.column.read_as / f'{system}_{seed}.json'
  )


def workdir_of(out: pathlib.Path, run: str, seed: int) -> pathlib.Path:
  """The folder of a policy."""
  return out / f'{run}_seed{seed}'


def fill(
  cells: Sequence[Cell],
  config_of: Callable[[str], Any],
  seed: int,
  out: pathlib.Path,
  say: Callable[[str], None] = print,
) -> None:
  """Computes what is missing of the cells, training what they need.

  Args:
    cells: of `needed`.
    config_of: run -> its config, with the seed.
    seed: of the names of files.
    out: folder of all.
    say: takes a line of progress.

  Raises:
    stopping.Stopped: a training run was asked to stop.
    ValueError: for a config that does not fit, naming the field.
  """
  missing = [c for c in cells if not path_of(out, c, seed).exists()]
  say(f'{len(cells) - len(missing)} of {len(cells)} cells are there')
  left = _Left(len(missing))
  for run in dict.fromkeys(cell.run for cell in missing):
    mine = [cell for cell in missing if cell.run == run]
    workdir = str(workdir_of(out, run, seed))
    config = config_of(run)
    validate_lib.validate(config)
    say(f'{run}: training, or taking it up, in {workdir}')
    train.train(config, workdir)
    left.begin()
    for cell, found in _computed(mine, config, workdir):
      files.write_json(path_of(out, cell, seed), found)
      score = _mean(found['scores'][held_out.READERS[0]])
      say(
        f'{run}, {cell.column.name}, {cell.system}: {score:.3f}, '
        f'{found["memory_tokens"]:.0f} tokens held; {left.after_one()}'
      )


def _computed(
  cells: Sequence[Cell], config, workdir: str
) -> Iterator[tuple[Cell, dict]]:
  """Each cell of one run with what was found."""
  experiment = build_lib.build(config, workdir)
  weights = {
    scales.BEFORE: parameters.start_params(experiment, workdir),
    scales.AFTER: parameters.saved_params(experiment, workdir),
  }
  for name in dict.fromkeys(cell.column.read_as for cell in cells):
    mine = [cell for cell in cells if cell.column.read_as == name]
    fields = config.copy_and_resolve_references().unlock()
    fields.update_from_flattened_dict(dict(mine[0].column.fields))
    validate_lib.validate(fields)
    reading = build_lib.for_evaluation(experiment, fields)
    episodes = _episodes(fields, mine[0].column)
    for cell in mine:
      params = weights.get(cell.system, weights[scales.AFTER])
      method = 'policy' if cell.system in weights else cell.system
      found = compare(method, reading, params, episodes)
      yield cell, {**cell._asdict(), 'column': cell.column.read_as, **found}


def compare(
  name: str,
  experiment: build_lib.Experiment,
  params: Any,
  episodes: Sequence[Episode],
) -> dict[str, Any]:
  """One method on episodes, as plain values.

  Args:
    name: key of registry.METHODS.
    experiment: its config says what readers see; see `for_evaluation`.
    params: of the policy.
    episodes: held-out ones, with at least one question.

  Returns:
    'scores' reader -> type -> [score, answers] of each episode; means over
    episodes 'memory_tokens' (at the end) and 'read_tokens', over questions
    'shown_tokens'; 'questions', 'missing', 'seconds', 'examples', and 'told':
  what reader and judge are.
  """
  began = time.perf_counter()
  records = held_out.read(name, experiment, params, episodes).records
  scores, missing = {}, 0
  for k, reader in enumerate(held_out.READERS):
    counts, unread = held_out.answers(episodes, records, k)
    scores[reader] = {kind: counts[kind].tolist() for kind in sorted(counts)}
    missing += unread
  asked = [
    (e.questions[a.index], a)
    for e, record in zip(episodes, records, strict=True)
    for a in record.answered
  ]
  asked.sort(key=lambda one: one[1].read)
  count = experiment.eval_setup.tokenizer.count
  texts = [
    [*(n.text for n in a.request.notes), a.request.core]
    for _, a in asked
    if a.request
  ]
  return {
    'scores': scores,
    'memory_tokens': float(np.mean([r.held[-1][1] for r in records])),
    'read_tokens': held_out.read_tokens(experiment, episodes) / len(episodes),
    'shown_tokens': float(np.mean([sum(map(count, row)) for row in texts])),
    'questions': len(asked),
    'missing': missing,
    'lost': sum(r.calls['lost'] for r in records),
    'seconds': time.perf_counter() - began,
    'told': held_out.told(experiment, episodes),
    'examples': [
      [question.text, question.answer, *a.answers]
      for question, a in asked[:: max(len(asked) // EXAMPLES, 1)]
    ],
  }


def _episodes(config, column: scales.Column) -> list[Episode]:
  episodes = pipeline.eval_episodes(config, 'test')
  if not column.only:
    return episodes
  found = [e for e in episodes if e.source == column.only]
  if not found:
    raise ValueError(
      f'column {column.name}: no test episode of source {column.only!r} in '
      f'data.source={config.data.source!r}; raise data.eval_episodes'
    )
  return found


def check(scale: scales.Scale, tables: Sequence[str]) -> None:
  """Raises ValueError for a table or a system that there is not."""
  for name in tables:
    if name not in scale.tables:
      raise ValueError(f'no table {name!r}; use some of {list(scale.tables)}')
    systems = {row.system for row in scale.tables[name].rows}
    registry.check(sorted(systems - {scales.BEFORE, scales.AFTER}))


class _Left:
  """Says how far the cells are, and how long the others will take."""

  def __init__(self, total: int):
    self._total, self._done, self._spent = total, 0, 0.0
    self._start = time.perf_counter()

  def begin(self) -> None:
    """What lies before it, training, is not counted."""
    self._start = time.perf_counter()

  def after_one(self) -> str:
    now = time.perf_counter()
    self._spent, self._start = self._spent + now - self._start, now
    self._done += 1
    left = (self._total - self._done) * self._spent / self._done / 60
    return f'{self._done} of {self._total} cells, about {left:.1f} min left'


def _mean(tables: dict) -> float:
  """Mean over all answers."""
  score, answers = (
    sum(row[k] for table in tables.values() for row in table) for k in (0, 1)
  )
  return score / answers if answers else float('nan')


def read(path: pathlib.Path) -> dict[str, Any]:
  """What `fill` wrote."""
  return json.loads(path.read_text(encoding='utf-8'))
