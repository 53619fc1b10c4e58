"""Looking entries up for a question, in one step and in two."""

import pathlib

import numpy as np
import pytest
import tiny_config

from mem_alpha_jax.data import locomo
from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.recall import registry, view
from mem_alpha_jax.text import words as words_lib

REAL = pathlib.Path(__file__).parents[1] / '../shared/data'


def test_a_second_hop_finds_what_the_question_does_not_name():
  texts = ('milk Mary', 'Mary kitchen', 'John garden')
  found = {}
  for hops in (1, 2):
    config = tiny_config.get_config(f'reading.hops={hops}')
    batch = batch_lib.Memories(
      [state_lib.empty(), state_lib.empty()],
      [100, 100],
      config,
      lambda text: len(text.split()),
    )
    ops = [state_lib.Op('insert', 'semantic', text=text) for text in texts]
    batch.write([ops, ops[2:]], [0, 0])
    requests = registry.requests(
      batch,
      [['Where is the milk?'], ['Where is John?', 'Where is the milk?']],
      2,
    )
    found[hops] = [
      {note.text for note in r.notes} for row in requests for r in row
    ]
  assert found[1] == [{'milk Mary'}, {'John garden'}, set()]
  assert found[2] == [{'milk Mary', 'Mary kitchen'}, {'John garden'}, set()]


def test_trial_a_second_hop_asks_with_what_a_reader_is_shown():
  # Of 20 notes that all share a word with the question one fits it. Asked with
  # all of them the second look-up knew nothing of the question.
  texts = [f'we saw {a}{b} {b}{a} {a}x{b}' for a in 'abcde' for b in 'fghi']
  config = tiny_config.get_config('reading.hops=2,reading.top_k=64')
  config.reading.budget = 10
  batch = batch_lib.Memories(
    [state_lib.empty()], [1000], config, lambda text: len(text.split())
  )
  notes = [*texts[:10], 'we met Tom', *texts[10:], 'Tom saw Rome']
  ops = [state_lib.Op('insert', 'semantic', text=text) for text in notes]
  batch.write([ops], [0])
  ((request,),) = registry.requests(batch, [['Whom have we met?']], 1)
  assert 'we met Tom' in {note.text for note in request.notes}


def test_what_a_first_look_up_found_stays_where_a_config_says_so():
  texts = (
    'Ana doctor Boris',
    'Boris clinic Rome',
    'clinic doctor Eve cat dog',
    'Eve cat dog clinic doctor Ana',
  )
  shown = {}
  for kept in (0, 1):
    fields = f'reading.hops=2,reading.top_k=2,reading.kept={kept}'
    batch = batch_lib.Memories(
      [state_lib.empty()],
      [100],
      tiny_config.get_config(fields),
      lambda text: len(text.split()),
    )
    ops = [state_lib.Op('insert', 'semantic', text) for text in texts]
    batch.write([ops], [0])
    question = "Where is the clinic of Ana's doctor?"
    ((request,),) = registry.requests(batch, [[question]], 1)
    shown[kept] = [note.text for note in request.notes]
  # The second look finds two that fit all that was shown better.
  assert shown == {0: [*texts[3:1:-1]], 1: [*texts[:2]]}


MEANINGS = ('milk dairy', 'kitchen cook', 'garden lawn')


def by_meaning(calls):
  """An embedder that knows which words mean the same."""

  def embed(texts):
    calls.append(list(texts))
    found = np.zeros((len(texts), len(MEANINGS)), np.float32)
    for row, text in zip(found, texts, strict=True):
      for i, words in enumerate(MEANINGS):
        row[i] = any(word in text.split() for word in words.split())
    return found

  return embed


def written(retrieval, calls, *rows):
  """Memories of these texts, written at one step."""
  config = tiny_config.get_config(
    f'reading.retrieval={retrieval},memory.embedder=hashed,'
    'memory.embedding_size=3,memory.view=retrieved,memory.slots=4'
  )
  batch = batch_lib.Memories(
    [state_lib.empty()] * len(rows), [500] * len(rows), config,
    lambda text: len(text.split()), embed=by_meaning(calls),
  )  # fmt: skip
  ops = [[state_lib.Op('insert', 'semantic', text=t) for t in r] for r in rows]
  batch.write(ops, [0] * len(ops))
  return batch


