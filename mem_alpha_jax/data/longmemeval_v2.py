"""LongMemEval-V2: what an agent learns of the sites that it works on.

arXiv 2605.12493, https://huggingface.co/datasets/xiaowu0162/longmemeval-v2:
questions.jsonl, trajectories.jsonl and haystacks/lme_v2_<tier>.json in
<root>/longmemeval_v2. An episode is a haystack with its questions, a session a
trajectory, a turn a state with its page in text; screenshots are left out.
"""

import collections
import pathlib
from typing import Annotated, Any, Literal

import pydantic

from mem_alpha_jax.data import rows, sessions
from mem_alpha_jax.data.source import Source
from mem_alpha_jax.types import Episode, Question

SOURCE = 'longmemeval_v2'
_PUBLISHER = 'https://huggingface.co/datasets/xiaowu0162/longmemeval-v2'
# Those that end with -abs take something for granted that is not so; the golds
# say what. To say that one does not know is wrong (reading.judge).
_TYPES = (
  'static-environment', 'static-environment-abs', 'dynamic-environment',
  'dynamic-environment-abs', 'procedure', 'procedure-abs', 'errors-gotchas',
)  # fmt: skip
# How a question is scored, of which a judge does the others -> what the type
# of such a question ends with, and its rule. Of phrases the share that is
# said counts here, where the published score asks for all.
_SCORED = {
  'mc_choice_match': ('_choice', 'choice'),
  'mc_choice_set_match': ('_choice', 'choice'),
  'norm_phrase_set_match': ('_phrases', 'comma_keywords'),
  'norm_phrase_set_match_ordered': ('_phrases', 'comma_keywords'),
  'llm_abstention_checker': ('', ''),
  'llm_gotchas_checker': ('', ''),
}


class _Question(rows.Row):
  id: str
  question_type: Literal[_TYPES]
  question: str
  answer: Any
  eval_function: str  # and after a | its arguments
  image: str | None = None

  @pydantic.field_validator('eval_function')
  @classmethod
  def _known(cls, value: str) -> str:
    name = value.split('|')[0].strip()
    if name not in _SCORED:
      raise ValueError(f'expected one of {[*_SCORED]}')
    return name


class _State(rows.Row):
  url: str = ''
  thought: str | None = None
  action: str | None = None
  accessibility_tree: str = ''


class _Trajectory(rows.Row):
  id: str
  goal: str
  start_url: str = ''
  outcome: str | None = None
  states: Annotated[list[_State], pydantic.Field(min_length=1)]


def load(haystack: pathlib.Path, turns: int, words: int) -> list[Episode]:
  """Reads the haystacks of a tier, with what is two folders above.

  Raises:
    FileNotFoundError: one of the three files is not there.
    ValueError: one is not of LongMemEval-V2 (names file, line and field).
  """
  folder = haystack.parent.parent
  of = rows.whole(haystack, dict[str, list[str]], _PUBLISHER)
  left = collections.Counter()
  asked = collections.defaultdict(list)
  path = folder / 'questions.jsonl'
  for where, question in rows.json_lines(path, _Question, _PUBLISHER):
    if question.id not in of:
      raise ValueError(f'{where}: {haystack.name} has no {question.id!r}')
    left['images of questions left out'] += question.image is not None
    asked[tuple(of[question.id])].append(question)
  wanted = {key for keys in asked for key in keys}
  path = folder / 'trajectories.jsonl'
  read = {
    trajectory.id: _session(trajectory)
    for _, trajectory in rows.json_lines(path, _Trajectory, _PUBLISHER)
    if trajectory.id in wanted
  }
  if missing := wanted - read.keys():
    raise ValueError(f'{path}: no trajectory {min(missing)!r}')
  found = []
  for keys, questions in asked.items():
    laid = sessions.lay_out([read[key] for key in keys], turns, words)
    last = len(laid.chunks) - 1
    about = tuple(_question(q, last) for q in questions)
    found.append(Episode(len(found), SOURCE, laid.chunks, about, laid.sizes))
  rows.report(str(haystack), f'{len(found)} haystacks', left)
  return found


def _session(trajectory: _Trajectory) -> sessions.Session:
  said = [f'Goal: {trajectory.goal}\nStart: {trajectory.start_url}']
  for state in trajectory.states:
    parts = {
      'Page': state.url,
      'Thought': state.thought,
      'Action': state.action,
      'Content': state.accessibility_tree,
    }
    lines = (f'{name}: {text}' for name, text in parts.items() if text)
    said.append('\n'.join(lines))
  if trajectory.outcome:
    said.append(f'Outcome: {trajectory.outcome}')
  return sessions.Session('', said)


def _question(row: _Question, last: int) -> Question:
  several = row.answer if isinstance(row.answer, list) else [row.answer]
  kind = row.question_type + _SCORED[row.eval_function][0]
  gold = '; '.join(map(str, several))
  return Question(row.question.strip(), gold, kind, last, last)


def _episodes(config, split: str) -> list[Episode]:
  del split
  d = config.data
  folder = f'{SOURCE}/haystacks'
  paths = rows.files(d.root, folder, '*.json', _PUBLISHER, d.file)
  if len(paths) > 1:
    raise ValueError(
      f'config.data.file={d.file!r}: {len(paths)} tiers in {paths[0].parent}; '
      'name one of the files'
    )
  return load(paths[0], d.turns, d.turn_words)


SOURCES = (
  Source(
    SOURCE,
    rule='contains',
    episodes=_episodes,
    splits=('test',),
    rules={
      kind + end: rule
      for kind in _TYPES
      for end, rule in _SCORED.values()
      if rule
    },
    judged=True,
  ),
)
