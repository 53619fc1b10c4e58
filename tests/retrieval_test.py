"""Scores against rank_bm25 and hand-made goldens."""

import functools

import hypothesis
import jax.numpy as jnp
import numpy as np
import pytest
import rank_bm25
import tiny_config
from hypothesis import strategies as st

from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.recall import embedders, registry, scores
from mem_alpha_jax.text import words as words_lib

N, Q, U, S, W, E = 6, 2, 6, 8, 8, 4  # one shape for all: one compilation
WORDS = ('red', 'sea', 'sky', 'tea', 'old')


def make_bank(notes):
  """Entry i of a memory goes to slot i; None leaves the slot empty."""
  states = [
    state_lib.with_entries(
      state_lib.empty(),
      [
        state_lib.Entry(i, 'semantic', text, 0, i, 0)
        for i, text in enumerate(row)
        if text is not None
      ],
    )
    for row in notes
  ]
  states += [state_lib.empty()] * (N - len(states))
  embed = functools.partial(embedders.hashed, size=E)
  return slots_lib.from_states(states, S, W, embed)


def encode(questions):
  return scores.encode_queries([*questions, *[[]] * (N - len(questions))], Q)


def scores_of(notes, questions, score=scores.rank_bm25):
  return np.asarray(score(make_bank(notes), encode(questions)))


def search(notes, question, k=3, **options):
  """Slots found for one question on one memory."""
  bank, ids = make_bank([notes]), encode([[question]])
  slots, found = scores.best(scores.bm25, bank, ids, k=k, **options)
  return np.asarray(slots)[0, 0][np.asarray(found)[0, 0]].tolist()


def distinct(text):
  return [*dict.fromkeys(words_lib.terms(text))]


def random_texts(rng, count, vocabulary, most):
  return [
    ' '.join(
      f'w{i}' for i in rng.integers(0, vocabulary, rng.integers(1, most + 1))
    )
    for _ in range(count)
  ]


@pytest.mark.parametrize('vocabulary', [2, 6, 30])
def test_bm25_equals_rank_bm25(vocabulary):
  rng = np.random.default_rng(vocabulary)
  notes = [random_texts(rng, n, vocabulary, W) for n in (1, 2, 3, 5, 7, 8)]
  questions = [random_texts(rng, Q, vocabulary + 2, U) for _ in notes]
  ours = scores_of(notes, questions)
  orders = scores.top_k(jnp.asarray(ours), S)[0]
  negative = 0
  for n, row in enumerate(notes):
    okapi = rank_bm25.BM25Okapi([distinct(text) for text in row])
    for q, question in enumerate(questions[n]):
      expected = okapi.get_scores(distinct(question))
      negative += (expected < 0).sum()
      got = ours[n, q, : len(row)]
      np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
      best = np.argsort(-expected, kind='stable')
      order = np.asarray(orders)[n, q, : len(row)]
      np.testing.assert_allclose(  # same order, ties aside
        expected[order], expected[best], rtol=0, atol=1e-5
      )
      assert (ours[n, q, len(row) :] == -np.inf).all()
  if vocabulary < 30:  # few words: most are in more than half of the notes
    assert negative > 0


def test_a_repeated_word_counts_once_in_question_and_entry():
  notes = [['tea tea', 'tea cake', 'rain', 'snow', 'wind']]
  ours = scores_of(notes, [['tea', 'tea tea']])
  np.testing.assert_array_equal(ours[0, 1], ours[0, 0])
  assert ours[0, 0, 0] > ours[0, 0, 1] > 0 == ours[0, 0, 2]
  okapi = rank_bm25.BM25Okapi([['tea'], ['tea', 'cake'], ['a'], ['b'], ['c']])
  np.testing.assert_allclose(
    ours[0, 0, :5], okapi.get_scores(['tea']), atol=1e-5
  )


def test_bm25_golden():
  # n = 3, f = 2 and 1, mean length 5 / 3.
  ours = scores_of(
    [['tea', 'tea cake', 'red sea']], [['tea cake']], scores.bm25
  )
  tea, cake = np.log(1 + 1.5 / 2.5), np.log(1 + 2.5 / 1.5)
  norm = lambda length: 1.5 * (0.25 + 0.75 * length / (5 / 3))
  expected = [
    tea * 2.5 / (1 + norm(1)), (tea + cake) * 2.5 / (1 + norm(2)), 0
  ]  # fmt: skip
  np.testing.assert_allclose(ours[0, 0, :3], expected, rtol=1e-5)


def viewed(notes, chunk, score=scores.coverage):
  """Slots in the order in which a writer sees them."""
  ids = scores_of([notes], [[chunk]], score)[0, 0]
  return np.argsort(-ids, kind='stable')[: len(notes)].tolist()


