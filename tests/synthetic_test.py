import collections
import itertools
import re

import pytest
import synthetic_reading

from configs import tiny
from mem_alpha_jax.data import pipeline, synthetic
from mem_alpha_jax.data import synthetic_words as words
from mem_alpha_jax.data.worlds import vocabulary
from mem_alpha_jax.types import Note

WORLD = synthetic.WorldConfig()
SEVERAL = synthetic.WorldConfig(chunk_sentences=3)
EVENTS = {'who', 'where', 'when'}
SPLITS = [s for s in synthetic.SPLITS if not s.endswith('_templates')]
SPLIT_LENGTHS = [*itertools.product(SPLITS, (8, 60))]


def _episodes(split, num_chunks, count=12, world=WORLD, seed=0):
  return [
    synthetic.episode(world, split, uid, num_chunks, seed)
    for uid in range(count)
  ]


def _history(chunks):
  """Every value each key ever had, as [(chunk, value)], from the text."""
  history = collections.defaultdict(list)
  for t, chunk in enumerate(chunks):
    for note in synthetic.oracle_notes(chunk):
      if note.kind == 'semantic':
        history[note.key].append((t, note.text.split()[-1]))
      else:
        history[note.key].append((t, note.text))
  return history


def _asked_texts(key):
  """The question texts that a fact or an event of this key may have."""
  if len(key) == 2:
    attribute = words.ATTRIBUTES[key[1]]
    if key[0] == 'i':
      return {attribute.user_question}
    return {attribute.question.format(n=key[0].title())}
  name, day, month, venue = key
  name, date = name.title(), f'{day} {month.title()}'
  return {
    form.format(n=name, v=venue, d=date)
    for form in words.EVENT_QUESTIONS.values()
  }


def _expected(chunks):
  """(text, answer, type, first, last) of every question, by brute force."""
  end = len(chunks) - 1
  for key, values in _history(chunks).items():
    ends = [t - 1 for t, _ in values[1:]] + [end]
    for i, ((first, value), last) in enumerate(zip(values, ends, strict=True)):
      if last < first:
        continue
      if len(key) == 2:
        kind = 'user' if key[0] == 'i' else 'current'
        kind = 'overwritten' if i else kind
        yield _asked_texts(key), {value}, {kind}, first, last
      else:
        name, day, month, venue = key
        golds = {name.title(), venue, f'{day} {month.title()}'}
        yield _asked_texts(key), golds, EVENTS, first, last


@pytest.mark.parametrize('multiple, percent', [(1, 17), (13, 13)])
def test_trial_the_share_of_questions_about_the_user(multiple, percent):
  """Of an evaluation: the user has no name that a pair could hold out."""
  asked = [
    question.text
    for episode in pipeline.eval_episodes(tiny.get_config(), 'test', multiple)
    for question in episode.questions
    if question.asked
  ]
  own = {a.user_question for a in words.ATTRIBUTES.values()}
  assert round(100 * sum(text in own for text in asked) / len(asked)) == percent


def test_words_have_one_kind_and_one_split():
  everything = [
    word.lower()
    for dealt in words.WORDS.values()
    for split in dealt.values()
    for word in split
  ]
  assert len(everything) == len(set(everything)) == 380 + 5 * 42
  assert all(re.fullmatch('[a-z]+', word) for word in everything)
  assert [len(v) for v in words.WORDS['person'].values()] == [240, 60, 80]
  assert not any(w[0] in 'aeiou' for w in words.LEXICON['job'])


def test_forms_hold_no_word_of_the_world():
  forms = [
    *words.FACT_FORMS,
    *words.EVENT_FORMS,
    *words.DECOY_FORMS,
    *words.EVENT_DECOYS,
    *words.SMALL_TALK,
    *words.EVENT_QUESTIONS.values(),
    *itertools.chain(*(a[2:] for a in words.ATTRIBUTES.values())),
  ]
  used = set(re.findall(r'\w+', ' '.join(forms).lower()))
  months = {date.split()[1].lower() for date in words.DATES}
  for known in (*words.LEXICON.values(), months):
    assert not used & known


