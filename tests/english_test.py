"""Porter's stemmer against his paper's examples, and where a text is cut."""

import pytest

from mem_alpha_jax.text import english

# Steps that follow shorten some of the paper's results further; 'ties' is an
# extension.
EXAMPLES = dict(
  caresses='caress', ponies='poni', ties='tie', cats='cat', feed='feed',
  agreed='agre', plastered='plaster', bled='bled', motoring='motor',
  sing='sing', conflated='conflat', troubled='troubl', sized='size',
  hopping='hop', tanned='tan', falling='fall', hissing='hiss',
  fizzed='fizz', failing='fail', filing='file', happy='happi', sky='sky',
  relational='relat', conditional='condit', rational='ration',
  valenci='valenc', digitizer='digit', radicalli='radic', vileli='vile',
  analogousli='analog', vietnamization='vietnam', predication='predic',
  operator='oper', feudalism='feudal', decisiveness='decis',
  hopefulness='hope', sensitiviti='sensit', sensibiliti='sensibl',
  triplicate='triplic', formative='form', electriciti='electr',
  goodness='good', revival='reviv', allowance='allow', inference='infer',
  airliner='airlin', adjustable='adjust', irritant='irrit',
  replacement='replac', dependent='depend', adoption='adopt',
  communism='commun', effective='effect', probate='probat', rate='rate',
  cease='ceas', controll='control', roll='roll', generalizations='gener',
  oscillators='oscil', yoga='yoga', by='by',
)  # fmt: skip


@pytest.mark.parametrize('word', EXAMPLES)
def test_trial_examples_of_the_paper(word):
  assert english.stem(word) == EXAMPLES[word]


@pytest.mark.parametrize(
  'text, parts',
  [
    ('It rained; Tom left. Dr. Ray', ['It rained;', 'Tom left.', 'Dr. Ray']),
    ('我住；他走。她来', ['我住；', '他走。', '她来']),
    ('a;b', ['a;b']),
    ('ends;', ['ends;']),
    ('ends；', ['ends；']),
    ('a;  b;\tc； d', ['a;', 'b;', 'c；', 'd']),
    ('他说「走；」她笑', ['他说「走；」她笑']),
    ('', []),
  ],
)
def test_clauses_end_at_sentences_and_semicolons(text, parts):
  assert english.clauses(text) == parts
