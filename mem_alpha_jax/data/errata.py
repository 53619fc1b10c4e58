"""Golds that are known to be wrong: a list a data set, by id, with reasons.

assets/errata/<data set>.json has, by the id of a question, the digest of its
published gold (of LoCoMo, of question and gold), so that one which its
publisher corrects is not marked; what must have been said, where not all files
have it; and why. The type of a marked question ends with ERRATUM, so that
tables show the published golds with them and without; data.errata='dropped'
asks the others alone.
"""

import functools
import pathlib
from collections.abc import Iterable, Sequence

from mem_alpha_jax.data import content, rows
from mem_alpha_jax.data.source import Made
from mem_alpha_jax.types import ERRATUM, Episode

MARKED = 'golds that are known to be wrong, marked'  # what readers report
_FOLDER = pathlib.Path(__file__).parents[1] / 'assets' / 'errata'


class _Erratum(rows.Row):
  digest: str  # its first characters
  reason: str
  said: str = ''


def marked(
  source: str, key: str, gold: str, kind: str, turns: Iterable[str] = ()
) -> str:
  """The type of a question, marked if its gold is on the list.

  Args:
    source: data set that has a list.
    key: id of the question.
    gold: the text whose digest the list has.
    kind: the type.
    turns: texts of the history, where an entry needs that something was said.
  """
  found = _list(source).get(key)
  if not found or not content.digest(gold).hex().startswith(found.digest):
    return kind
  there = not found.said or any(found.said in turn for turn in turns)
  return kind + ERRATUM if there else kind


def without(episodes: Sequence[Episode]) -> Sequence[Episode]:
  """The same without questions that are marked."""
  return Made(lambda i: _asked(episodes[i]), len(episodes))


def _asked(episode: Episode) -> Episode:
  kept = (q for q in episode.questions if not q.type.endswith(ERRATUM))
  return episode._replace(questions=tuple(kept))


@functools.cache
def _list(source: str) -> dict[str, _Erratum]:
  path = _FOLDER / f'{source}.json'
  return rows.whole(path, dict[str, _Erratum], 'the package')
