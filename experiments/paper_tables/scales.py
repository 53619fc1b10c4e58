"""What is compared at each scale: policies, columns, systems, tables.

A run is a policy that is trained, a column a set of held-out episodes, a
system a way to remember them, and a cell one system on one column with one
seed. Tables share cells.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from experiments.paper_tables import printed

BEFORE, AFTER = 'policy before RL', 'policy after RL'
# Systems that need no chat model; all others are methods.METHODS, too.
RULES = (
  'no_memory',
  'long_context',
  'rag_bm25',
  'rag_cosine',
  'rag_rrf',
  'rag_bm25_budget',
  'rag_cosine_budget',
  'rag_rrf_budget',
  'newest_words',
  'new_words',
  'keep_everything',
  'keep_newest',
  'random_inserts',
  'rule_insert',
  'rule_update',
  'oracle',
  'gold_evidence',
)
# Those that stand for a row of the paper's table 2, and the bounds.
FEW = (
  'no_memory',
  'long_context',
  'rag_bm25',
  'newest_words',
  'new_words',
  'keep_newest',
  'rule_insert',
  'oracle',
  'gold_evidence',
)
EVIDENCE = 'squad', 'hotpotqa'  # of printed.VALIDATION, where it is known
CHAT = ('overwrite', 'inner_state', 'endpoint_writer')
PARTS = tuple(f'policy_no_{p}' for p in ('core', 'semantic', 'episodic'))
# beta and gamma of the paper's tables 4 and 9, in its order.
GRID = ((0.05, 0.0), (0.0, 0.1), (0.05, 0.1), (0.2, 0.1), (0.4, 0.1))


class Column(NamedTuple):
  """Held-out episodes.

  Attributes:
    name: of the column; of a published set, as the paper prints it.
    fields: of the config, that differ where they are read.
    only: source of the episodes that count, '' for all.
    types: left out of the score, by type of question.
    lacks: systems that cannot read it.
    cells: name of the column whose cells these are, '' for its own.
  """

  name: str
  fields: Mapping[str, Any] = {}
  only: str = ''
  types: tuple[str, ...] = ()
  lacks: tuple[str, ...] = ()
  cells: str = ''

  @property
  def read_as(self) -> str:
    return self.cells or self.name


class Row(NamedTuple):
  """A line of a table: `system` of `run`, called `label`."""

  label: str
  run: str
  system: str


class Table(NamedTuple):
  rows: tuple[Row, ...]
  columns: tuple[Column, ...]


class Scale(NamedTuple):
  """All of a scale; `runs` are name -> config file and its fields."""

  runs: Mapping[str, str]
  tables: Mapping[str, Table]


def with_columns(scale: Scale, names: Sequence[str]) -> Scale:
  """The same with some columns alone.

  Raises:
    ValueError: for a name that no table has.
  """
  known = {c.name for table in scale.tables.values() for c in table.columns}
  if unknown := sorted(set(names) - known):
    raise ValueError(f'no column {unknown[0]!r}; use some of {sorted(known)}')
  tables = {
    name: table._replace(
      columns=tuple(c for c in table.columns if c.name in names)
    )
    for name, table in scale.tables.items()
  }
  return scale._replace(tables=tables)


def _babi(task: str, fields: Mapping[str, Any]) -> Column:
  source = {'data.source': 'babi', 'data.babi_tasks': (task,)}
  return Column(f'babi_{task}', {**source, **fields})


def _labels(name: str, fields: Mapping[str, Any]) -> Column:
  fields = {'data.source': name, **fields}
  return Column(name, fields, lacks=('gold_evidence',))


def _locomo(**fields: Any) -> tuple[Column, Column]:
  """All questions, and those that have an answer."""
  fields = {'data.source': 'locomo', **fields}
  # Nobody has written down what is to be remembered of the dialogues.
  whole = Column('locomo', fields, lacks=('oracle',))
  answered = whole._replace(
    name='locomo_1-4',
    types=('adversarial', 'adversarial_answered'),
    cells='locomo',
  )
  return whole, answered


def _rows(run: str, systems: tuple[str, ...]) -> tuple[Row, ...]:
  return tuple(Row(system, run, system) for system in systems)


def _grid(columns: tuple[Column, ...]) -> Table:
  rows = [Row(f'beta={b:g} gamma={g:g}', _grid_run(b, g), AFTER)
          for b, g in GRID]  # fmt: skip
  return Table(tuple(rows), columns)


def _grid_run(beta: float, gamma: float) -> str:
  return f'beta{beta:g}_gamma{gamma:g}'


def _grid_runs(config: str, joint: str) -> dict[str, str]:
  return {
    _grid_run(b, g): f'{config}{joint}reward.size={b},reward.content={g}'
    for b, g in GRID
  }


def _tables(
  trained: tuple[Column, ...],
  unseen: tuple[Column, ...],
  chat: tuple[str, ...],
  ood_run: str,
) -> dict[str, Table]:
  """The paper's tables over columns that a policy was trained for or not.

  Args:
    trained: columns whose kind the run 'mix' has seen.
    unseen: columns that `ood_run` has not.
    chat: baselines that ask a chat model.
    ood_run: the run of the table 'ood'.
  """
  ours = (BEFORE, AFTER)
  # The paper's gpt-4.1-mini: a larger model that is only prompted.
  prompted = chat[-1:]
  return {
    'main': Table(_rows('mix', (*RULES, *chat, *ours)), trained),
    'ood': Table(_rows(ood_run, (*FEW, *chat, *ours)), unseen),
    'rl': Table(_rows('mix', (BEFORE, *prompted, AFTER)), trained),
    'grid': _grid(trained),
    'grid_ood': _grid(unseen),
    'parts': Table(_rows('mix', (AFTER, *PARTS)), trained),
  }


def _tiny() -> Scale:
  """Real sets at hand; minutes of a laptop's CPU."""
  config = 'configs/paper/tiny.py'
  many = {'data.eval_episodes': 64}
  # A tiny policy reads 42 tokens at once, some 12 words of a dialogue.
  real = (
    *(_babi(task, many) for task in ('qa1', 'qa2', 'qa6')),
    *(
      _labels(name, many)
      for name in ('banking77', 'clinc150', 'trec_coarse', 'trec_fine')
    ),
    *_locomo(**{'data.turn_words': 12}),
  )
  world = 'configs/paper/tiny_world.py'
  silent = f'{world}:reward.noop=0.0'
  runs = {'mix': config, 'world': world, 'world_noop': silent}
  tables = _tables(real, real, (), 'world')
  # Where storing nothing is paid, a policy may store nothing of what is new.
  other = Row(f'{AFTER}, no-op unpaid', 'world_noop', AFTER)
  tables['ood'] = Table((*tables['ood'].rows, other), real)
  # What the mixture never showed.
  unseen = {'babi_qa2', 'trec_fine', 'locomo', 'locomo_1-4'}
  tables['grid_ood'] = _grid(tuple(c for c in real if c.name in unseen))
  return Scale({**runs, **_grid_runs(config, ':')}, tables)


