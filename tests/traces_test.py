"""ALFWorld and ScienceWorld: traces made up here, and real ones.

Real ones are in ../shared/data, and are skipped where they are not.
"""

import collections
import json
import pathlib

import pytest

from configs import tiny
from mem_alpha_jax.data import alfworld, pipeline, scienceworld, traces
from mem_alpha_jax.types import Question

REAL = pathlib.Path(__file__).parents[1] / '../shared/data'
real = pytest.mark.skipif(not REAL.exists(), reason='no ../shared/data')
SPLITS = 'train', 'validation', 'test'


def _write(path, data):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(data if isinstance(data, str) else json.dumps(data))


def _by_split(name, root, **fields):
  config = tiny.get_config(f'data.source={name},data.root={root}')
  for field, value in fields.items():
    config.data[field] = value
  return {s: list(pipeline.make_source(config, s)) for s in SPLITS}


ROOM = (
  'You are in the middle of a room. Looking quickly around you, you see a '
  'bed {0}, and a desk 1.\nYour task is to: put some mug on desk.'
)
STEPS = (
  ('go to bed 1', 'On the bed 1, you see a mug 1, and a pen 2.'),
  ('take mug 1 from bed 1', 'You pick up the mug 1 from the bed 1.'),
  ('open box 1', 'You open the box 1. The box 1 is open. In it, you see '
   'a pen 2.'),
  ('put mug 1 in/on desk 1', 'You put the mug 1 in/on the desk 1.'),
  ('look', 'You are in the middle of a room. Looking quickly around you, you '
   'see nothing.'),
)  # fmt: skip
PLACES = [
  ('Where is the mug 1?', 'bed 1', 1, 1),
  ('Where is the pen 2?', 'bed 1', 1, 2),
  ('Where is the pen 2?', 'box 1', 3, 5),
  ('Where is the mug 1?', 'desk 1', 4, 5),
]


def _text(number=1):
  steps = ''.join(f'\n> {action}\n{seen}' for action, seen in STEPS)
  return ROOM.format(number) + steps + '\n'


def _chat():
  found = [{'role': 'user', 'content': ROOM.format(9)}]
  for action, seen in STEPS:
    found += [
      {'role': 'assistant', 'content': f'Thought: so.\nAction: {action}'},
      {'role': 'user', 'content': f'Observation: {seen}'},
    ]
  return {'task': 'put', 'example': found[:-1]}  # nothing seen at the end


def test_alfworld_asks_where_things_are(tmp_path, told):
  folder = tmp_path / 'alfworld'
  _write(folder / 'prompts.json', {f'a_{i}': _text(i) for i in range(8)})
  _write(folder / 'shots.txt', f'{_text(0)}\n{_text(8)}STATUS: FAIL\nPlan.\n')
  _write(folder / 'chats.json', [_chat()])
  runs = [{'name': name, 'memory': [], 'is_success': True} for name in 'ef']
  _write(folder / 'logs.json', runs)
  _write(folder / 'LICENSE', 'MIT')
  parts = _by_split('alfworld', tmp_path)
  found = sorted(
    (e for some in parts.values() for e in some), key=lambda e: e.uid
  )
  assert [e.uid for e in found] == list(range(10)) and all(parts.values())
  (line,) = told.messages[:1]
  for part in (
    '10 traces', 'runs without a trace: 2', 'traces that come again: 1',
    'files of another kind: 1',
  ):  # fmt: skip
    assert part in line
  for episode in found:
    chat = 'bed 9' in episode.chunks[0]
    assert [(q.text, q.answer, q.first, q.last) for q in episode.questions] == (
      PLACES
    )
    said = 'Thought: so.\nAction: go to bed 1' if chat else 'go to bed 1'
    assert episode.chunks[1] == (
      f'Action: {said}\nObservation: {STEPS[0][1]}'
    )  # fmt: skip
    assert episode.chunks[5].count('Observation') == 1 - chat
  assert sum('STATUS: FAIL\nPlan.' in e.chunks[-1] for e in found) == 1


def test_what_one_chunk_tells_and_ends_is_not_asked(tmp_path):
  trace = traces.Trace('Do.', [traces.Step(*step) for step in STEPS])
  episode = traces.episode(3, 'x', trace, alfworld._told, 0, 0)
  assert len(episode.chunks) == 1 and episode.sessions == (1,)
  assert episode.questions == (
    Question('Where is the pen 2?', 'box 1', 'place', 0, 0),
    Question('Where is the mug 1?', 'desk 1', 'place', 0, 0),
  )