def test_cues_are_in_statement_and_question():
  for cue, attribute in words.ATTRIBUTES.items():
    assert all(cue in text for text in attribute[2:6])
    assert re.search(rf'\b{attribute.user_word}\b', attribute.user_question)


@pytest.mark.parametrize(('split', 'num_chunks'), SPLIT_LENGTHS)
@pytest.mark.parametrize('world', [WORLD, SEVERAL])
def test_questions_are_exactly_what_the_text_says(split, num_chunks, world):
  for episode in _episodes(split, num_chunks, 5, world):
    questions = list(episode.questions)
    for texts, golds, kinds, first, last in _expected(episode.chunks):
      fits = [
        q
        for q in questions
        if q.text in texts
        and q.answer in golds
        and q.type in kinds
        and (q.first, q.last) == (first, last)
      ]
      assert len(fits) == 1
      questions.remove(fits[0])
    assert not questions


@pytest.mark.parametrize('split', SPLITS)
def test_words_and_pairs_belong_to_the_split(split):
  base = vocabulary.base_split(split)
  own = {k: {w.lower() for w in words.WORDS[k][base]} for k in words.WORDS}
  pairs = set()
  for episode in _episodes(split, 60, 10):
    text = set(re.findall(r'\w+', ' '.join(episode.chunks).lower()))
    for kind, known in words.LEXICON.items():
      assert text & known <= own[kind]
    for key, values in _history(episode.chunks).items():
      for _, value in values:
        pairs.add((key[0], value.split()[-1]))
  pairs = [pair for pair in pairs if pair[0] != 'i']
  kept = [words.held_out(*pair) for pair in pairs]
  if base == 'train':
    assert set(kept) == {split != 'train'}
  else:
    assert len(set(kept)) == 2


def test_train_decoys_say_no_held_out_pair():
  fields = {'{n}': r'(?P<n>[A-Z]\w+)', '{v}': r'(?P<v>\w+)', '{o}': r'\w+'}
  date = r'\d+ \w+'
  forms = [
    form.replace('{c}', attribute.clause)
    for form in (*words.DECOY_FORMS, *words.EVENT_DECOYS)
    for attribute in words.ATTRIBUTES.values()
  ] + [attribute.decoy for attribute in words.ATTRIBUTES.values()]
  seen = 0
  for form in dict.fromkeys(forms):
    for field, pattern in (*fields.items(), ('{d}', date)):
      form = form.replace(field, pattern)
    for episode in _episodes('train', 60, 10):
      for match in filter(
        None, (re.fullmatch(form, c) for c in episode.chunks)
      ):
        seen += 1
        assert not words.held_out(match['n'], match['v'])
  assert seen > 40


@pytest.mark.parametrize(('split', 'num_chunks'), SPLIT_LENGTHS)
def test_perfect_notes_answer_everything(split, num_chunks):
  asked = 0
  for seed in (0, 1):
    for episode in _episodes(split, num_chunks, 6, seed=seed):
      memory = {}
      for t, chunk in enumerate(episode.chunks):
        for note in synthetic.oracle_notes(chunk):
          memory[note.key] = Note(note.kind, note.text, t)
        for q in episode.questions:
          # Every question is answered whenever its window ends.
          if q.last == t:
            asked += 1
            assert (
              synthetic_reading.answer(q.text, [*memory.values()])
              == q.answer.lower()
            )
  assert asked > 20


def test_notes_that_are_never_updated_cost_the_overwritten_ones():
  counts = collections.Counter()
  for episode in _episodes('validation', 30):
    notes = [
      Note(note.kind, note.text, t)
      for t, chunk in enumerate(episode.chunks)
      for note in synthetic.oracle_notes(chunk)
    ]
    for q in episode.questions:
      if q.asked:
        counts[q.type] += 1
        said = synthetic_reading.answer(q.text, notes)
        assert said == ('' if q.type == 'overwritten' else q.answer.lower())
        assert (
          synthetic_reading.answer(q.text, notes, strict=False)
          == q.answer.lower()
        )
  assert min(counts[k] for k in ('overwritten', 'current', 'user')) > 10


