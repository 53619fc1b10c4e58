"""Made-up raw files of every source, in the formats of their publishers."""

import itertools
import json
import random

from mem_alpha_jax.data import content, labelled

_SYLLABLES = tuple(map(''.join, itertools.product('bdgklmst', 'aeiou')))


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
      if content.belongs(name, split):
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


def nlu(root, each=120):
  words = Words(5)
  header = (
    'userid;answerid;scenario;intent;status;answer_annotation;notes;'
    'suggested_entities;answer_normalised;answer;question'
  )
  rows = [f'1;1;home;i{k};null;x;null;x;x;{words.text(5)};q'
          for _ in range(each) for k in range(4)]  # fmt: skip
  _text(root / labelled.READERS['nlu'][0], '\n'.join([header, *rows]))


def trec(root, each=120):
  words = Words(6)
  rows = [f'C{k % 2}:f{k} {words.text(5)}' for _ in range(each)
          for k in range(4)]  # fmt: skip
  _text(root / labelled.READERS['trec_fine'][0], '\n'.join(rows))


def pubmed_rct(root, each=120):
  words = Words(7)
  rows = [f'L{k}\t{words.text(5)}' for _ in range(each) for k in range(3)]
  _text(root / labelled.READERS['pubmed_rct'][0], '\n'.join(['###1', *rows]))


ALL = (squad, hotpotqa, booksum, perltqa, nlu, trec, pubmed_rct)


def _json(path, data):
  _text(path, json.dumps(data))


def _lines(path, rows):
  _text(path, '\n'.join(map(json.dumps, rows)))


def _text(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text, encoding='utf-8')
