"""What a writer must see to update: rankings of the view, by the oracle.

  python -m experiments.view.run [--arg=data.wording=varied]

The oracle writer knows every fact of a chunk and sees of its memory only the
view. Where the old note of a fact is in the view, and what the oracle's memory
answers at the end, is what a ranking is worth. Writes results.json.
"""

import pathlib
import tempfile
from collections import Counter

from absl import app, flags

from configs import tiny
from experiments import results
from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import writers
from mem_alpha_jax.run import build
from mem_alpha_jax.system import files, machine

HERE = pathlib.Path(__file__).parent
RANKINGS = {
  'covered': 'memory.view=covered',
  'topic': 'memory.view=topic',
  'bm25': 'memory.view=retrieved,reading.retrieval=bm25',
  'rank_bm25': 'memory.view=retrieved,reading.retrieval=rank_bm25',
}
_LENGTHS = flags.DEFINE_list(
  'lengths', ['1', '13', '64', '256'], 'Multiples of 8 chunks.'
)
_EPISODES = flags.DEFINE_list(
  'episodes', ['32', '8', '4', '1'], 'How many of each length.'
)
_ARG = flags.DEFINE_string('arg', '', 'Config overrides, field=value,...')
_OUT = flags.DEFINE_string('out', 'runs/view', 'Prefix of the report.')


def watched(places: Counter, seen: writers.Seen) -> list[state_lib.Op]:
  """The oracle; counts at which place of the view a changed fact stands."""
  for note in seen.notes:
    same = lambda e, note=note: e and writers.same_fact(e, note)
    shown = [i for i, e in enumerate(seen.view, 1) if same(e)]
    told = shown or any(map(same, state_lib.entries(seen.memory, note.kind)))
    if told and note.kind == 'semantic':
      places[str(min(shown, default='absent'))] += 1
  return writers.oracle(seen)


def measure(ranking: str, episodes: int, multiple: int) -> dict:
  """One ranking at one length."""
  arg = f'{RANKINGS[ranking]},eval.lengths={multiple}'
  arg += f',memory.max_slots=8192,eval.length_episodes={episodes}'
  arg += f',data.eval_episodes={episodes}'
  config = tiny.get_config(','.join(filter(None, [arg, _ARG.value])))
  places = Counter()
  rule = writers.WRITERS['oracle']
  writers.WRITERS['oracle'] = lambda seen: watched(places, seen)
  with tempfile.TemporaryDirectory() as folder:
    parts = build.build(config, folder)
    ((_, held),) = held_out.lengths(config, 'test').items()
    arm, _ = held_out.arm('oracle', parts, None, held)
  writers.WRITERS['oracle'] = rule
  changed = sum(places.values())
  return {
    'strict': arm['accuracy'],
    'overwritten': arm['by_type']['overwritten']['accuracy'],
    'lenient': arm['lenient']['accuracy'],
    'episodes': episodes,
    'changed': changed,
    'at': {place: n / changed for place, n in sorted(places.items())},
  }


def main(argv):
  del argv
  sizes = dict(zip(_LENGTHS.value, map(int, _EPISODES.value), strict=True))
  table = {
    ranking: {m: measure(ranking, n, int(m)) for m, n in sizes.items()}
    for ranking in RANKINGS
  }
  folder = results.folder(HERE, f'{_OUT.value}_report')
  files.write_json(
    folder / 'results.json', {'versions': machine.versions(), 'view': table}
  )
  for ranking, row in table.items():
    for multiple, cell in row.items():
      at = ' '.join(f'<{p}> {share:.3f}' for p, share in cell['at'].items())
      print(
        f'{ranking:10} {multiple:>5}x {cell["strict"]:.3f} / '
        f'{cell["overwritten"]:.3f}  {at}'
      )


if __name__ == '__main__':
  app.run(main)