@pytest.mark.parametrize('split', SPLITS)
@pytest.mark.parametrize('strict', [True, False])
def test_decoys_never_help(split, strict):
  decoys = synthetic_reading.check_decoys(_episodes(split, 60), strict)
  assert decoys


def test_wording_does_not_tell_updates():
  """Each form states first facts and overwrites."""
  forms = {True: set(), False: set()}
  for episode in _episodes('train', 60):
    seen = set()
    for chunk in episode.chunks:
      for note in synthetic.oracle_notes(chunk):
        if note.kind == 'semantic':
          prefix = re.match('We heard|Since last week|These days|', chunk)[0]
          forms[note.key in seen].add((prefix, note.key[1]))
          seen.add(note.key)
  assert forms[True] == forms[False]
  assert len(forms[True]) == len(words.FACT_FORMS) * len(words.ATTRIBUTES)


def test_events_are_unique_within_an_episode():
  for episode in _episodes('test', 200, 3):
    events = [key for key in _history(episode.chunks) if len(key) == 4]
    for parts in ((0, 1, 2), (3, 1, 2), (0, 3)):
      assert len({tuple(e[i] for i in parts) for e in events}) == len(events)
    assert len(events) > 15


def test_sentences_are_short():
  lengths = [
    len(chunk.split())
    for split in SPLITS
    for episode in _episodes(split, 60, 5)
    for chunk in episode.chunks
  ]
  assert max(lengths) <= 11


def test_people_join_as_the_stream_grows():
  def people(num_chunks):
    counts = []
    for episode in _episodes('test', num_chunks, 10):
      text = set(re.findall(r'\w+', ' '.join(episode.chunks).lower()))
      subjects = {k[0] for k in _history(episode.chunks)} - {'i'}
      assert subjects <= text & words.LEXICON['person']
      counts.append(len(subjects))
    return counts

  assert max(people(8)) <= 4
  long = people(120)
  assert min(long) >= 12 and max(long) <= 4 + 112 // 6


def test_asked_questions_follow_the_shares():
  shares, total = collections.Counter(), 0
  for episode in _episodes('validation', 104):
    asked = [q for q in episode.questions if q.asked]
    assert all(q.last == 103 for q in asked)
    total += len(asked)
    assert 2 <= len(asked) <= 64
    shares.update('events' if q.type in EVENTS else q.type for q in asked)
  assert total / 12 > 40
  # The user has seven attributes, so others take most of the user's share.
  assert shares['user'] / total < 0.15
  for kind in ('current', 'overwritten', 'events'):
    assert 0.2 < shares[kind] / total < 0.45
  for episode in _episodes('validation', 512, 2):
    assert sum(q.asked for q in episode.questions) == 64


def test_shares_are_exact_where_the_world_allows():
  world = synthetic.WorldConfig(
    asked_rate=0.1,
    asked_shares=(
      ('overwritten', 1.0),
      ('current', 0.0),
      ('events', 0.0),
      ('user', 0.0),
    ),
  )
  (episode,) = _episodes('train', 60, 1, world)
  asked = [q.type for q in episode.questions if q.asked]
  assert asked == ['overwritten'] * 6


def test_short_episodes_ask_at_least_two_questions():
  for episode in _episodes('train', 3, 100):
    assert sum(q.asked for q in episode.questions) >= 2


def test_a_world_without_facts_is_refused():
  world = synthetic.WorldConfig(person=0, event=0, user=0)
  with pytest.raises(ValueError, match='WorldConfig'):
    synthetic.episode(world, 'train', 0, 2, 0)
  with pytest.raises(ValueError, match='unknown split'):
    synthetic.episode(WORLD, 'dev', 0, 2, 0)


