"""The numbers that Mem-alpha printed (arXiv 2509.25911), and their averages.

Tables 1 to 4 and 9: performance of each source and memory in thousands of
tokens, as printed, with the average that is printed beside them. `check` says
which of those averages are the mean of their columns.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

VALIDATION = (
  'squad', 'hotpotqa', 'perltqa', 'trec_coarse', 'nlu', 'pubmed-rct', 'booksum',
)  # fmt: skip
BENCH = (
  'ruler_qa1_197K', 'ruler_qa2_421K', 'longmemeval_s*',
  'icl_trec_coarse_6600shot_balance', 'icl_nlu_8296shot_balance',
  'icl_trec_fine_6400shot_balance', 'icl_clinic150_7050shot_balance',
  'icl_banking77_5900shot_balance', 'infbench_sum_eng_shots2',
)  # fmt: skip


class Row(NamedTuple):
  """One system: a number a source, and the printed average."""

  scores: tuple[float, ...]
  average: float
  memory: tuple[float, ...] = ()  # thousands of tokens
  memory_average: float | None = None


class Table(NamedTuple):
  title: str
  sources: tuple[str, ...]
  rows: Mapping[str, Row]


def _row(scores: str, memory: str = '') -> Row:
  """Numbers as printed, the average last."""
  *columns, average = map(float, scores.split())
  *sizes, mean = map(float, memory.split()) if memory else (None,)
  return Row(tuple(columns), average, tuple(sizes), mean)


_FULL = {
  'Mem-alpha': _row(
    '.786 .832 .659 .666 .658 .545 .187 .642',
    '10.1 8.7 11.2 4.0 6.5 12.3 2.2 7.9',
  )
}
_FULL_BENCH = _row(
  '.740 .680 .520 .710 .710 .410 .730 .700 .129 .592',
  '160 323 127 120 142 123 18 133 19 129',
)
TABLES = {
  'main': Table(
    'Table 1: validation',
    VALIDATION,
    {
      'Long-Context': _row(
        '.742 .852 .605 .623 .708 .533 .052 .588',
        '10.6 9.7 13.1 3.9 6.1 16.7 15.4 10.8',
      ),
      'RAG-Top2': _row(
        '.762 .849 .623 .612 .508 .570 .042 .567',
        '10.6 9.7 16.7 3.9 6.1 16.7 15.6 11.3',
      ),
      'MemAgent': _row(
        '.091 .140 .052 .562 .290 .343 .103 .236',
        '0.79 0.76 0.29 1.24 0.99 0.94 0.59 0.84',
      ),
      'MEM1': _row(
        '.039 .083 .068 .269 .056 .175 .085 .111',
        '0.16 0.22 0.14 0.23 0.22 0.08 0.16 0.17',
      ),
      **_FULL,
    },
  ),
  'ood': Table(
    'Table 2: MemoryAgentBench',
    BENCH,
    {
      'Long-Context': _row(
        '.280 .270 .292 .640 .740 .340 .860 .770 .125 .461',
        '33 33 33 33 33 33 33 33 33 33',
      ),
      'RAG-Top2': _row(
        '.690 .450 .581 .690 .650 .210 .700 .750 .065 .502',
        '217 474 348 124 134 126 131 128 181 207',
      ),
      'MemAgent': _row(
        '.070 .160 .050 .370 .260 .210 .250 .370 .043 .198',
        '1.02 1.02 0.56 1.02 1.02 0.77 1.02 1.02 0.73 0.92',
      ),
      'MEM1': _row(
        '.070 .180 .090 .180 .000 .000 .090 .000 .029 .071',
        '0.30 0.38 0.22 0.16 0.11 0.13 0.28 0.11 0.19 0.21',
      ),
      'Mem-alpha': _FULL_BENCH,
    },
  ),
  'rl': Table(
    'Table 3: effect of RL, validation',
    VALIDATION,
    {
      'Qwen3-4B': _row(
        '.338 .637 .557 .416 .381 .281 .130 .389',
        '3.3 4.8 9.0 2.3 2.9 4.4 0.9 3.9',
      ),
      'gpt-4.1-mini': _row(
        '.426 .749 .492 .637 .519 .544 .246 .517',
        '3.8 4.9 3.7 3.4 5.9 10.6 1.5 4.8',
      ),
      **_FULL,
    },
  ),
  'grid': Table(
    'Table 4: weights of compression (beta) and content (gamma), validation',
    VALIDATION,
    {
      'beta=0.05 gamma=0': _row(
        '.701 .802 .652 .423 .542 .501 .183 .543',
        '9.2 8.2 10.8 3.0 3.5 11.0 4.9 7.5',
      ),
      'beta=0 gamma=0.1': _row(
        '.817 .853 .678 .605 .629 .572 .183 .630',
        '9.7 8.1 11.7 3.7 5.4 12.5 4.5 7.9',
      ),
      'beta=0.05 gamma=0.1': _FULL['Mem-alpha'],
      'beta=0.2 gamma=0.1': _row(
        '.822 .838 .615 .558 .176 .401 .193 .525',
        '9.8 7.8 10.4 0.4 0.8 0.4 3.0 4.7',
      ),
      'beta=0.4 gamma=0.1': _row(
        '.691 .810 .533 .475 .405 .455 .201 .509',
        '8.8 8.1 5.2 0.7 1.4 1.3 1.5 3.6',
      ),
    },
  ),
  'grid_ood': Table(
    'Table 9: the same weights, MemoryAgentBench',
    BENCH,
    {
      'beta=0.05 gamma=0': _row(
        '.420 .340 .527 .480 .640 .200 .720 .550 .108 .445',
        '86 123 159 75 100 65 20 97 54 87',
      ),
      'beta=0 gamma=0.1': _row(
        '.770 .610 .387 .690 .730 .370 .780 .770 .109 .580',
        '160 362 47 124 113 127 47 119 41 127',
      ),
      'beta=0.05 gamma=0.1': _FULL_BENCH,
      'beta=0.2 gamma=0.1': _row(
        '.710 .730 .367 .810 .270 .280 .140 .020 .113 .351',
        '160 344 139 3 3 3 1 5 118 87',
      ),
      'beta=0.4 gamma=0.1': _row(
        '.590 .610 .453 .500 .360 .190 .170 .380 .119 .375',
        '138 312 27 1 1 1 2 1 16 55',
      ),
    },
  ),
}
FORMULA = 'macro = (1/S) sum_s mean score of source s'


def macro(scores: Sequence[float]) -> float:
  """Mean over sources, each counting the same: FORMULA."""
  return sum(scores) / len(scores)


def check(table: Table) -> dict[str, tuple[float, float, bool]]:
  """Each row's printed average, the mean of its columns, and if they agree.

  They agree if the mean of the printed columns, each of which may be off by
  half of its last digit, can be rounded to the printed average.
  """
  found = {}
  for name, row in table.rows.items():
    mean = macro(row.scores)
    found[name] = row.average, mean, abs(mean - row.average) <= 0.001 + 1e-9
  return found
