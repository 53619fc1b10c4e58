"""Made-up raw files of every source, in the formats of their publishers."""

import itertools
import json
import random

import pyarrow
import pyarrow.parquet as parquet

from mem_alpha_jax.data import content, label_files

_SYLLABLES = tuple(map(''.join, itertools.product('bdgklmst', 'aeiou')))


def belongs(text, split):
  """Whether a text, such as the title of an article, is of a split."""
  key = content.digest(text)
  return content.bucket(key, 'split') in content.SPLITS[split]


class Words:
  """Endless made-up words and sentences, the same for the same seed."""

  def __init__(self, seed):
    self._random = random.Random(seed)

  def word(self):
    return ''.join(self._random.choices(_SYLLABLES, k=3))

  def text(self, count):
    return ' '.join(self.word() for _ in range(count)).capitalize() + '.'

  def name(self, split):
    """Two words that, as a title, are of a split."""
    while True:
      name = f'{self.word()} {self.word()}'.title()
      if belongs(name, split):
        return name


def _each(count):
  """Splits of `count` things: one of four is for validation."""
  return itertools.islice(
    itertools.cycle(['train'] * 3 + ['validation']), count
  )


def squad(root, articles=16):
  words, data = Words(1), []
  for split in _each(articles):
    paragraphs = []
    for _ in range(6):
      text, asked = words.text(40), []
      for answer in text.split()[5:8]:
        gold = {'text': answer, 'answer_start': text.index(answer)}
        question = f'What is {words.word()} of {words.word()}?'
        asked.append({'id': '', 'question': question, 'answers': [gold]})
      paragraphs.append({'context': text, 'qas': asked})
    data.append({'title': words.name(split), 'paragraphs': paragraphs})
  _json(root / 'squad' / 'train-v1.1.json', {'version': '1.1', 'data': data})


def hotpotqa(root, questions=100):
  words, rows = Words(2), []
  for split in _each(questions):
    context = [[words.name(s), [words.text(9), f' {words.text(9)}']]
               for s in (split, split, 'train')]  # fmt: skip
    facts = [[context[0][0], 0], [context[0][0], 1], [context[1][0], 0]]
    rows.append(
      {
        '_id': '',
        'question': f'Which {words.word()} has {words.word()}?',
        'answer': words.word(),
        'type': 'bridge',
        'level': 'easy',
        'supporting_facts': facts,
        'context': context,
      }
    )
  _json(root / 'hotpotqa' / 'hotpot_train_v1.1.json', rows)


def booksum(root, chapters=4, sentences=400):
  words, rows = Words(3), []
  for i, split in enumerate(_each(chapters)):
    text = ' '.join(words.text(12) for _ in range(sentences))
    summary = [{'source': 's', 'text': words.text(9), 'analysis': None}]
    rows.append({'bid': i, 'book_title': words.name(split), 'chapter_id': i,
                 'text': text, 'summary': summary})  # fmt: skip
  _lines(root / 'booksum' / 'chapters' / 'train.jsonl', rows)
  keywords = {k: rows[0][k] for k in ('book_title', 'chapter_id')}
  keywords['keywords'] = 'one; two'
  _lines(root / 'booksum' / 'keywords.jsonl', [keywords])


def perltqa(root, people=4):
  words, memory, asked = Words(4), {}, []
  for split in _each(people):
    name = words.name(split)
    events, dialogues, about, said = {}, {}, [], []
    for k in range(3):
      event = f'1_0_{k}'
      events[event] = {'summary': words.text(6), 'Creation Time': 'May 2022'}
      turns = [f'{name}: {words.text(9)}' for _ in range(4)]
      dialogues[f'{event}#{k}'] = {
        'events': event,
        'contents': {f'2022-05-0{k + 1} 10:00': turns},
      }
      spoken = turns[1].split(': ')[1].strip('.').split()
      rows = [
        {
          'Question': f'What of {words.word()}?',
          'Answer': '',
          'Reference Memory': f"['{event}#{k}']",
          'Memory Anchors': [{spoken[j]: [-1, -1]}, {'not said': [-1, -1]}],
        }
        for j in range(7)
      ]
      about.append({event: rows[:2]})
      said.append({f'{event}#{k}': rows[2:]})
    memory[name] = {
      'profile': {},
      'social_relationship': {},
      'events': events,
      'dialogues': dialogues,
    }
    asked.append({name: {'profile': [], 'social_relationship': [],
                         'events': about, 'dialogues': said}})  # fmt: skip
  _json(root / 'perltqa' / 'perltmem_en_v2.json', memory)
  _json(root / 'perltqa' / 'perltqa_en_v2.json', asked)


