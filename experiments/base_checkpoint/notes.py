"""Whether the notes of a base checkpoint are of one sentence each.

  python -m experiments.base_checkpoint.notes --config=configs/varied.py

Samples eight responses to every chunk of the validation episodes beside random
notes, as in its demonstrations, and prints by the number of sentences: calls a
response, and the shares of notes whose words are all of the chunk, and all of
one of its sentences.
"""

import collections
import tempfile

import numpy as np
from absl import app
from ml_collections import config_flags

from mem_alpha_jax.data import pipeline
from mem_alpha_jax.report import tables
from mem_alpha_jax.roles import writer
from mem_alpha_jax.rollout import forced_calls, play, warm_start
from mem_alpha_jax.run import build, parameters
from mem_alpha_jax.text import english, words

_CONFIG = config_flags.DEFINE_config_file('config', 'configs/varied.py')
WIDTH, TURNS = 8, 64  # responses to a chunk, chunks at once


def responses(parts, params, turns):
  """(turn, what was said to it) of sampled responses."""
  setup = parts.train_setup
  turns, shown = play.show(setup, turns)
  n, notation = len(turns), setup.config.memory.prompt_format
  keys = play.row_keys(
    setup.key,
    0,
    np.repeat([turn.index for turn in turns], WIDTH),
    np.tile(np.arange(WIDTH), n),
    0,
  )
  free = forced_calls.free(n, WIDTH, forced_calls.WIDTH[notation])
  out = play.sample(setup, params, play.pad(setup, shown), free.tokens, keys)
  for i, turn in enumerate(turns):
    for ids, mask in zip(out.tokens[i], out.mask[i], strict=True):
      yield turn, writer.read(setup, ids[mask].tolist(), turn.view)


def main(argv):
  del argv
  config, rng = _CONFIG.value, np.random.default_rng(0)
  with tempfile.TemporaryDirectory() as folder:
    parts = build.build(config, folder)
    params = parameters.shipped_params(parts)
    episodes = pipeline.eval_episodes(config, 'validation')
    turns = [
      warm_start.turn_of(parts.train_setup, rng, e, t)
      for e in episodes
      for t in range(len(e.chunks))
    ]
  turns = [turn._replace(index=i) for i, turn in enumerate(turns)]
  seen = collections.defaultdict(collections.Counter)
  for start in range(0, len(turns), TURNS):
    some = turns[start : start + TURNS]
    for turn, said in responses(parts, params, some):
      told = [{*words.terms(part)} for part in english.clauses(turn.text)]
      found = seen[len(told)]
      found['responses'] += 1
      found['calls'] += len(said.ops)
      for note in (op.text for op in said.ops if op.text):
        terms = {*words.terms(note)}
        found['notes'] += 1
        found['of the chunk'] += terms <= set().union(*told)
        found['of one sentence'] += any(terms <= one for one in told)
  rows = []
  for count, found in sorted(seen.items()):
    shares = [
      f'{found[name] / max(found["notes"], 1):.3f}'
      for name in ('of the chunk', 'of one sentence')
    ]
    calls = f'{found["calls"] / found["responses"]:.2f}'
    rows.append((str(count), calls, str(found['notes']), *shares))
  header = ('sentences', 'calls a response', 'notes', 'of the chunk', 'of one')
  print(tables.grid(header, rows))


if __name__ == '__main__':
  app.run(main)
