"""SQuAD, HotpotQA, BookSum and PerLTQA: formats, and how episodes are made."""

import json

import pytest
import small_raw

from mem_alpha_jax.data import (
  booksum,
  content,
  hotpotqa,
  lme_train,
  longmemeval,
  mixture,
  perltqa,
  squad,
)
from mem_alpha_jax.data.source import Request
from mem_alpha_jax.text import wrapping


def _words(text):
  return len(text.split())


def _thirds(text):
  return max(1, len(text) // 3)


def _build(module, root, split='train', count=_thirds, most=9):
  return module.build(Request(str(root), split, 0, count, most))


def _set(monkeypatch, module, **constants):
  for name, value in constants.items():
    monkeypatch.setattr(module, name, value)


def _body(chunk):
  return '\n'.join(wrapping.body(chunk))


def _edit(path, change):
  data = json.loads(path.read_text())
  change(data)
  path.write_text(json.dumps(data))


def test_squad_questions_stand_behind_their_paragraph(tmp_path, monkeypatch):
  _set(monkeypatch, squad, _CHUNKS=2, _LEAST=5)
  small_raw.squad(tmp_path)
  paragraphs = squad.load(str(tmp_path))
  assert len(paragraphs) == 96
  made = {split: _build(squad, tmp_path, split) for split in content.SPLITS}
  about = {p.text: p for p in paragraphs}
  gold = {text: g for p in paragraphs for text, (g,) in p.questions}
  for split, episodes in made.items():
    assert len(episodes) > 1
    assert [e.uid for e in episodes] == list(range(len(episodes)))
    for episode in episodes:
      bodies = [_body(c) for c in episode.chunks]
      assert len(bodies) <= 2 and len(episode.questions) <= 100
      assert all(_thirds(b) <= 2048 for b in bodies)
      for q in episode.questions:
        read = ''.join(''.join(bodies[: q.first + 1]).split())
        paragraph = next(
          p for p in about.values() if q.text in dict(p.questions)
        )
        assert small_raw.belongs(paragraph.title, split)
        assert ''.join(paragraph.text.split()) in read
        before = ''.join(''.join(bodies[: q.first]).split())
        assert ''.join(paragraph.text.split()) not in before
        told = ''.join(''.join(bodies[t] for t in q.evidence).split())
        assert ''.join(paragraph.text.split()) in told
        assert q.answer == gold[q.text] and q.last == len(bodies) - 1
  assert _build(squad, tmp_path) == made['train']


def test_squad_leaves_out_what_it_cannot_ask(tmp_path, monkeypatch):
  _set(monkeypatch, squad, _LEAST=1)
  small_raw.squad(tmp_path, articles=1)
  path = tmp_path / 'squad' / 'train-v1.1.json'

  def change(data):
    paragraphs = data['data'][0]['paragraphs']
    qas = paragraphs[0]['qas']
    qas[0] |= {'is_impossible': True, 'answers': []}
    qas[1]['answers'] = [{'text': t} for t in ('one', 'two', 'one')]
    qas[2]['answers'] = [{'text': 'five words are too many'}]
    paragraphs[1:] = [dict(paragraphs[0])]

  _edit(path, change)
  (paragraph,) = squad.load(tmp_path)
  assert [a for _, a in paragraph.questions] == [
    ('one', 'two'),
    ('five words are too many',),
  ]
  (episode,) = _build(squad, tmp_path, count=_words)
  (question,) = episode.questions
  assert (question.answer, question.others) == ('one', ('two',))
  path.with_name('train-v2.0.json').write_text('{}')
  with pytest.raises(FileNotFoundError, match='2 files.*squad'):
    squad.load(tmp_path)
  path.unlink()
  with pytest.raises(
    ValueError, match='train-v2.0.json: no row in a JSON list'
  ):
    squad.load(tmp_path)


def test_hotpotqa_has_the_supporting_articles_alone(tmp_path, monkeypatch):
  _set(monkeypatch, hotpotqa, _TOKENS=1500)
  small_raw.hotpotqa(tmp_path)
  items = list(hotpotqa.load(str(tmp_path)))
  assert len(items) == 100 and all(len(i.articles) == 2 for i in items)
  made = _build(hotpotqa, tmp_path, most=2)
  by_question = {item.question: item for item in items}
  assert len(made) == 2
  asked = [q.text for e in made for q in e.questions]
  assert len(asked) == len(set(asked))
  for episode in made:
    bodies = [_body(c) for c in episode.chunks]
    whole = ''.join(''.join(bodies).split())
    expected = dict(
      a for q in episode.questions for a in by_question[q.text].articles
    )
    texts = (f'{title}: {text}' for title, text in expected.items())
    assert whole == ''.join(''.join(texts).split())
    assert 1500 <= sum(_thirds(b) for b in bodies) < 1800
    for q in episode.questions:
      read = ''.join(''.join(bodies[: q.first + 1]).split())
      before = ''.join(''.join(bodies[: q.first]).split())
      item = by_question[q.text]
      needed = [''.join(text.split()) for _, text in item.articles]
      assert all(text in read for text in needed)
      told = ''.join(''.join(bodies[t] for t in q.evidence).split())
      assert all(text in told for text in needed)
      assert not all(text in before for text in needed)
      assert q.text in content.keys_of(by_question, 'train')
      assert q.answer == item.answer


def test_hotpotqa_trains_on_no_article_of_validation(tmp_path, monkeypatch):
  _set(monkeypatch, hotpotqa, _LEAST=1)
  small_raw.hotpotqa(tmp_path, questions=8)
  path = tmp_path / 'hotpotqa' / 'hotpot_train_v1.1.json'

  def change(rows):
    for row in rows:
      row['context'] = [['Shared', ['A text.']]]
      row['supporting_facts'] = [['Shared', 0]]

  _edit(path, change)
  assert _build(hotpotqa, tmp_path, 'validation')
  assert not _build(hotpotqa, tmp_path, 'train')


def test_hotpotqa_errors_name_the_row(tmp_path):
  with pytest.raises(FileNotFoundError, match='hotpot_train_v1.1.json'):
    list(hotpotqa.load(tmp_path))
  small_raw.hotpotqa(tmp_path, questions=3)
  path = tmp_path / 'hotpotqa' / 'hotpot_train_v1.1.json'
  _edit(path, lambda rows: rows[1]['supporting_facts'].append(['Nowhere', 0]))
  with pytest.raises(ValueError, match=r'v1.1.json: row 1: .*Nowhere'):
    list(hotpotqa.load(tmp_path))
  _edit(path, lambda rows: rows[1].update(supporting_facts=[]))
  with pytest.raises(ValueError, match=r'row 1: a supporting article'):
    list(hotpotqa.load(tmp_path))
  path.write_text('{')
  with pytest.raises(ValueError, match='row 0: no JSON'):
    list(hotpotqa.load(tmp_path))


def test_booksum_reads_a_chapter_over_days_and_asks_once(tmp_path, monkeypatch):
  small_raw.booksum(tmp_path)
  chapters = booksum.load(str(tmp_path))
  made = _build(booksum, tmp_path)
  assert len(made) == 3
  by_gold = {e.questions[0].answer: e for e in made}
  assert by_gold['one; two'].questions[0].type == 'booksum'
  for chapter in chapters[1:3]:
    episode = by_gold[chapter.summary]
    (question,) = episode.questions
    dates = [c.split('\n')[0][-10:] for c in episode.chunks]
    assert dates == sorted(set(dates)) and dates[0][:-1] == '2024-01-0'
    assert dates[0] in question.text and dates[-1] in question.text
    assert question.type == 'booksum_summary'
    assert question.first == question.last == len(episode.chunks) - 1
    bodies = [_body(c) for c in episode.chunks]
    assert ' '.join(bodies) == chapter.text
    assert all(b.endswith('.') and _thirds(b) <= 2048 for b in bodies)
  assert made[:2] == _build(booksum, tmp_path, most=2)
  _set(monkeypatch, booksum, _CHUNKS=(1, 4))
  assert not _build(booksum, tmp_path)


def test_booksum_errors_name_the_line(tmp_path):
  with pytest.raises(FileNotFoundError, match='train.jsonl'):
    booksum.load(tmp_path)
  small_raw.booksum(tmp_path, chapters=2, sentences=1)
  path = tmp_path / 'booksum' / 'chapters' / 'train.jsonl'
  rows = [json.loads(line) for line in path.read_text().splitlines()]
  rows[1]['summary'] = []
  path.write_text('\n\n'.join(map(json.dumps, rows)))
  assert len(booksum.load(tmp_path)) == 1  # without a summary: left out
  path.write_text('\n' + json.dumps(rows[0]) + '\n{"book_title": "A"}\n')
  with pytest.raises(ValueError, match='train.jsonl:3: chapter_id: field'):
    booksum.load(tmp_path)
  (tmp_path / 'booksum' / 'keywords.jsonl').write_text('{"keywords": "x"}')
  with pytest.raises(ValueError, match='keywords.jsonl:1: book_title: field'):
    booksum.load(tmp_path)


def test_perltqa_gold_is_what_the_chunk_says(tmp_path, monkeypatch):
  small_raw.perltqa(tmp_path)
  people = perltqa.load(str(tmp_path))
  assert len(people) == 4
  made = _build(perltqa, tmp_path)
  assert len(made) == 3
  for episode in made:
    assert len(episode.chunks) == 3 and len(episode.questions) == 21
    assert 'Dialogue of 2022-05-02 10:00\n' in episode.chunks[1]
    for q in episode.questions:
      assert q.answer in episode.chunks[q.first] and 'not said' not in q.answer
      assert q.last == 2
  with monkeypatch.context() as patch:
    patch.setattr(perltqa, '_LEAST', 22)  # nobody has as many: all are taken
    assert _build(perltqa, tmp_path) == made
    patch.setattr(perltqa, '_CHUNKS', 2)
    assert not _build(perltqa, tmp_path)
  monkeypatch.setattr(perltqa, '_MOST', 5)
  assert {len(e.questions) for e in _build(perltqa, tmp_path)} == {5}


def test_perltqa_anchors_are_unescaped_and_short(tmp_path, monkeypatch):
  _set(monkeypatch, perltqa, _LEAST=1)
  small_raw.perltqa(tmp_path, people=1)
  path = tmp_path / 'perltqa' / 'perltqa_en_v2.json'

  def change(asked):
    ((_, about),) = asked[0].items()
    (rows,) = about['events'][0].values()
    turn = json.loads((path.parent / 'perltmem_en_v2.json').read_text())
    ((_, memory),) = turn.items()
    one, two, three, four = memory['events']['1_0_0']['summary'].split()[:4]
    anchors = [f'{one} {two}', two, two, f'{one} {two} {three} {four}', one[:2]]
    rows[0]['Memory Anchors'] = [{word: [-1, -1]} for word in anchors]
    about['dialogues'], about['events'] = [], [{'1_0_0': rows[:1]}]

  _edit(path, change)
  ((episode,),) = [
    made for s in content.SPLITS if (made := _build(perltqa, tmp_path, s))
  ]
  (question,) = episode.questions
  one, two = question.answer.split('; ')
  assert len(one.split()) == 2 and one.split()[1] == two


def test_perltqa_errors_name_the_person(tmp_path):
  with pytest.raises(FileNotFoundError, match='perltmem_en_v2.json'):
    perltqa.load(tmp_path)
  small_raw.perltqa(tmp_path, people=1)
  path = tmp_path / 'perltqa' / 'perltmem_en_v2.json'
  (name,) = json.loads(path.read_text())
  _edit(path, lambda memory: memory[name].pop('events'))
  with pytest.raises(ValueError, match=f'{name}.events: field required'):
    perltqa.load(tmp_path)
  path.write_text('[')
  with pytest.raises(ValueError, match='perltmem_en_v2.json: no JSON'):
    perltqa.load(tmp_path)


def test_longmemeval_questions_share_a_history_by_session(
  tmp_path, monkeypatch
):
  small_raw.lme_train(tmp_path)
  path = tmp_path / 'longmemeval' / 'longmemeval_oracle.json'
  by_text = {i.question.text: i for i in longmemeval.instances(path)}
  made = {
    split: _build(lme_train, tmp_path, split, _words)
    for split in content.SPLITS
  }
  assert [len(made[split]) for split in content.SPLITS] == [6, 2]
  for split, episodes in made.items():
    assert [e.uid for e in episodes] == list(range(len(episodes)))
    for e in episodes:
      assert e.source == 'lme_train' and len(e.questions) == 4
      assert len(e.chunks) == 8  # two sessions a question, each fits a chunk
      dates = [c.split('\n')[0] for c in e.chunks]
      assert dates == sorted(dates)
      for q in e.questions:
        instance = by_text[q.text]
        assert small_raw.belongs(instance.asked, split)
        assert (q.answer, q.last) == (instance.question.answer, 7)
        said = [s.turns[1].content for s in instance.sessions]
        read = '\n'.join(e.chunks[: q.first + 1])
        assert all(text in read for text in said)
        assert not all(text in '\n'.join(e.chunks[: q.first]) for text in said)
  _set(monkeypatch, lme_train, _LIMIT=40, _QUESTIONS=2)
  (one,) = _build(lme_train, tmp_path, count=_words, most=1)
  assert len(one.questions) == 2 and len(one.chunks) == 8  # split by turns


def test_longmemeval_questions_of_one_session_are_not_parted(tmp_path):
  small_raw.lme_train(tmp_path)
  shared = [[{'role': 'user', 'content': f'Note {k}.'}] for k in range(3)]
  # The first and the last share a session with the second, not with each other.
  chosen = (shared[:1], shared[:2], shared[1:])
  rows = [
    small_raw.longmemeval_row(f's{i}', f'Where is {i}?', sessions[::-1])
    for i, sessions in enumerate(chosen)
  ]
  for row, dates in zip(rows, ('1', '21', '32'), strict=True):
    row['haystack_dates'] = [f'2023/01/0{day}' for day in dates]
  path = tmp_path / 'longmemeval' / 'longmemeval_oracle.json'
  _edit(path, lambda data: data.extend([rows[0], rows[2], rows[1]]))
  found = []
  for split in content.SPLITS:
    found += _build(lme_train, tmp_path, split, _words, 99)
  wanted = {f'[2023/05/30 (Tue) 23:40] Where is {i}?' for i in range(3)}
  places = [e for e in found if wanted & {q.text for q in e.questions}]
  assert len(places) == 1
  texts = [c.split('\n')[1] for c in places[0].chunks if 'Note' in c]
  assert texts == [f'User: Note {k}.' for k in range(3)]  # each is read once


def test_a_source_that_is_not_mixed_is_named(tmp_path):
  with pytest.raises(ValueError, match='banking77 is not in the mixture'):
    mixture.build(str(tmp_path), 'banking77', 'train', 0, len, capped=True)