@pytest.mark.parametrize('retrieval', ['bm25', 'cosine', 'rrf'])
def test_vectors_find_what_words_do_not(retrieval):
  calls = []
  rows = ('milk Mary', 'Bill kitchen', 'Bill garden'), ('the lawn',)
  batch = written(retrieval, calls, *rows)
  questions = [['dairy ?', 'who did cook Mary ?', 'x ?'], ['garden']]
  found = registry.requests(batch, questions, 2)
  best = [[r.notes[0].text if r.notes else '' for r in row] for row in found]
  expected = {
    'bm25': [['', 'milk Mary', ''], ['']],
    'cosine': [['milk Mary', 'Bill kitchen', 'milk Mary'], ['the lawn']],
    'rrf': [['milk Mary', 'milk Mary', 'milk Mary'], ['the lawn']],
  }
  assert best == expected[retrieval]
  assert calls[:2] == [[], [text for row in rows for text in row]]
  asked = [] if retrieval == 'bm25' else [sum(questions, [])]
  assert calls[2:] == asked  # one call for all, in two parts of width 2
  views = view.look(batch, ['Where is dairy ?', 'lawn'])
  assert len(calls) == 2 + 2 * len(asked)
  if asked:
    assert views[0][0].text == 'milk Mary'


def test_a_full_bank_grows_and_keeps_its_vectors():
  calls = []
  batch = written('cosine', calls, ['milk', 'kitchen', 'garden'], ['lawn'])
  first = batch.bank.valid.shape[1]
  for step in range(1, 8):
    ops = [[state_lib.Op('insert', 'semantic', text=f'cook {step}')], []]
    batch.write(ops, [step, step])
  assert batch.bank.valid.shape[1] > first
  assert sorted(sum(calls, [])) == sorted(
    ['milk', 'kitchen', 'garden', 'lawn', *(f'cook {i}' for i in range(1, 8))]
  )
  built = slots_lib.from_states(
    batch.states, *batch.bank.term_ids.shape[1:], by_meaning([])
  )
  for field in built.__dataclass_fields__:
    np.testing.assert_array_equal(
      getattr(batch.bank, field), getattr(built, field), err_msg=field
    )


def test_trial_a_long_chunk_finds_the_notes_that_it_changes():
  """Behind a header, in the middle of a text of 700 words, in both lists."""
  config = tiny_config.get_config('memory.view_entries=2')
  batch = batch_lib.Memories(
    [state_lib.empty()], [10**6], config, lambda text: len(text.split()),
    lambda limits: limits._replace(entry_tokens=10**6),
  )  # fmt: skip
  said = [f'word{i}' for i in range(700)]
  long = ' '.join([*said[-22:], 'zebra'])  # more words than an entry may have
  texts = ['Zoe Rome', 'user assistant dialogue', long, 'Ana Oslo']
  kinds = ['semantic', 'semantic', 'episodic', 'episodic']
  ops = [
    state_lib.Op('insert', kind, text)
    for kind, text in zip(kinds, texts, strict=True)
  ]
  batch.write([ops], [0])
  said[350] = 'Zoe moved to Lima'
  chunk = (
    'Dialogue between User and Assistant on 2024-03-01 00:00\n'
    f'User: {" ".join(said)} dialogue'
  )
  # Two of both lists together, where the reference shows two of each.
  shown = view.look(batch, [chunk])[0]
  assert {entry.text for entry in shown} == {texts[0], texts[2]}
  ((request,),) = registry.requests(batch, [['Which zebra?']], 1)
  assert [note.text for note in request.notes] == [texts[2]]  # its last word
  question = 'Which label number does this sample have? Sample: assistant'
  ((request,),) = registry.requests(batch, [[question]], 1)
  assert [note.text for note in request.notes] == [texts[1]]


@pytest.mark.skipif(not REAL.exists(), reason='no ../shared/data')
@pytest.mark.parametrize('kept, least, most', [(12, 0, 0.2), (None, 0.45, 1)])
def test_trial_whole_turns_are_found_by_all_of_their_words(kept, least, most):
  """Of one dialogue of LoCoMo; 12 words of each were once indexed."""
  dialogue = locomo.load(str(REAL))[0]
  texts = [locomo.note(turn) for turn in dialogue.turns]
  place = {t.id: text for t, text in zip(dialogue.turns, texts, strict=True)}
  cut = {' '.join(words_lib.content(text)[:kept]): text for text in texts}
  asked = [q for q in dialogue.questions
           if q.evidence and {*q.evidence} <= {*place}
           and 'adversarial' not in q.category][:32]  # fmt: skip
  config = tiny_config.get_config('reading.top_k=5,memory.slots=512')
  batch = batch_lib.Memories(
    [state_lib.empty()], [10**6], config, lambda text: len(text.split()),
    lambda limits: limits._replace(entry_tokens=10**6),
  )  # fmt: skip
  ops = [state_lib.Op('insert', 'semantic', text=text) for text in cut]
  batch.write([ops], [0])
  (requests,) = registry.requests(batch, [[q.text for q in asked]], 32)
  recall = [
    np.mean([place[turn] in {cut[n.text] for n in request.notes}
             for turn in question.evidence])
    for question, request in zip(asked, requests, strict=True)
  ]  # fmt: skip
  assert least <= np.mean(recall) <= most
