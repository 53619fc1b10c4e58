"""Records of sources: what a config may name, and one from outside."""

import pytest
import tiny_config

from configs import tiny
from mem_alpha_jax import train
from mem_alpha_jax.data import pipeline, sources
from mem_alpha_jax.data.source import Made, OracleNote, Source
from mem_alpha_jax.reward import scoring
from mem_alpha_jax.types import Episode, Question


def test_every_rule_is_one():
  for source in sources.SOURCES.values():
    assert {source.rule, *source.rules.values()} <= set(scoring.RULES)


# Each line: what --config=configs/tiny.py:<this> is told.
BAD = {
  'data.source=squad': r"source='squad': use one of \['synthetic', 'babi', ",
  'data.source=locomo+babi,eval.lengths=1': "'locomo' has a reader of its own",
  'data.source=babi+nlu+babi': r"or several with '\+' between them",
  'tokenizer.source=squad': r"tokenizer.source='squad': use one of \['synth",
  'data.source=babi': r'eval\.lengths=\(1, 4\).*use \(1,\)',
}


@pytest.mark.parametrize('arg', BAD)
def test_what_a_config_may_not_say_is_refused(arg):
  with pytest.raises(ValueError, match=BAD[arg]) as error:
    sources.check(tiny.get_config(f'eval.lengths=1;4,{arg}'))
  assert '\n' not in str(error.value)


def test_a_split_that_is_not_there_is_named():
  config = tiny.get_config('data.source=locomo,eval.lengths=1')
  with pytest.raises(ValueError, match='source=locomo has no train split'):
    pipeline.make_source(config, 'train')


class _Colors:
  """A source that the package does not know: things and their colors."""

  things = ('hat', 'cup', 'car', 'pen')
  colors = ('red', 'blue', 'green', 'black')

  def episode(self, uid):
    pairs = [
      (thing, self.colors[(uid + i) % 4]) for i, thing in enumerate(self.things)
    ]
    chunks = tuple(f'The {thing} is {color}.' for thing, color in pairs)
    asked = tuple(
      Question(f'What color has the {thing}?', color, 'color', i, 3)
      for i, (thing, color) in enumerate(pairs)
    )
    return Episode(uid, 'colors', chunks, asked)

  def reader(self, config, strict):
    def read(requests):
      return [
        next(
          (c for n in r.notes for c in self.colors
           if c in n.text and r.question[19:-1] in n.text),
          '',
        )
        for r in requests
      ]  # fmt: skip

    return read

  def oracle(self, episode):
    words = [chunk.strip('.').split() for chunk in episode.chunks]
    return [(OracleNote((w[1],), 'semantic', f'{w[1]} {w[3]}'),) for w in words]


@pytest.mark.slow
def test_a_source_from_outside_is_trained_on_and_evaluated(
  tmp_path, monkeypatch
):
  colors = _Colors()
  toy = Source(
    'colors',
    rule='exact',
    episodes=lambda config, split: Made(colors.episode),
    reader=colors.reader,
    oracle=colors.oracle,
  )
  monkeypatch.setitem(sources.SOURCES, 'colors', toy)
  config = tiny_config.get_config(
    'data.source=colors,eval.lengths=1,num_steps=1,warm_start.steps=1,'
    'rollout.prefix_buckets=100'
  )
  result = train.train(config, str(tmp_path))
  assert result['baselines']['oracle']['accuracy'] == 1
  assert set(result['after']['by_type']) == {'color'}
