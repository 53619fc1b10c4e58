"""The registry of sources: a new one is a file with SOURCES, and a line."""

import fnmatch
import importlib

import ml_collections

from mem_alpha_jax.data.source import Source
from mem_alpha_jax.reward import scoring
from mem_alpha_jax.types import ERRATUM

# Modules of this folder; the first pattern that fits a name counts.
_MODULES = """
  synthetic babi squad hotpotqa perltqa lme_train booksum labelled locomo
  worlds.traps worlds.home worlds.conflict worlds.workflow
  longmemeval prepared parquet_sets memoryagentbench jsonl realmem memorybank
  medmemorybench prefeval alfworld scienceworld personamem longmemeval_v2
  beam egomemreason
"""
SOURCES: dict[str, Source] = {
  source.name: source
  for name in _MODULES.split()
  for source in importlib.import_module(f'{__package__}.{name}').SOURCES
}


def find(name: str) -> Source | None:
  """The source of an episode by its name, or the first pattern that fits."""
  if name in SOURCES:
    return SOURCES[name]
  fits = (s for p, s in SOURCES.items() if fnmatch.fnmatchcase(name, p))
  return next(fits, None)


def of(name: str) -> Source:
  """The same; ValueError if there is none."""
  if source := find(name):
    return source
  raise ValueError(f'no source {name!r}; add it to data/sources.py')


def of_run(field: str, joined: str) -> list[Source]:
  """Sources of data.source='babi+trec_coarse'; ValueError unless all differ."""
  names = joined.split('+')
  known = [name for name, source in SOURCES.items() if source.episodes]
  if not set(names) <= set(known) or len(set(names)) < len(names):
    raise ValueError(
      f"config.{field}={joined!r}: use one of {known}, or several with '+' "
      'between them'
    )
  return [SOURCES[name] for name in names]


def check(config: ml_collections.ConfigDict) -> None:
  """Checks what a config says of sources; files are not read.

  Raises:
    ValueError: names the field, its value and the way out.
    FileNotFoundError: a file that a source must have is not there.
  """
  joined, lengths = config.data.source, tuple(config.eval.lengths)
  mine = of_run('data.source', joined)
  if config.tokenizer.source:
    of_run('tokenizer.source', config.tokenizer.source)
  if lengths != (1,) and not all(source.any_length for source in mine):
    raise ValueError(
      f'config.eval.lengths={lengths}: stories of data.source={joined!r} have '
      'the length they have; use (1,)'
    )
  for source in mine:
    source.check(config)
    if source.alone and len(mine) > 1:
      raise ValueError(
        f'config.data.source={joined!r}: {source.name!r} has a reader of its '
        'own; join others, or use it alone'
      )


def rule_of(name: str, reader: str, kind: str = '', judge: bool = False) -> str:
  """The rule for the answers of a reader to a question of an episode.

  Args:
    judge: whether a judge is at hand; the rule may then be scoring.JUDGE.

  Raises:
    ValueError: for an unknown source.
  """
  source, kind = of(name), kind.removesuffix(ERRATUM)
  if judge and source.judged and kind not in source.rules:
    return scoring.JUDGE
  return scoring.rule_for(source.rules.get(kind, source.rule), reader, kind)
