"""Streams of LoCoMo and LongMemEval: made-up files, a reader of rules."""

import json

import pytest
import tiny_config

from mem_alpha_jax.data import pipeline, sources
from mem_alpha_jax.evaluation import loop
from mem_alpha_jax.evaluation import stream as stream_lib
from mem_alpha_jax.methods import texts
from mem_alpha_jax.reading import registry
from mem_alpha_jax.run import stream as stream_run

SIZES = {26: (2, 1, 3, 2, 1, 2, 1), 30: (1, 3, 2, 1, 1)}  # turns a session
EVERY = 2
OPTIONS = stream_lib.Options(every=EVERY, lag=2)


def _locomo(root):
  """The first turn of a session tells a fact; some questions need two."""
  for uid, sizes in SIZES.items():
    data, asked = {}, []
    for s, size in enumerate(sizes, 1):
      said = [f'Box{s} holds thing{s}.', *['Well well well.'] * (size - 1)]
      data[f'session_{s}_date_time'] = f'1:56 pm on {s} May, 2023'
      data[f'session_{s}'] = [
        {'speaker': 'Ada', 'dia_id': f'D{s}:{i}', 'text': text}
        for i, text in enumerate(said, 1)
      ]
      asked.append(_asked(f'Box{s}?', 4, f'D{s}:1', f'thing{s}'))
    asked.append(_asked('Box2? again', 2, 'D4:1; D2:1', 'thing2'))
    asked.append(_asked('Box1? at last', 3, '', 'thing1'))
    asked.append(_asked('Nobox?', 5, 'D3:2', ''))
    data['qa'] = asked
    _write(root / 'locomo' / f'{uid}.json', data)


def _asked(text, category, evidence, answer):
  evidence = [evidence] if evidence else []
  return dict(
    question=text, category=category, evidence=evidence, answer=answer
  )


# Key -> sessions of the history and of the evidence.
HISTORIES = {
  'a': (5, [2]),
  'b': (4, [1, 3]),
  'c_abs': (4, [2]),
  'd_abs': (3, []),
}


def _longmemeval(root):
  rows = []
  for key, (sessions, evidence) in HISTORIES.items():
    chats = [
      [
        {'role': 'user', 'content': f'Box{s} holds thing{s}.'},
        {'role': 'assistant', 'content': 'Well well.'},
        {'role': 'user', 'content': 'Well.'},
      ]
      for s in range(1, sessions + 1)
    ]
    for s in evidence:
      chats[s - 1][1]['has_answer'] = True
    rows.append(
      {
        'question_id': key,
        'question_type': 'multi-session',
        'question': f'{"Nobox" if "_" in key else f"Box{evidence[-1]}"}?',
        'answer': f'thing{evidence[-1] if evidence else 0}',
        'question_date': '2023/05/30',
        'haystack_dates': [f'2023/05/0{s + 1}' for s in range(sessions)],
        'haystack_session_ids': [f's{s}' for s in range(1, sessions + 1)],
        'haystack_sessions': chats,
        'answer_session_ids': [f's{s}' for s in evidence],
      }
    )
  _write(root / 'longmemeval' / 'longmemeval_s.json', rows)


def _write(path, data):
  path.parent.mkdir(exist_ok=True)
  path.write_text(json.dumps(data))


@pytest.fixture(scope='module')
def root(tmp_path_factory):
  root = tmp_path_factory.mktemp('dialogues')
  _locomo(root)
  _longmemeval(root)
  return root


def _config(root, source, turns=0, more=''):
  return tiny_config.get_config(
    f'data.source={source},data.root={root},data.turns={turns},eval.lengths=1,'
    f'reading.reader=toy{more}'
  )


def _count(text):
  return len(text.split())


def _reader(requests):
  """What a box holds, by the words behind its name; '' if it is not there."""
  answers = []
  for request in requests:
    box = next(w for w in request.question.split() if w.endswith('?'))[:-1]
    words = ' '.join(n.text for n in request.notes[::-1]).split()
    at = words.index(box) if box in words else len(words)
    answers.append(''.join(words[at + 2 : at + 3]).strip('.'))
  return answers


def _rule(episode, question):
  return sources.rule_of(episode.source, 'lm', question.type)


def _run(episodes, folder, budget=0, reader=_reader):
  method = texts.LongContext(len(episodes), budget, _count)
  panel = loop.Panel([reader], _rule)
  return stream_lib.run(method, episodes, panel, OPTIONS, folder)


def _asks(folder, episodes):
  """[stream, sessions, question, lag] of all that was asked."""
  state = json.loads((folder / stream_lib.STATE).read_text())
  found = []
  for i, (episode, (answered, *_)) in enumerate(
    zip(episodes, state['streams'], strict=True)
  ):
    ends = stream_lib.session_ends(episode)
    for read, index, _ in answered:
      first = episode.questions[index].first
      known = sum(end <= first for end in ends) + 1
      at = ends.index(read) + 1
      found.append([i, at, index, at - known])
  return found


def _wanted_locomo():
  """(stream, sessions, question, lag) of all that is to be asked."""
  for stream, sizes in enumerate(SIZES.values()):
    count = len(sizes)
    ready = [*range(1, count + 1), 4, count, 3]  # by session
    for n in stream_lib.checkpoints(count, EVERY):
      for q, session in enumerate(ready):
        if session <= n:
          yield [stream, n, q, n - session]


def _wanted_longmemeval():
  for stream, (count, evidence) in enumerate(HISTORIES.values()):
    session = max(evidence, default=count)
    for n in stream_lib.checkpoints(count, EVERY):
      if session <= n:
        yield [stream, n, 0, n - session]


