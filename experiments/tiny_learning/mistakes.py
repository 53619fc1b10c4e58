"""Why answers of a trained policy are wrong, by the call that lost the fact.

  python -m experiments.tiny_learning.mistakes --run=runs/tiny --multiple=64

Each wrong answer of the strict reader about a fact is put down to what the
policy did when the fact was told, or after. Writes mistakes_<multiple>x.json
into the workdir (with what is held out, if not pairs) and prints the counts and
ten examples.
"""

import collections
import functools
import pathlib
from collections.abc import Callable

from absl import app, flags

from experiments import recorded
from experiments.recorded import Moment
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import writers
from mem_alpha_jax.system import files
from mem_alpha_jax.text import words
from mem_alpha_jax.types import Note, Request

_RUN = flags.DEFINE_string('run', 'runs/tiny', 'Workdir of a finished run.')
_MULTIPLE = flags.DEFINE_integer('multiple', 64, 'Length, in train lengths.')
_EPISODES = flags.DEFINE_integer('episodes', 16, 'Test episodes.')
_ARG = flags.DEFINE_string('arg', '', 'Config overrides, field=value,...')
_HELD_OUT = flags.DEFINE_enum(
  'held_out', 'pairs', ('pairs', 'templates', 'words'), 'Which test episodes.'
)
_EXAMPLES = flags.DEFINE_integer('examples', 10, 'Mistakes to print.')


def hearing(reader, question) -> Callable[[str, str], str]:
  """(kind, text) -> what the reader says to a question from that note alone."""

  @functools.cache
  def heard(kind: str, text: str) -> str:
    (said,) = reader([Request(question.text, (Note(kind, text, 0),), '')])
    return said

  return heard


def cause(moments: list[Moment], others, question, heard) -> tuple[str, Moment]:
  """What lost a fact, and when.

  Args:
    moments: from the one that tells it to the last that its gold holds for.
    others: the other facts of what was read with it.
    heard: `hearing` of the question.
  """
  now = moments[0]
  answer = {*words.terms(question.answer)}
  holds = lambda said: answer <= {*words.terms(said)}
  about = lambda state: {
    e: heard(e.kind, e.text)
    for e in state_lib.entries(state)
    if heard(e.kind, e.text)
  }
  old, new = about(now.before), about(now.after)
  stale = [e for e, said in new.items() if not holds(said)]
  if len(stale) == len(new):  # none is right
    return _unsaid(now, others, lambda *note: holds(heard(*note))), now
  if not stale:
    return _later(moments, lambda state: [*map(holds, about(state).values())])
  shown = [i for i, e in enumerate(now.view, 1) if e in old]
  if not shown:
    return 'inserted, the old note not in view', now
  if any(op.tool == 'update' for op in now.ops) and len(stale) < len(old):
    return 'updated one of several old notes', now
  if any(op.tool == 'update' for op in now.ops):
    return 'updated the note of another fact', now
  return f'inserted beside the old note at <{shown[0]}>', now


def _unsaid(now: Moment, others, right) -> str:
  failed = [r.error for r in now.results if not r.ok]
  if failed:
    return f'the call was refused: {failed[0]}'
  made = {*state_lib.entries(now.after)} - {*state_lib.entries(now.before)}
  if any(writers.same_fact(e, note) for e in made for note in others):
    return 'noted another fact of the chunk'
  if any(right(kind, e.text) for e in made for kind in state_lib.LISTS):
    return 'noted as another kind'
  return 'stored other words' if now.ops else 'no call'


def _later(moments, marks) -> tuple[str, Moment]:
  now = moments[0]
  for now in moments[1:]:
    found = marks(now.after)
    if not any(found):
      return 'a later call destroyed it', now
    if not all(found):
      return 'a later call contradicts it', now
  return 'the note is there, and was not read', now


def main(argv):
  del argv
  workdir = _RUN.value
  parts, params = recorded.opened(workdir, _EPISODES.value, _ARG.value)
  episodes = pipeline.eval_episodes(
    parts.config, 'test', _MULTIPLE.value, _HELD_OUT.value
  )
  played, records = recorded.play(parts, params, episodes)
  causes, wrong, asked = (collections.Counter() for _ in range(3))
  examples = []
  for i, (episode, record) in enumerate(zip(episodes, records, strict=True)):
    notes = parts.oracle_notes(episode)
    for a in record.answered:
      question = episode.questions[a.index]
      asked[question.type] += 1
      if a.scores[0] == 1.0:
        continue
      answer = {*words.terms(question.answer)}
      told = [
        n for n in notes[question.first] if answer <= {*words.terms(n.text)}
      ]
      asked_of = {*words.terms(question.text)}  # two may have one value
      note = max(told, key=lambda n: len({*n.key} & asked_of))
      span = range(question.first, question.last + 1)
      lived = [m for m in played[i] if m.at in span]
      alone = (episode._replace(chunks=(m.piece,)) for m in lived)
      facts = [parts.oracle_notes(one)[0] for one in alone]
      start = next(k for k, some in enumerate(facts) if note in some)
      others = [n for n in facts[start] if n != note]
      heard = hearing(parts.readers[0], question)
      why, now = cause(lived[start:], others, question, heard)
      causes[why] += 1
      wrong[question.type] += 1
      examples.append(
        {
          'why': why,
          'question': question.text,
          'gold': question.answer,
          'said': a.answers[0],
          'chunk': now.piece,
          'view': [e and e.text for e in now.view],
          'calls': [(op.tool, op.kind, op.text) for op in now.ops],
        }
      )
  found = {
    'asked': asked,
    'wrong': wrong,
    'causes': causes,
    'examples': examples[:: max(len(examples) // 10, 1)],
  }
  which = '' if _HELD_OUT.value == 'pairs' else f'_{_HELD_OUT.value}'
  path = pathlib.Path(workdir) / f'mistakes_{_MULTIPLE.value}x{which}.json'
  files.write_json(path, found)
  print(f'{len(examples)} of {asked.total()} answers are wrong')
  for kind, n in asked.items():
    print(f'{kind}: {1 - wrong[kind] / n:.3f} of {n}')
  for why, n in causes.most_common():
    print(f'{n:5} {n / len(examples):.0%}  {why}')
  for example in found['examples'][: _EXAMPLES.value]:
    print(example)


if __name__ == '__main__':
  app.run(main)