def _smollm2() -> Scale:
  """The same sets with a real model as writer and reader; a day of two cores.

  Its chat model is asked for the baselines that need one.
  """
  config = 'configs/paper/smollm2.py'
  few = {'data.eval_episodes': 8}
  real = (
    *(_babi(task, few) for task in ('qa1', 'qa2', 'qa6')),
    *(
      _labels(name, few)
      for name in ('banking77', 'clinc150', 'trec_coarse', 'trec_fine')
    ),
    *_locomo(**{'data.turns': 0}),
  )
  runs = {'mix': config, 'world': 'configs/paper/smollm2_world.py'}
  tables = _tables(real, real, CHAT, 'world')
  return Scale({**runs, **_grid_runs(config, ':')}, tables)


def _qwen3_4b() -> Scale:
  """The paper's own sets and sizes."""
  config = 'configs/paper/qwen3_4b.py'
  lacks = 'oracle', 'gold_evidence'
  validation = tuple(
    Column(name, only=name, lacks=lacks[: 1 + (name not in EVIDENCE)])
    for name in printed.VALIDATION
  )
  fields = {'data.source': 'memoryagentbench'}
  bench = tuple(
    Column(name, fields, only=name, lacks=lacks) for name in printed.BENCH
  )
  tables = _tables(validation, bench, CHAT, 'mix')
  return Scale({'mix': config, **_grid_runs(config, ':')}, tables)


SCALES = {'tiny': _tiny, 'smollm2': _smollm2, 'qwen3_4b': _qwen3_4b}