WANTED = {'locomo': _wanted_locomo, 'longmemeval': _wanted_longmemeval}


@pytest.mark.parametrize('turns', [0, 1, 2])
@pytest.mark.parametrize('source', WANTED)
def test_questions_come_after_the_sessions_of_their_evidence(
  root, tmp_path, source, turns
):
  episodes = pipeline.make_source(_config(root, source, turns), 'test')
  found = _run(episodes, tmp_path)
  assert sorted(_asks(tmp_path, episodes)) == sorted(WANTED[source]())
  points = [e[0] for e in found['accuracy'].values()]
  assert points == [1.0] * len(points) and found['saturation'] is None
  last = max(len(e.sessions) for e in episodes)
  assert [*found['time']][-1] == str(last)
  assert found['memory_tokens'][str(last)] == max(
    sum(map(_count, e.chunks)) for e in episodes
  )


@pytest.mark.parametrize('turns', [0, 1, 2])
@pytest.mark.parametrize('source', WANTED)
def test_no_session_is_dropped_whatever_a_chunk_is(root, source, turns):
  whole = pipeline.make_source(_config(root, source), 'test')
  parts = pipeline.make_source(_config(root, source, turns), 'test')
  if source == 'locomo':
    lengths = [*SIZES.values()]
  else:
    lengths = [(3,) * sessions for sessions, _ in HISTORIES.values()]
  for one, other, sizes in zip(whole, parts, lengths, strict=True):
    assert len(one.chunks) == len(one.sessions) == len(sizes)
    size = turns or max(sizes)
    assert other.sessions == tuple(-(-n // size) for n in sizes)
    ends = stream_lib.session_ends(other)
    for s, end in enumerate(ends):
      said = '\n'.join(other.chunks[end - other.sessions[s] : end])
      header = one.chunks[s].split('\n')[0]
      lines = [x for x in said.split('\n') if x != header or source == 'locomo']
      assert one.chunks[s].endswith('\n'.join(lines))
    assert ends[-1] == len(other.chunks)


def test_the_newest_words_are_what_a_bounded_memory_answers(root, tmp_path):
  budget, found = 24, {}
  for turns in (0, 1, 2):
    episodes = pipeline.make_source(_config(root, 'locomo', turns), 'test')
    found[turns] = _run(episodes, tmp_path / str(turns), budget)
    found[turns].pop('time')
  assert found[0] == found[1] == found[2]
  asked = {}
  for stream, n, q, _ in _wanted_locomo():
    ends = stream_lib.session_ends(episodes[stream])
    words = ' '.join(episodes[stream].chunks[: ends[n - 1]]).split()[-budget:]
    question = episodes[stream].questions[q]
    held = question.type == 'adversarial' or any(
      w.strip('.') == question.answer for w in words[2:]
    )
    asked.setdefault(str(n), []).append(held)
  wanted = {n: sum(row) / len(row) for n, row in asked.items()}
  means = {n: e[0] for n, e in found[0]['accuracy'].items()}
  assert means == pytest.approx(wanted)
  # Both dialogues are asked after two and after four sessions.
  assert found[0]['saturation'] == 4 and means['4'] < means['2']


@pytest.mark.parametrize('source', WANTED)
def test_an_interrupted_stream_of_turns_goes_on_to_the_same_bytes(
  root, tmp_path, source
):
  episodes = pipeline.make_source(_config(root, source, 1), 'test')
  whole = _run(episodes, tmp_path / 'whole', 24)
  calls = []

  def breaks(requests):
    calls.append(len(requests))
    if len(calls) == 3:
      raise KeyboardInterrupt
    return _reader(requests)

  with pytest.raises(KeyboardInterrupt):
    _run(episodes, tmp_path / 'cut', 24, breaks)
  wanted = _asks(tmp_path / 'whole', episodes)
  assert 0 < len(_asks(tmp_path / 'cut', episodes)) < len(wanted)
  resumed = _run(episodes, tmp_path / 'cut', 24)
  assert _asks(tmp_path / 'cut', episodes) == wanted
  whole.pop('time'), resumed.pop('time')
  assert json.dumps(whole) == json.dumps(resumed)


@pytest.mark.parametrize(
  ('source', 'other'),
  [('locomo', 'keep_newest'), ('longmemeval', 'newest_words')],
)
def test_the_mode_streams_dialogues(root, tmp_path, source, other, monkeypatch):
  toy = registry.Kind(lambda *parts: (_reader, _reader), sentences=True)
  monkeypatch.setitem(registry.READERS, 'toy', toy)
  more = (
    f',stream.methods={other};long_context,stream.every=2,'
    'stream.lag=9,warm_start.checkpoint=tiny_base'
  )
  config = _config(root, source, 1, more)
  found = stream_run.main(config, str(tmp_path))
  folder = tmp_path / 'stream' / source
  assert (folder / 'curves.png').read_bytes()[:4] == b'\x89PNG'
  wanted = sorted({str(n) for _, n, *_ in WANTED[source]()}, key=int)
  assert found.keys() == {other, 'long_context'}
  for one in found.values():
    assert [*one['accuracy']] == wanted and not one['fixed_lag']
  assert {e[0] for e in found['long_context']['accuracy'].values()} == {1.0}


@pytest.mark.parametrize('source', WANTED)
def test_dialogues_are_not_trained_on(root, source):
  with pytest.raises(ValueError, match=f'{source} has no train split'):
    pipeline.make_source(_config(root, source), 'train')
