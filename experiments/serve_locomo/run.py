"""A dialogue of LoCoMo added turn by turn over REST, and offline, compared.

  python -m experiments.serve_locomo.run [--turns=40] [--dialogue=26]
    [--run=runs/smollm2] [--root=../shared/data]

The same policy and reader, once as a service that is sent each turn and each
question, once as an evaluation that reads the same chunks (methods/policy.py,
evaluation/loop.py). SmolLM2 writes and reads, as it comes unless --run names a
workdir. Writes results.json, without a word of the dialogue.
"""

import argparse
import json
import pathlib
import tempfile
from typing import Any, NamedTuple

import numpy as np
from fastapi.testclient import TestClient

from experiments import results
from mem_alpha_jax.data import locomo
from mem_alpha_jax.evaluation import held_out, loop
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import policy
from mem_alpha_jax.methods.protocol import Given
from mem_alpha_jax.reward import scoring
from mem_alpha_jax.serve import model as model_lib
from mem_alpha_jax.serve import rest
from mem_alpha_jax.serve.memory import Memory
from mem_alpha_jax.serve.service import Service
from mem_alpha_jax.serve.store import Store
from mem_alpha_jax.system import files, machine
from mem_alpha_jax.types import Episode, Question

AS_IT_COMES = 'warm_start.steps=0,lora.rank=0'  # of configs/smollm2.py
LIMITS = rest.Limits(per_second=1e9, burst=1e9)


class Outcome(NamedTuple):
  """What one way of reading a dialogue leads to."""

  notes: list  # (kind, text) at the end
  answers: list  # of the questions
  scores: list  # of the answers


def cut(dialogue: locomo.Dialogue, turns: int) -> locomo.Dialogue:
  """Its first turns, and the questions whose evidence they hold; 0: all."""
  if not turns:
    return dialogue
  kept = dialogue.turns[:turns]
  known = {turn.id for turn in kept}
  asked = [
    q for q in dialogue.questions if q.evidence and known >= {*q.evidence}
  ]
  return dialogue._replace(turns=kept, questions=tuple(asked))


def message(turn: locomo.Turn) -> dict[str, str]:
  return {'role': turn.speaker, 'content': turn.text}


def episode(dialogue: locomo.Dialogue, serving: model_lib.Model) -> Episode:
  """The chunks that the service makes of the turns; questions at the end."""
  chunks = [
    chunk
    for turn in dialogue.turns
    for chunk in serving.chunks([message(turn)], turn.date)
  ]
  last = len(chunks) - 1
  asked = [
    Question(q.text, q.answer, q.category, first=last, last=last)
    for q in dialogue.questions
  ]
  return Episode(dialogue.uid, locomo.SOURCE, chunks, tuple(asked))


def offline(parts: Any, params: Any, one: Episode) -> Outcome:
  """As every evaluation reads and asks."""
  given = Given(parts, parts.config, params, [one], range(1))
  method = policy.method(given)
  panel = loop.panel(parts, [parts.eval_setup.reader])
  found = loop.run(method, [one], [held_out.ending(one)], panel).records[0]
  notes = state_lib.entries(method.memories.states[0])
  return Outcome(
    [(note.kind, note.text) for note in notes],
    [a.answers[0] for a in found.answered],
    [a.scores[0] for a in found.answered],
  )


def over_rest(
  service: Service, parts: Any, dialogue: locomo.Dialogue, one: Episode
) -> Outcome:
  """A request a turn and a request a question."""
  key = service.store.make_key('locomo', [str(one.uid)], True)
  client = TestClient(
    rest.make(service, LIMITS), headers={'Authorization': f'Bearer {key}'}
  )

  def send(path: str, **body: Any) -> Any:
    where = f'/v1/namespaces/{one.uid}/{path}'
    return client.post(where, json=body).raise_for_status().json()

  for turn in dialogue.turns:
    send('memories', messages=[message(turn)], time=turn.date)
  answers = [send('answer', question=q.text)['answer'] for q in one.questions]
  panel = loop.panel(parts, [])
  asked = [
    scoring.Asked(question, answer, panel.rule(one, question))
    for question, answer in zip(one.questions, answers, strict=True)
  ]
  notes = [
    (note['kind'], note['text'])
    for note in Memory(service, str(one.uid)).all()
    if note['kind'] in state_lib.LISTS
  ]
  return Outcome(notes, answers, scoring.score_all(asked, parts.judge))


def compare(
  parts: Any, params: Any, dialogue: locomo.Dialogue
) -> tuple[dict, Outcome, Outcome]:
  """Counts and scores of both ways, and the ways themselves."""
  serving = model_lib.Model(parts, params, batch=1)
  one = episode(dialogue, serving)
  evaluated = offline(parts, params, one)
  with tempfile.TemporaryDirectory() as folder:
    service = Service(Store(f'{folder}/m.db'), serving)
    served = over_rest(service, parts, dialogue, one)
    service.close()
  mean = lambda row: float(np.mean([s for s in row if s is not None]))
  pairs = zip(served.answers, evaluated.answers, strict=True)
  counts = {
    'turns': len(dialogue.turns),
    'chunks': len(one.chunks),
    'questions': len(one.questions),
    'notes': len(served.notes),
    'same_notes': served.notes == evaluated.notes,
    'same_answers': sum(ours == theirs for ours, theirs in pairs),
    'score_over_rest': mean(served.scores),
    'score_offline': mean(evaluated.scores),
  }
  return counts, served, evaluated


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--turns', type=int, default=0, help='0: all')
  parser.add_argument('--dialogue', type=int, default=26)
  parser.add_argument('--run', default='configs/smollm2.py')
  parser.add_argument('--root', default='../shared/data')
  default = pathlib.Path(__file__).with_name('results.json')
  parser.add_argument('--out', type=pathlib.Path, default=default)
  options = results.parse(parser)
  fields = f'data.source=locomo,data.root={options.root}'
  if options.run.endswith('.py'):
    fields += f',{AS_IT_COMES}'
  machine.use_compilation_cache()
  parts, params = model_lib.open_run(options.run, fields)
  (dialogue,) = [
    d for d in locomo.load(options.root) if d.uid == options.dialogue
  ]
  found, *_ = compare(parts, params, cut(dialogue, options.turns))
  found |= {'run': options.run, 'versions': machine.versions()}
  files.write_json(options.out, found)
  print(json.dumps(found, indent=2))


if __name__ == '__main__':
  main()
