"""What the same policy learns if it is shown, and where RL's differs.

  python -m experiments.tiny_learning.imitation --run=runs/varied_report_seed0

From the policy before RL, with the same prompts: supervised updates on the
calls of the oracle, which knows the facts of a chunk, on worlds of training as
long as old memories are (6x), and longer (40x). Not a recipe but a ceiling:
what prompts and size of the policy allow. Then both policies call beside
memories that the oracle has written, and the calls are compared with the
oracle's by tool and place. Writes imitation.json into the workdir.
"""

import collections
import pathlib
from collections.abc import Iterator

import numpy as np
from absl import app, flags

from mem_alpha_jax.config import command
from mem_alpha_jax.data import pipeline
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.memory import notations
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import memory, policy, protocol, writers
from mem_alpha_jax.report import tables
from mem_alpha_jax.roles import writer
from mem_alpha_jax.rollout import play, warm_start
from mem_alpha_jax.run import build, parameters
from mem_alpha_jax.system import files
from mem_alpha_jax.types import Turn, Written

_RUN = flags.DEFINE_string('run', 'runs/varied', 'Workdir of a finished run.')
_STEPS = flags.DEFINE_integer('steps', 900, 'Supervised updates.')
_BATCH = flags.DEFINE_integer('batch', 96, 'Turns of an update.')
_RATE = flags.DEFINE_float('learning_rate', 1e-3, 'At its peak.')
# Multiple of the train length -> streams that are shown, and that are asked.
SHOWN, ASKED = {6: 400, 40: 60}, {6: 60, 40: 9}


def oracle_turns(parts, multiple: int, first: int, count: int) -> list:
  """(turn, calls of the oracle) of `count` training streams from `first` on."""
  config = parts.config.copy_and_resolve_references().unlock()
  config.data.train_chunks *= multiple
  source = pipeline.make_source(config, 'train')
  episodes = [source[i] for i in range(first, first + count)]
  given = protocol.Given(parts, parts.config, None, episodes, range(count))
  found, rng = [], np.random.default_rng(0)  # of no use to the oracle

  def write(memories, chunks, views, t):
    written = []
    for i, chunk in enumerate(chunks):
      ops = ()
      if chunk is not None:
        alone = episodes[i]._replace(chunks=(chunk,))
        sees = chunk, views[i], memories.limits(i), given.count, rng
        seen = writers.Seen(
          memories.states[i], *sees, parts.oracle_notes(alone)[0]
        )
        ops = tuple(writers.oracle(seen))
        blank = state_lib.empty()
        found.append((Turn('writer', chunk, state=blank, view=views[i]), ops))
      written.append(Written(ops, noop=not ops))
    return written

  embed = parts.eval_setup.embed(None)
  method = memory.MemoryMethod(write, given, embed=embed, cut=policy.cut(given))
  for t in range(config.data.train_chunks):
    method.observe([episode.chunks[t] for episode in episodes])
  return found


def batches(setup, shown: list) -> Iterator:
  """Endless batches of what the oracle says to turns."""
  notation = notations.NOTATIONS[setup.config.memory.prompt_format]
  room = setup.config.rollout.response_buckets[-1] - 1
  rng, tok = np.random.default_rng(setup.config.seed), setup.tokenizer
  while True:
    some = [shown[i] for i in rng.integers(len(shown), size=_BATCH.value)]
    said = []
    for turn, ops in some:
      ids = []
      for op in ops:
        more = notation.encode(tok, op, turn.view)
        ids += more if not ids or len(ids) + len(more) <= room else []
      said.append([ids or notation.nothing(tok)])
    _, prompts = play.show(setup, [turn for turn, _ in some])
    yield warm_start.rows(setup, play.pad(setup, prompts), said)


def call(ops, view) -> str:
  """The first call: insert, none, or update and delete by place of view."""
  if not ops:
    return 'none'
  if ops[0].tool == 'insert':
    return 'insert'
  places = [i for i, e in enumerate(view, 1) if e and e.id == ops[0].entry_id]
  return f'{ops[0].tool} {places[0]}'


def compared(parts, params, asked: list) -> dict[str, dict[str, int]]:
  """How often the policy calls what, by what the oracle calls."""
  table, setup = collections.defaultdict(collections.Counter), parts.eval_setup
  for start in range(0, len(asked), 128):
    some = asked[start : start + 128]
    replies = play.respond(setup, params, [turn for turn, _ in some])
    for (turn, ops), (_, ids, _) in zip(some, replies, strict=True):
      said = writer.read(setup, ids, turn.view).ops
      table[call(ops, turn.view)][call(said, turn.view)] += 1
  return {key: dict(row.most_common()) for key, row in sorted(table.items())}


def main(argv):
  del argv
  workdir = _RUN.value
  parts = build.build(command.of_workdir(workdir), workdir)
  trained = parameters.saved_params(parts, workdir)
  shown, asked = [], {}
  for multiple, count in SHOWN.items():
    shown += oracle_turns(parts, multiple, 0, count)
    asked[multiple] = oracle_turns(parts, multiple, count, ASKED[multiple])
  setup = parts.train_setup
  with setup.config.unlocked():
    setup.config.warm_start.learning_rate = _RATE.value
    setup.config.warm_start.prompt_loss = 0.0
  said = lambda step, loss: step % 100 or print(step, f'{float(loss):.3f}')
  params = warm_start.train(
    setup,
    parts.policy,
    parameters.start_params(parts, workdir),
    batches(setup, shown),
    said,
    _STEPS.value,
  )
  arms, _ = held_out.at_lengths(
    'policy', parts, params, held_out.lengths(parts.config, 'test'), print
  )
  found = {
    'turns shown': len(shown),
    'imitation': arms,
    'calls': {
      name: {m: compared(parts, some, asked[m]) for m in asked}
      for name, some in (('imitation', params), ('run', trained))
    },
  }
  files.write_json(pathlib.Path(workdir) / 'imitation.json', found)
  rows = [
    (name, f'{m}x', key, str(row))
    for name, by_length in found['calls'].items()
    for m, table in by_length.items()
    for key, row in table.items()
  ]
  print(tables.grid(('policy', 'memories', 'oracle calls', 'it calls'), rows))


if __name__ == '__main__':
  app.run(main)
