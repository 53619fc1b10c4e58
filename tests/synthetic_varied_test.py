"""The varied wording of the synthetic world, and the plain one unchanged."""

import collections
import hashlib
import itertools
import random
import re

import pytest
import synthetic_reading

from configs import tiny
from mem_alpha_jax.data import pipeline, synthetic, synthetic_wording
from mem_alpha_jax.data import synthetic_templates as templates
from mem_alpha_jax.data import synthetic_words as words
from mem_alpha_jax.types import Note

PLAIN_SPLITS = [s for s in synthetic.SPLITS if not s.endswith('_templates')]
STYLES = synthetic_wording.STYLES
HELD = {False: templates.SEEN, True: templates.HELD_OUT}
EVENT = synthetic_wording.Event('Ana', 'zoo', '3 May')
MINE = EVENT._replace(name='i')
# cue -> a value of its kind
VALUE = {cue: words.WORDS[a.kind]['train'][0]
         for cue, a in words.ATTRIBUTES.items()}  # fmt: skip


def _episodes(split, num_chunks, count=6, style='', most=3):
  world = synthetic.WorldConfig(
    wording='varied', chunk_sentences=most, style=style
  )
  return [synthetic.episode(world, split, i, num_chunks, 0)
          for i in range(count)]  # fmt: skip


def _notes(text):
  return [n.text.lower() for n in synthetic.oracle_notes(text)]


def test_the_plain_world_is_what_it_was():
  digest, world = hashlib.sha256(), synthetic.WorldConfig()
  for split, uid in itertools.product(PLAIN_SPLITS, range(3)):
    episode = synthetic.episode(world, split, uid, 60, 0)
    digest.update(repr(episode).encode())
  assert digest.hexdigest()[:16] == 'e382146f7562225b'


def test_seen_and_held_out_templates_share_none():
  for seen, held in zip(*templates.BOTH, strict=True):
    if isinstance(seen, dict):
      assert seen.keys() == held.keys() == words.ATTRIBUTES.keys()
      seen, held = (
        {form for pairs in some.values() for pair in pairs for form in pair}
        for some in (seen, held)
      )
    assert not set(seen) & set(held)
  for cue in words.ATTRIBUTES:
    assert len(templates.SEEN.clauses[cue]) == 6
    assert len(templates.HELD_OUT.clauses[cue]) == 3


def test_seen_templates_hold_the_plain_forms():
  """So one oracle reads both wordings."""
  for cue, a in words.ATTRIBUTES.items():
    assert (a.clause, a.user_clause) in templates.SEEN.clauses[cue]
  openings = {*templates.SEEN.openings, *templates.SEEN.lately, '{c}'}
  lower = lambda form: form[0].lower() + form[1:].removesuffix('.')
  assert {lower(form) for form in words.FACT_FORMS} <= openings
  assert {lower(f) for f in words.EVENT_FORMS} <= set(templates.SEEN.events)


@pytest.mark.parametrize('said', templates.BOTH)
def test_clauses_hold_what_a_note_says(said):
  for cue, a in words.ATTRIBUTES.items():
    for person, user in said.clauses[cue]:
      assert re.search(rf'\b{cue}\b', person) and '{n}' in person
      assert re.search(rf'\b{cue}\b', user)
      assert re.search(rf'\b{a.user_word}\b', user), user
      assert '{v}' in person and '{v}' in user
    for person, user in said.relatives[cue]:
      assert re.search(rf'\b{cue}\b', person) and re.search(cue, user)
  for forms in (*said.clauses.values(), [(f, f) for f in said.events]):
    assert any(p.index('{v}') < p.index('{n}') for p, _ in forms)


def test_templates_hold_no_word_of_the_world():
  used = set(re.findall(r'\w+', repr(templates.BOTH).lower()))
  months = {date.split()[1].lower() for date in words.DATES}
  for known in (*words.LEXICON.values(), months):
    assert not used & known


@pytest.mark.parametrize('style', STYLES)
@pytest.mark.parametrize('held_out', [False, True])
def test_the_oracle_reads_every_template_back(held_out, style):
  said, rng = HELD[held_out], random.Random(style)
  for cue, a in words.ATTRIBUTES.items():
    for pair, name in itertools.product(said.clauses[cue], ('Ana', words.USER)):
      one = said._replace(clauses={cue: [pair]})
      style_ = '' if style == 'inverted' else style
      wording = synthetic_wording.Varied(one, style_)
      shown = a.user_word if name == words.USER else name
      note = f'{shown} {cue} {VALUE[cue]}'.lower()
      for _ in range(12):
        text = wording.fact(rng, (name, cue), VALUE[cue], ['Ana', 'Leo', 'Mia'])
        assert _notes(text) == [note], text
        assert not _notes(wording.decoy(rng, (name, cue), VALUE[cue], 'Leo'))
  wording = synthetic_wording.Varied(said, style)
  for event, _ in itertools.product((EVENT, MINE), range(40)):
    text = wording.event(rng, event, ['Ana', 'Leo'])
    shown = words.subject(event.name)
    assert _notes(text) == [f'3 may {shown} zoo'.lower()], text
    assert not _notes(wording.event_decoy(rng, event, ['Ana', 'Leo']))
    assert not _notes(wording.small_talk(rng, 'Ana', 'Leo'))


