"""What a trained policy does with the notes about what a statement is about.

  python -m experiments.babi.upkeep --run=runs/qa2 [--episodes=48]

Validation stories. For statements of people and of things apart: how many
notes about it were there before the call and how many after it, and which call
it was. One note is right; a second is in the way of the strict reader. Writes
upkeep.json into the workdir.
"""

import collections
import pathlib

from absl import app, flags

from experiments import recorded
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.system import files
from mem_alpha_jax.text import words

_RUN = flags.DEFINE_string('run', 'runs/qa2', 'Workdir of a finished run.')
_EPISODES = flags.DEFINE_integer('episodes', 48, 'Validation stories.')


def about(state: state_lib.MemoryState, subject: str) -> int:
  """How many entries begin with a word."""
  entries = state_lib.entries(state)
  return sum(words.terms(e.text)[:1] == [subject] for e in entries)


def main(argv):
  del argv
  parts, params = recorded.opened(_RUN.value, _EPISODES.value)
  episodes = pipeline.eval_episodes(parts.config, 'validation')
  played, records = recorded.play(parts, params, episodes)
  marks = [a.scores[0] == 1.0 for r in records for a in r.answered]
  found = collections.defaultdict(collections.Counter)
  for episode, moments in zip(episodes, played, strict=True):
    notes = parts.oracle_notes(episode)
    for moment, told in zip(moments, notes, strict=True):
      for note in told:
        (subject,) = note.key
        person = words.terms(moment.piece)[:1] == [subject]
        states = moment.before, moment.after
        before, after = (about(state, subject) for state in states)
        calls = ' '.join(op.tool for op in moment.ops) or 'no call'
        name = f'{before} before, {after} after: {calls}'
        found['people' if person else 'things'][name] += 1
  result = {'wrong': marks.count(False), 'asked': len(marks), **found}
  files.write_json(pathlib.Path(_RUN.value) / 'upkeep.json', result)
  print(f'{result["wrong"]} of {result["asked"]} answers are wrong')
  for kind, counts in found.items():
    for name, n in counts.most_common():
      print(f'{kind}: {n:5} {n / counts.total():.0%}  {name}')


if __name__ == '__main__':
  app.run(main)