@pytest.mark.parametrize('others', [0, 1, 2, 5])
def test_coverage_puts_what_a_chunk_changes_first(others):
  # However rare the new value is, and however many have it.
  notes = [*['Tom job poet', 'Eva job poet', 'poet Ana Rome'][:others]]
  notes += ['Ana home Oslo', 'red sea'][: others - 3] if others > 3 else []
  old = len(notes)
  for chunk in ('Ana has a job as a poet.', 'We heard that Ana has a job.'):
    assert viewed([*notes, 'Ana job baker'], chunk)[0] == old


def test_coverage_golden():
  notes = ['tea cake', 'tea cake', 'red tea', 'tea', 'sky']
  ours = scores_of([notes], [['red tea cake']], scores.coverage)[0, 0]
  rare, early = scores.RARE, scores.EARLY
  wide = 8  # the padded question
  expected = [
    np.sqrt(2) - rare * np.log(2) - early * 1.5 / wide,
    np.sqrt(2) - rare * np.log(2) - early * 1.5 / wide,
    np.sqrt(2) - early * 0.5 / wide,
    1 - early * 1 / wide,
    -rare * np.log(4),  # with the empty slots it shares nothing
  ]
  np.testing.assert_allclose(ours[:5], expected, atol=1e-6)
  assert (ours[5:] == -np.inf).all()


def test_topic_parts_ties_by_who_has_many_notes():
  notes = ['Tom allergic plums', 'Ana allergic curry', 'Ana home Oslo']
  backward = 'Plums: that is what Ana is allergic to.'
  assert viewed(notes, backward)[0] == 0
  assert viewed(notes, backward, scores.topic)[0] == 1
  assert viewed(notes, 'Ana is allergic to plums.', scores.topic)[0] == 1
  # The set that fewer entries share comes before that.
  notes += ['Tom favourite plums', 'Eva allergic plums', 'Eva favourite plums']
  assert viewed(notes, backward, scores.topic)[0] == 1


def test_topic_golden():
  notes = ['tea cake', 'tea cake', 'red tea', 'tea', 'sky']
  ours = scores_of([notes], [['red tea cake']], scores.topic)[0, 0]
  red, tea, cake = np.log(2), np.log(5) - 0.1, np.log(3) - 0.2
  rare, topic = scores.RARE, scores.TOPIC
  pair = np.sqrt(2) - rare * np.log(2) + topic * (tea + cake) / 2
  expected = [
    pair,
    pair,
    np.sqrt(2) + topic * (red + tea) / 2,
    1 + topic * tea,
    -rare * np.log(4),
  ]
  np.testing.assert_allclose(ours[:5], expected, atol=1e-6)


@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(
  st.lists(st.lists(st.sampled_from(WORDS), max_size=W), max_size=S),
  st.lists(st.sampled_from(WORDS), max_size=U),
)
def test_scores_are_positive_exactly_where_a_word_is_shared(notes, question):
  ours = scores_of(
    [[*map(' '.join, notes)]], [[' '.join(question)]], scores.bm25
  )
  shared = [bool({*note} & {*question}) for note in notes]
  np.testing.assert_array_equal(ours[0, 0, : len(notes)] > 0, shared)


@pytest.mark.parametrize(
  'others', [[], ['Bob'], ['Bob boat', 'Eve plays chess']]
)
@pytest.mark.parametrize(
  'fuller', ['Ana job baker Oslo', 'Ana job baker since', 'Ana job baker Bo']
)
def test_trial_the_fuller_note_is_found_first(others, fuller):
  """Of one, two and more notes; each order of writing."""
  for notes in (['Ana job baker', fuller], [fuller, 'Ana job baker'], [fuller]):
    (first, *_) = search(notes + others, fuller, overlap=1)
    assert notes[first] == fuller


def test_trial_no_word_of_a_question_or_an_entry_is_dropped():
  """A fact in the middle of a long chunk finds the note it changes."""
  filler = [f'filler{i}' for i in range(300)]
  chunk = ' '.join([*filler[:150], 'Zoe moved to Lima', *filler[150:]])
  notes = ['Ana Oslo', 'Zoe Rome', ' '.join([*filler[:12], 'zebra'])]
  assert search(notes, chunk, overlap=1) == [2, 1]
  others = ' '.join(f'other{i}' for i in range(300))  # of the same shape
  assert search(notes, f'{others} zebra', overlap=1) == [2]
  long = ' '.join([*filler, 'zebra'])
  found = np.asarray(make_bank([[long]]).term_ids)
  assert np.isin(slots_lib.encode_terms(long), found).all()  # of all 301
  widths = {
    scores.encode_queries([[' '.join(filler[:n])]]).shape[2]
    for n in range(1, 301)
  }
  assert widths == {8, 32, 128, 512}  # few programs