def test_several_sentences_are_told_apart():
  wording, rng = synthetic_wording.Varied(templates.SEEN), random.Random(0)
  for _ in range(200):
    facts = [(('Ana', cue), VALUE[cue]) for cue in ('boss', 'job', 'home')]
    rng.shuffle(facts)
    text = wording.join(
      [wording.fact(rng, *fact, ['Ana', 'Leo']) for fact in facts]
    )
    assert _notes(text) == [f'ana {k[1]} {v}'.lower() for k, v in facts], text


@pytest.mark.parametrize('split', synthetic.SPLITS)
@pytest.mark.parametrize('num_chunks', [8, 104])
def test_perfect_notes_answer_everything(split, num_chunks):
  asked = 0
  for episode in _episodes(split, num_chunks):
    memory = {}
    for t, chunk in enumerate(episode.chunks):
      for note in synthetic.oracle_notes(chunk):
        memory[note.key] = Note(note.kind, note.text, t)
      for q in episode.questions:
        if q.last == t:
          asked += 1
          assert (
            synthetic_reading.answer(q.text, [*memory.values()])
            == q.answer.lower()
          )
  assert asked > 20


@pytest.mark.parametrize('split', ['train', 'test', 'test_templates'])
@pytest.mark.parametrize('strict', [True, False])
def test_decoys_never_help(split, strict):
  decoys = synthetic_reading.check_decoys(_episodes(split, 104, most=1), strict)
  assert decoys > 100


def _pairs(split, count=20):
  """(who, value) of all that is stated."""
  return {
    (note.key[0], note.text.split()[-1].lower())
    for episode in _episodes(split, 104, count)
    for chunk in episode.chunks
    for note in synthetic.oracle_notes(chunk)
  }


def test_pairs_of_the_user_are_split_too():
  train, validation, test = (
    _pairs(split) for split in ('train', 'validation_pairs', 'test_templates')
  )
  assert not train & test and not train & validation and not test & validation
  mine = lambda pairs: {value for who, value in pairs if who == 'i'}
  assert min(len(mine(some)) for some in (train, validation, test)) > 20
  for split, share in (
    ('train', 16),
    ('validation_pairs', 4),
    ('test_pairs', 4),
  ):
    assert len(words.allowed(split, words.USER, 'food', True)) == share


def test_templates_belong_to_the_split():
  """Words between subject, cue and value: no frame of one is in the other."""

  def frames(split):
    found = set()
    for episode in _episodes(split, 60, 10, most=1):
      for chunk in episode.chunks:
        (*notes,) = synthetic.oracle_notes(chunk)
        if notes:
          known = set().union(*words.LEXICON.values(), notes[0].key)
          said = re.findall(r'\w+', chunk.lower())
          found.add(' '.join(w for w in said if w not in known))
    return found

  seen, held = frames('train'), frames('test_templates')
  assert len(seen) > 100 and len(held) > 60
  assert not {f for f in held if f in seen}


@pytest.mark.parametrize('style', STYLES[1:])
def test_a_style_is_of_all_sentences(style):
  facts = collections.Counter()
  plain_start = [f.split('{c}')[0] for f in
                 templates.SEEN.openings + templates.SEEN.lately]  # fmt: skip
  for episode in _episodes('test_pairs', 60, 4, style, most=1):
    for chunk in episode.chunks:
      notes = synthetic.oracle_notes(chunk)
      facts[len(notes)] += 1
      if style == 'no_stop':
        assert not chunk.endswith('.')
      elif style == 'lower':
        assert chunk.islower()
      elif not notes:
        continue
      elif style == 'prefix':
        starts = [re.escape(s).replace(r'\{o\}', r'\w+') for s in plain_start]
        assert re.match('|'.join(starts), chunk, re.IGNORECASE)
      elif style == 'clause':
        assert re.search(r', (as you|it s|i b|says \w+\.?$)', chunk.lower())
      elif style == 'inverted':
        value = notes[0].text.split()[-1]
        name = notes[0].key[0]
        mine = r'\b(i|my)\b' if name == 'i' else rf'\b{name}\b'
        where = [m.start() for m in re.finditer(mine, chunk.lower())]
        assert chunk.index(value) < max(where)
  # Where few people have been everywhere an event may become small talk.
  several = {'two': 2, 'three': 3}.get(style, 1)
  assert facts[several] > 0.8 * (facts.total() - facts[0])
  assert set(facts) <= set(range(several + 1))