def lme_train(root, questions=32):
  words, rows = Words(8), []
  for i, split in enumerate(_each(questions)):
    asked = (f'Where is {words.name(split)}?' for _ in itertools.count())
    question = next(q for q in asked if belongs(q, split))
    sessions = [
      [{'role': role, 'content': words.text(30)} for role in ('user', 'system')]
      for _ in range(2)
    ]
    rows.append(longmemeval_row(f'q{i}', question, sessions))
  _json(root / 'longmemeval' / 'longmemeval_oracle.json', rows)


def longmemeval_row(key, question, sessions):
  """An instance of LongMemEval; all of its sessions are evidence, newest first.

  Its answer is 'here'.
  """
  days = range(len(sessions), 0, -1)
  ids = [f'answer_{key}_{day}' for day in days]
  return {
    'question_id': key,
    'question_type': 'multi-session',
    'question': question,
    'answer': 'here',
    'question_date': '2023/05/30 (Tue) 23:40',
    'haystack_dates': [f'2023/05/{day:02} (Mon) 10:00' for day in days],
    'haystack_session_ids': ids,
    'haystack_sessions': sessions,
    'answer_session_ids': ids,
  }


def locomo_file(path, turns, questions):
  """A file of LoCoMo: turns of one session, questions with their answers."""
  session = [
    {'speaker': 'Ada', 'dia_id': f'D1:{i}', 'text': text}
    for i, text in enumerate(turns, 1)
  ]
  asked = [
    {'question': q, 'answer': a, 'category': 4, 'evidence': ['D1:1']}
    for q, a in questions
  ]
  date = '1:56 pm on 8 May, 2023'
  _json(path, {'session_1_date_time': date, 'session_1': session, 'qa': asked})


def memalpha(path, episodes):
  """A parquet file of Mem-alpha, which keeps texts and answers alone."""
  rows = [
    {
      'instance_id': e.uid,
      'prompt': '',
      'chunks': json.dumps(e.chunks),
      'questions_and_answers': json.dumps(
        [{'question': q.text, 'answer': q.answer} for q in e.questions]
      ),
      'data_source': e.source,
      'metadata': '{}',
      'num_chunks': len(e.chunks),
      'num_questions': len(e.questions),
    }
    for e in episodes
  ]
  path.parent.mkdir(parents=True, exist_ok=True)
  parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def nlu(root, each=120):
  words = Words(5)
  header = (
    'userid;answerid;scenario;intent;status;answer_annotation;notes;'
    'suggested_entities;answer_normalised;answer;question'
  )
  rows = [f'1;1;home;i{k};null;x;null;x;x;{words.text(5)};q'
          for _ in range(each) for k in range(4)]  # fmt: skip
  _text(root / label_files.SETS['nlu'].file, '\n'.join([header, *rows]))


def trec(root, each=120):
  words = Words(6)
  rows = [f'C{k % 2}:f{k} {words.text(5)}' for _ in range(each)
          for k in range(4)]  # fmt: skip
  _text(root / label_files.SETS['trec_fine'].file, '\n'.join(rows))


def pubmed_rct(root, each=120):
  words = Words(7)
  rows = [f'L{k}\t{words.text(5)}' for _ in range(each) for k in range(3)]
  _text(root / label_files.SETS['pubmed_rct'].file, '\n'.join(['###1', *rows]))


ALL = (
  squad, hotpotqa, booksum, perltqa, lme_train, nlu, trec, pubmed_rct,
)  # fmt: skip


def _json(path, data):
  _text(path, json.dumps(data))


def _lines(path, rows):
  _text(path, '\n'.join(map(json.dumps, rows)))


def _text(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text, encoding='utf-8')