def test_what_is_seen_again_is_one_fact():
  steps = [traces.Step('look', 'On the bed 1, you see a pen 2.')] * 3
  episode = traces.episode(
    0, 'x', traces.Trace('Do.', steps), alfworld._told, 1, 0
  )
  assert episode.questions == (
    Question('Where is the pen 2?', 'bed 1', 'place', 1, 3),
  )


PATH = [
  ('look around', 'This room is called the hallway. In it, you see: \n\ta pen'),
  ('open door', 'The door is already open.'),
  ('go to outside', 'You move to the outside.'),
  ('focus on egg', 'You focus on the turtle egg.'),
]


def _variation(fold, steps=PATH):
  path = [{'action': a, 'observation': o, 'score': '0.0',
           'isCompleted': 'false'} for a, o in steps]  # fmt: skip
  return {'variationIdx': 0, 'fold': fold, 'taskDescription': f'{fold} task.',
          'path': path}  # fmt: skip


def test_scienceworld_has_the_published_folds(tmp_path, told):
  data = {
    '23': {'taskIdx': 23, 'taskName': 'x', 'goldActionSequences': [
      _variation('train'), _variation('dev'), _variation('test'),
      _variation('test', []),
    ]}
  }  # fmt: skip
  _write(tmp_path / 'scienceworld' / 'goldsequences-23.json', data)
  parts = _by_split('scienceworld', tmp_path)
  assert [e.chunks[0] for some in parts.values() for e in some] == [
    'train task.', 'dev task.', 'test task.'
  ]  # fmt: skip
  assert [q[:5] for q in parts['test'][0].questions] == [
    ('Where is the agent?', 'hallway', 'place', 1, 2),
    ('Where is the agent?', 'outside', 'place', 3, 4),
    ('What did the agent focus on last?', 'turtle egg', 'focus', 4, 4),
  ]
  assert (
    'goldsequences-23.json: 3 traces; traces without a step: 1'
    in (told.messages[0])
  )
  data['23']['goldActionSequences'][0]['fold'] = 'held-out'
  _write(tmp_path / 'scienceworld' / 'goldsequences-23.json', data)
  with pytest.raises(ValueError, match=r'Sequences\[0\]\.fold: input sho'):
    _by_split('scienceworld', tmp_path)


@real
def test_real_alfworld(told):
  read = lambda path: json.loads(path.read_text())
  folder = REAL / 'alfworld'
  (prompts,) = folder.glob('prompts*.json')
  (chats,) = folder.glob('memrl*.json')
  (shots,) = folder.glob('*.txt')
  logs = [one for path in folder.glob('*env_results*') for one in read(path)]
  texts = [*read(prompts).values()]
  several = shots.read_text().count('Your task is to')
  found = alfworld.load(str(REAL))
  assert len(found) == len(texts) + len(read(chats)) + several == 36 + 6 + 2
  steps = sum(text.count('\n> ') for text in (*texts, shots.read_text()))
  steps += sum(
    m['role'] == 'assistant' for chat in read(chats) for m in chat['example']
  )
  assert sum(len(trace.steps) for trace in found) == steps
  assert told.messages[0].endswith(f'runs without a trace: {len(logs)}')
  assert len(logs) == 268
  parts = _by_split('alfworld', REAL)
  assert {s: len(e) for s, e in parts.items()} == (
    {'train': 36, 'validation': 7, 'test': 1}
  )  # fmt: skip
  rooms = [{e.chunks[0] for e in some} for some in parts.values()]
  assert len(set.union(*rooms)) == sum(map(len, rooms))  # a room has one split
  asked = [q for some in parts.values() for e in some for q in e.questions]
  assert len(asked) > 600
  by_text = collections.Counter(q.text for q in asked)
  assert all(text.startswith('Where is the ') for text in by_text)


@real
def test_real_scienceworld(told):
  (path,) = (REAL / 'scienceworld').glob('*.json')
  data = json.loads(path.read_text())
  folds = collections.defaultdict(list)
  for task in data.values():
    for one in task['goldActionSequences']:
      folds[one['fold']].append(one['path'])
  parts = _by_split('scienceworld', REAL)
  for split, fold in zip(SPLITS, ('train', 'dev', 'test'), strict=True):
    assert len(parts[split]) == len(folds[fold])
    assert sum(len(e.chunks) - 1 for e in parts[split]) == (
      sum(map(len, folds[fold]))
    )
    focus = sum(
      step['observation'].startswith('You focus on')
      for steps in folds[fold] for step in steps
    )  # fmt: skip
    asked = sum(q.type == 'focus' for e in parts[split] for q in e.questions)
    assert 0 < asked <= focus  # focusing on the same again is no news
  assert sum(map(len, folds.values())) == 24 and not told.messages
  assert parts['test'][0].source == scienceworld.SOURCE