def test_episodes_depend_on_seed_split_and_uid_alone():
  make = synthetic.episode
  assert make(WORLD, 'test', 5, 8, 1) == make(WORLD, 'test', 5, 8, 1)
  others = [
    make(WORLD, *args)
    for args in (('test', 5, 8, 2), ('test', 6, 8, 1), ('train', 5, 8, 1))
  ]
  assert make(WORLD, 'test', 5, 8, 1).chunks not in [e.chunks for e in others]
  assert make(WORLD, 'test', 5, 8, 1).source == 'synthetic'


def test_a_stream_is_a_prefix_of_a_longer_one():
  short = [*synthetic.stream(WORLD, 'train', 3, 40)]
  for other in (90, None):
    long = synthetic.stream(WORLD, 'train', 3, other)
    long = [*itertools.islice(long, 40)]
    assert [s.chunk for s in short] == [s.chunk for s in long]
    assert [s.closed for s in short[:-1]] == [s.closed for s in long[:-1]]


def test_an_endless_stream_forgets():
  """Memory stays bounded, and windows keep closing where facts change."""
  world = synthetic.WorldConfig(event=0, decoy=0)
  steps = synthetic.stream(world, 'validation', 0, None)
  closed = open_ = 0
  seen = set()
  for t, step in enumerate(itertools.islice(steps, 12000)):
    for note in synthetic.oracle_notes(step.chunk):
      seen.add(note.key)
      open_ += 1
    closed += len(step.closed)
    assert all(q.last == t - 1 and not q.asked for q in step.closed)
  # One open window for each of 61 subjects' 7 attributes: all are stated.
  assert open_ - closed == len(seen) == 61 * 7


def test_state_of_a_long_stream_is_bounded_by_the_people():
  steps = synthetic.stream(WORLD, 'test', 0, None)
  for _ in itertools.islice(steps, 30000):
    pass
  state = steps.gi_frame.f_locals['state']
  people = len(words.WORDS['person']['test']) + 1
  venues, dates = len(words.WORDS['venue']['test']), len(words.DATES)
  assert len(state.facts) <= people * 7
  assert len(state.events) == len(state.visited) <= people * venues
  assert len(state.dated) <= (people + venues) * dates
  assert not state.closed or len(state.closed) <= 1


@pytest.mark.parametrize(
  ('chunk', 'expected'),
  [
    ('Marta has a job as a baker.', [('marta job', 'Marta job baker')]),
    ("We heard that Marta's boss is Tom.", [('marta boss', 'Marta boss Tom')]),
    ('Since last week my boss is Tom.', [('i boss', 'my boss Tom')]),
    ('My boss is Tom.', [('i boss', 'my boss Tom')]),
    ('I am allergic to nuts.', [('i allergic', 'I allergic nuts')]),
    ('On 3 May I was at the zoo.', [('i 3 may zoo', '3 May I zoo')]),
    (
      'Marta went to the zoo on 3 May. The coffee was cold. My hobby is golf.',
      [('marta 3 may zoo', '3 May Marta zoo'), ('i hobby', 'my hobby golf')],
    ),
    ("Nobody believes that Marta's boss is Tom.", []),
    ('A cousin of Marta is allergic to nuts.', []),
    ('On 3 May Marta almost went to the zoo.', []),
    ('', []),
  ],
)
def test_oracle_notes(chunk, expected):
  notes = synthetic.oracle_notes(chunk)
  assert [(' '.join(n.key), n.text) for n in notes] == expected


def test_texts_show_the_split_to_a_tokenizer():
  lines = [*synthetic.texts(WORLD, 'train', 0, 400)]
  assert lines == [*synthetic.texts(WORLD, 'train', 0, 400)]
  seen = set(re.findall(r'\w+', ' '.join(lines).lower()))
  train = {w.lower() for k in words.WORDS for w in words.WORDS[k]['train']}
  assert len(train & seen) > 0.95 * len(train)
  assert any(line.endswith('.') for line in lines)
  assert any(not line.endswith('.') for line in lines)