def test_gaps_and_memories_without_words_are_harmless():
  ours = scores_of([[None, 'tea', None, '?!'], ['?!']], [['tea'], ['tea']])
  okapi = rank_bm25.BM25Okapi([['tea'], []])
  np.testing.assert_allclose(
    ours[0, 0, [1, 3]], okapi.get_scores(['tea']), atol=1e-5
  )
  assert (ours[0, 0, [0, 2]] == -np.inf).all()
  assert ours[1, 0, 0] == 0 and not np.isnan(ours).any()


def test_search_finds_the_best_and_only_entries():
  notes = ['red sea', 'blue sky', 'red red sky', 'green', 'old', 'new']
  assert search(notes, 'red') == [0, 2, 1]  # ties by slot
  assert search(notes, 'red blue', overlap=1) == [1, 0, 2]
  assert search(notes, 'purple', overlap=1) == []
  assert search(notes, 'red', k=S) == [0, 2, 1, 3, 4, 5]


def test_overlap_finds_in_a_small_memory():
  assert search(['red sea', 'blue sky'], 'blue', overlap=1) == [1]
  assert search(['red sea'], 'red', overlap=1) == [0]


def test_top_k_pads_beyond_the_slots():
  some = jnp.array([[[-jnp.inf, 2.0, -1.0]]])
  slots, found = scores.top_k(some, 5)
  assert slots.tolist() == [[[1, 2, -1, -1, -1]]]
  assert found.tolist() == [[[True, True, False, False, False]]]


def test_cosine_golden():
  bank = make_bank([['a', 'b', 'c']])
  vectors = np.zeros((N, S, E), np.float32)
  vectors[0, :3] = [[3, 0, 0, 0], [3, 4, 0, 0], [0, 0, 0, 0]]
  bank = bank.replace(embedding=jnp.asarray(vectors))
  queries = np.zeros((N, Q, E), np.float32)
  queries[0, 0] = [2, 0, 0, 0]
  got = scores.cosine(bank, None, queries)
  np.testing.assert_allclose(got[0, 0, :3], [1, 0.6, 0], rtol=1e-6)
  assert (got[0, 0, 3:] == -jnp.inf).all() and got[0, 1, 0] == 0


def test_rrf_golden():
  # Ranks 1, 2, 3 and 2, none, 1; the last slot is in neither list.
  inf = jnp.inf
  lists = [
    jnp.array([[[3.0, 2.0, 1.0, -inf]]]),
    jnp.array([[[1.0, -inf, 5.0, -inf]]]),
  ]
  expected = [1 / 61 + 1 / 62, 1 / 62, 1 / 63 + 1 / 61, -np.inf]
  np.testing.assert_allclose(scores.fused(lists)[0, 0], expected, rtol=1e-6)


def test_rrf_search_fuses_words_and_vectors():
  notes = ['red sea', 'read sea', 'blue sky', 'old', 'new']
  bank, ids = make_bank([notes]), encode([['red']])
  vectors = np.zeros((N, Q, E), np.float32)
  vectors[0, 0] = bank.embedding[0, 1]  # nearest in meaning: slot 1
  first = {}
  for score in (scores.bm25, scores.cosine, scores.rrf):
    slots, found = scores.best(score, bank, ids, vectors, 2, overlap=1)
    first[score] = int(slots[0, 0, 0])
  assert first[scores.bm25] == 0 and first[scores.cosine] == 1
  assert set(slots[0, 0].tolist()) == {0, 1} and found[0, 0].all()


@pytest.mark.parametrize(
  'change, error',
  [
    ('reading.retrieval=bm26', "reading.retrieval='bm26': must be one of"),
    ('reading.retrieval=rrf', "memory.embedder='none'.*needs vectors"),
  ],
)
def test_a_way_that_cannot_work_names_the_field(change, error):
  with pytest.raises(ValueError, match=error):
    registry.check(tiny_config.get_config(change))


def test_encode_queries_pads_and_stops():
  ids = scores.encode_queries([['Who is Marta, Marta?', 'of the'], []], 2)
  assert ids.shape == (2, 2, scores.LEAST_WORDS)
  marta = slots_lib.term_id('marta')
  assert ids[0, 0].tolist() == [marta] + [0] * 7 and not ids[0, 1:].any()
  assert scores.encode_queries([['a b c']]).shape[:2] == (1, 1)
  assert scores.encode_queries([[]]).shape[:2] == (1, 0)
  with pytest.raises(ValueError, match='2 questions do not fit into 1 rows'):
    scores.encode_queries([['a', 'b']], 1)