def test_sizes_of_chunks():
  sizes = collections.Counter(
    len(re.findall(r'[.;] ', chunk)) + 1
    for episode in _episodes('train', 60, 20)
    for chunk in episode.chunks
  )
  shares = [sizes[n] / sizes.total() for n in (1, 2, 3)]
  assert sum(shares) == 1
  for share, wanted in zip(shares, (0.7, 0.2, 0.1), strict=True):
    assert abs(share - wanted) < 0.05
  one = [e.chunks for e in _episodes('train', 60, 3, most=1)]
  assert not any(re.search(r'[.;] ', chunk) for chunk in itertools.chain(*one))


def test_values_come_back_and_people_vary():
  again, people = 0, []
  for episode in _episodes('train', 250, 8):
    values = collections.defaultdict(list)
    for chunk in episode.chunks:
      for note in synthetic.oracle_notes(chunk):
        if note.kind == 'semantic':
          value = note.text.split()[-1].lower()
          again += value in values[note.key]
          values[note.key].append(value)
    people.append(len({key[0] for key in values}))
  assert again > 100
  assert min(people) < 25 and max(people) > 35, people


def test_episodes_depend_on_seed_split_and_uid_alone():
  first, second = _episodes('test_pairs', 20), _episodes('test_pairs', 20)
  assert first == second
  assert len({e.chunks for e in first}) == len(first)


def test_the_run_reads_held_out_templates():
  config = tiny.get_config('data.wording=varied,data.eval_episodes=3')
  held = pipeline.eval_episodes(config, 'test', held_out='templates')
  assert held == list(synthetic.episodes(config, 'test_templates')[:3])
  pairs = pipeline.eval_episodes(config, 'test')
  assert pairs == list(synthetic.episodes(config, 'test_pairs')[:3])
  plain = tiny.get_config('data.wording=plain')
  with pytest.raises(ValueError, match="no test_templates split; use 'varied'"):
    pipeline.eval_episodes(plain, 'test', held_out='templates')
  with pytest.raises(ValueError, match="style='loud'"):
    synthetic.episodes(config, 'test', style='loud')[0]


def _scrambled(share, split='train', count=40):
  config = tiny.get_config(
    f'data.wording=varied,data.chunk_sentences=3,data.scrambled={share}'
  )
  return [pipeline.make_source(config, split)[i] for i in range(count)]


def _taken(shared):
  """Share of told values that another person had, of those with a choice."""
  world = synthetic.WorldConfig(
    wording='varied', chunk_sentences=3, shared=shared
  )
  had = told = 0
  for uid in range(12):
    now = {}
    for chunk in synthetic.episode(world, 'train', uid, 30, 0).chunks:
      for note in synthetic.oracle_notes(chunk):
        if note.kind == 'semantic':
          (name, cue), value = note.key, note.text.lower().split()[-1]
          others = {v for (n, c), v in now.items() if c == cue and n != name}
          had += value in others
          told += bool(others)
          now[name, cue] = value
  return had / told


def test_shared_values_are_those_of_others():
  rare, half, all_ = map(_taken, (0.0, 0.5, 1.0))
  assert rare < 0.3 and half > rare + 0.2 and all_ > half + 0.2


def test_scrambled_sentences_are_of_training_alone():
  assert _scrambled(0.5, 'test_pairs', 4) == _scrambled(0.0, 'test_pairs', 4)
  plain, told = ([c for e in _scrambled(share) for c in e.chunks]
                 for share in (0.0, 1.0))  # fmt: skip
  read = lambda chunks: sum(len(synthetic.oracle_notes(c)) for c in chunks)
  # Which notes say what none of the templates does: few by chance.
  assert read(told) < 0.2 * read(plain)


def test_scrambled_clauses_keep_their_words_and_who_is_whose():
  wording = synthetic_wording.Varied(templates.SEEN, scrambled=1.0)
  rng, orders, invented = random.Random(0), set(), collections.Counter()
  for _ in range(60):
    said = wording._scrambled(rng, 'Ana has a job as a baker', 'job').split()
    kept = [w for w in said if w in ['Ana', 'has', 'a', 'job', 'as', 'baker']]
    assert sorted(kept) == sorted(
      ['Ana', 'has', 'a', 'job', 'as', 'a', 'baker']
    )
    orders.add(tuple(kept))
    invented[len(said) - 7] += 1
    said = wording._scrambled(rng, 'Tom is the boss of Ana', 'boss').split()
    assert [
      w for w in said if w in ['Tom', 'is', 'the', 'boss', 'of', 'Ana']
    ] == (['Tom', 'is', 'the', 'boss', 'of', 'Ana'])
    assert '3 May' in wording._scrambled(rng, 'on 3 May I saw it')
  assert len(orders) > 30 and set(invented) == {0, 1, 2, 3}
