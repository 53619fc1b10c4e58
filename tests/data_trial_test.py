"""Real and broken files: the right value of what was once read wrongly.

Real ones are in ../shared/data, and are skipped where they are not.
"""

import json
import pathlib
import re
import tempfile

import hypothesis
import pyarrow
import pyarrow.parquet as parquet
import pytest
import small_raw
import tiny_config
from hypothesis import strategies as st

from configs import jsonl as jsonl_config
from configs import tiny
from configs.paper import qwen3_4b
from mem_alpha_jax import train
from mem_alpha_jax.data import (
  babi,
  content,
  hotpotqa,
  jsonl,
  label_files,
  locomo,
  longmemeval,
  memoryagentbench,
  mixture,
  pipeline,
  rows,
  source,
  sources,
)
from mem_alpha_jax.reading import judge
from mem_alpha_jax.reward import scoring
from mem_alpha_jax.rollout import fit
from mem_alpha_jax.run import build, workdir
from mem_alpha_jax.types import ERRATUM, Episode, Question

ROOT = pathlib.Path(__file__).parents[1]
REAL = ROOT / '../shared/data'
real = pytest.mark.skipif(not REAL.exists(), reason='no ../shared/data')


def _said(told, *words):
  return [m for m in told.messages if all(w in m for w in words)]


def _one_line(function, *args, match):
  with pytest.raises((ValueError, FileNotFoundError), match=match) as error:
    result = function(*args)
    list(result)
  assert '\n' not in str(error.value) and len(str(error.value)) < 400
  return str(error.value)


# LoCoMo


def _dialogue(sessions, qa=()):
  data = {'qa': [*qa]}
  for i in sessions:
    data[f'session_{i}_date_time'] = f'1:00 pm on {i} May, 2023'
    said = {'speaker': 'Ada', 'dia_id': f'D{i}:1', 'text': f'Day {i}.'}
    data[f'session_{i}'] = [said]
  return data


@pytest.mark.parametrize(
  'sessions, missing', [([1, 3], 1), ([2, 3], 1), ([1, 2, 9, 10], 6)]
)
def test_trial_locomo_reads_all_sessions_whatever_is_missing(
  tmp_path, told, sessions, missing
):
  (tmp_path / 'locomo').mkdir()
  path = tmp_path / 'locomo' / '1.json'
  path.write_text(json.dumps(_dialogue(sessions[::-1])))
  (dialogue,) = locomo.load(str(tmp_path))
  assert [turn.session for turn in dialogue.turns] == sessions
  assert _said(told, f'sessions missing before the last: {missing}')


@pytest.mark.parametrize(
  'answer, trap, wanted',
  [
    ('No', 'Yes', ('No', 'adversarial_answered')),
    ('Yes', 'Yes', ('', 'adversarial')),
    (None, 'Yes', ('', 'adversarial')),
  ],
)
def test_trial_a_true_answer_of_category_5_is_kept(
  tmp_path, answer, trap, wanted
):
  asked = {'question': 'Is it?', 'adversarial_answer': trap, 'category': 5,
           'evidence': ['D1:1']}  # fmt: skip
  asked |= {} if answer is None else {'answer': answer}
  path = tmp_path / '1.json'
  path.write_text(json.dumps(_dialogue([1], [asked])))
  ((question,),) = [e.questions for e in locomo.sessions(path)]
  assert (question.answer, question.type) == wanted
  rule = sources.rule_of('locomo', 'lm', question.type)
  assert scoring.score('No', question.answer, rule) == float(answer == 'No')


@real
def test_trial_real_locomo_says_what_is_not_read(told):
  dialogues = locomo.load(str(REAL))
  kept = [
    q.answer for d in dialogues for q in d.questions
    if q.category == locomo.ANSWERED
  ]  # fmt: skip
  assert kept == ['No', 'No']
  (line,) = _said(told, '26.json')
  for part in (
    'dates without a session: 16', 'questions without evidence: 2',
    'category 5 with an answer: 2', 'to be wrong, marked: 4',
  ):  # fmt: skip
    assert part in line
  assert _said(told, '30.json', 'to be wrong, marked: 3')
  assert _said(told, '41.json', 'to be wrong, marked: 4')
  marked = {q.category for d in dialogues for q in d.questions
            if q.category.endswith(ERRATUM)}  # fmt: skip
  for kind in marked:  # and scored as they were
    rules = [sources.rule_of('locomo', 'lm', k)
             for k in (kind, kind.removesuffix(ERRATUM))]  # fmt: skip
    assert rules[0] == rules[1]
  assert sources.rule_of('locomo', 'lm', 'multi_hop' + ERRATUM) == 'list_f1'


# LongMemEval


def _history(path, dates, asked, key='q', text=''):
  said = [[{'role': 'user', 'content': text or date}] for date in dates]
  row = small_raw.longmemeval_row(key, 'Where?', said)
  row |= {'haystack_dates': dates, 'question_date': asked}
  path.write_text(json.dumps([row]))
  return path


def test_trial_sessions_go_by_time_whatever_the_day_is_called(tmp_path, told):
  dates = [
    '2023/05/20 (Thu) 02:21', '2023/05/20 (Sat) 01:59', '2023/05/08 (Mon) 10:00'
  ]  # fmt: skip
  path = _history(tmp_path / 'x.json', dates, '2023/05/20 (Sat) 02:00')
  (episode,) = longmemeval.load([path])
  days = [re.search(r'\S+ \(\w+\) \S+', c)[0] for c in episode.chunks]
  assert days == [dates[2], dates[1], dates[0]]
  (line,) = _said(told, 'x.json')
  assert 'sessions dated after their question: 1' in line
  assert 'histories put into order: 1' in line


@pytest.mark.parametrize(
  'key, gold, said, marked',
  [
    ('370a8ff4', 15, '', 1),
    ('dd2973ad', '2 AM', '', 1),
    ('370a8ff4', 11, '', 0),  # should it be corrected
    ('ad7109d1', '500 Mbps', 'Now I have 1 Gbps.', 1),
    ('ad7109d1', '500 Mbps', 'Now I have a cat.', 0),  # in the cleaned files
    ('q', 15, '', 0),
  ],
)
def test_trial_golds_that_are_known_to_be_wrong_are_marked(
  tmp_path, told, key, gold, said, marked
):
  date = '2023/05/20 (Sat) 01:59'
  path = _history(tmp_path / 'x.json', [date], date, key, said)
  (row,) = json.loads(path.read_text())
  row |= {'answer': gold, 'question_type': 'temporal-reasoning'}
  path.write_text(json.dumps([row]))
  (found,) = longmemeval.instances(path)
  assert found.question.answer == str(gold)  # as published
  assert found.question.type == 'temporal-reasoning' + marked * ERRATUM
  assert len(_said(told, 'known to be wrong, marked: 1')) == marked
  # A judge is told of it what it is told of others of its type.
  criteria = judge.CRITERIA['temporal-reasoning']
  assert judge.criterion(found.question.type) == criteria


@real
def test_trial_real_longmemeval_says_what_is_odd(told):
  path = REAL / 'longmemeval' / 'longmemeval_oracle.json'
  assert len(list(longmemeval.instances(path))) == 18
  assert not _said(told, 'known to be wrong')
  (line,) = _said(told, 'oracle.json')
  assert 'sessions dated after their question: 1' in line
  assert 'histories put into order: 2' in line


@real
def test_trial_one_file_of_longmemeval_is_named():
  config = tiny.get_config(f'data.source=longmemeval,data.root={REAL}')
  with pytest.raises(ValueError, match='also in .*data.file'):
    pipeline.make_source(config, 'test')
  one = config.copy_and_resolve_references().unlock()
  one.data.file = str(REAL / 'longmemeval' / 'longmemeval_s.json')
  assert len(pipeline.make_source(one, 'test')) == 2


# HotpotQA and other small files


def _words(text):
  return len(text.split())


@real
def test_trial_hotpotqa_keeps_its_questions(told):
  items = list(hotpotqa.load(str(REAL)))
  parts = {s: hotpotqa._split(items, s) for s in content.SPLITS}
  assert [len(p) for p in parts.values()] == [95, 5]
  titles = [{t for i in p for t, _ in i.articles} for p in parts.values()]
  assert titles[0].isdisjoint(titles[1])


def test_trial_an_article_of_validation_is_in_no_training():
  names = [f'question {i}' for i in range(40)]
  article = lambda i: ((f'title {i % 13}', 'text'),)
  items = [hotpotqa.Item(n, 'a', article(i)) for i, n in enumerate(names)]
  train, held_out = (hotpotqa._split(items, s) for s in content.SPLITS)
  titles = lambda some: {t for item in some for t, _ in item.articles}
  assert train and held_out and titles(train).isdisjoint(titles(held_out))


@real
@pytest.mark.parametrize(
  'name, told_of',
  [
    ('squad', ['answers of more than 4 words: ', 'questions above 100']),
    ('hotpotqa', ['questions in groups of more than 20 chunks: ']),
    ('booksum', ['chapters that are too short: ']),
    ('lme_train', ['questions left over: ']),
    ('clinc150', ['texts with two labels, left out: 2', 'come again: 44']),
    ('trec_fine', ['texts with two labels, left out: 1', 'come again: 76']),
    ('banking77', ['texts with two labels, left out: 1', 'come again: 31']),
  ],
)
def test_trial_real_sources_say_what_they_leave_out(
  told, monkeypatch, name, told_of
):
  monkeypatch.setattr(hotpotqa, '_CHUNKS', 20 if name != 'hotpotqa' else 4)
  mixture.build(str(REAL), name, 'train', 0, _words)
  for words in told_of:
    words = words.replace('20 chunks', '4 chunks')
    assert _said(told, name, words), told.messages


@real
@pytest.mark.parametrize('name', ['squad', 'hotpotqa', 'lme_train'])
def test_trial_small_files_leave_no_split_empty(name):
  for split in content.SPLITS:
    assert mixture.build(str(REAL), name, split, 0, _words)


def test_trial_a_split_of_a_small_file_gets_the_nearest_text():
  for n in (3, 4, 7):
    keys = [f'text {i}' for i in range(n)]
    parts = [content.keys_of(keys, s, content.ALL_SPLITS)
             for s in content.ALL_SPLITS]  # fmt: skip
    assert all(parts) and sorted(k for p in parts for k in p) == keys
  keys = [f'text {i}' for i in range(300)]
  assert content.keys_of(keys, 'train') == {
    k for k in keys if small_raw.belongs(k, 'train')
  }


@real
def test_trial_what_cannot_be_split_says_why():
  with pytest.raises(ValueError, match='single article, book or person'):
    mixture.build(str(REAL), 'booksum', 'validation', 0, _words)


# NLU and other tables


@pytest.mark.parametrize(
  'text, wanted',
  [
    ('Beyonc\u0393\u00f6\u00a3\u252c\u00ab list', 'Beyonc\u00e9 list'),
    ('caf\u00c3\u00a9', 'caf\u00e9'),
    ('what\u2019s \u00a31 caf\u00e9', 'what\u2019s \u00a31 caf\u00e9'),
    ('\u6211\u559c\u6b22', '\u6211\u559c\u6b22'),
  ],
)
def test_trial_wrongly_decoded_texts_are_repaired(text, wanted):
  assert label_files.readable(text) == wanted


@real
def test_trial_real_nlu_counts_repairs_and_two_labels(told):
  examples = label_files.load(str(REAL), 'nlu')
  assert len(examples) == 9922
  assert _said(told, 'nlu', 'texts repaired: 5')
  strange = [e.text for e in examples if re.search('[\u2500-\u257f]', e.text)]
  assert not strange
  config = tiny.get_config(f'data.source=nlu,data.root={REAL}')
  pipeline.make_source(config, 'train')
  assert _said(told, 'nlu', 'texts with two labels, left out: 1')


def test_trial_nlu_leaves_out_missing_texts_and_reads_folds(tmp_path, told):
  folder = tmp_path / 'nlu' / 'KFold_1'
  folder.mkdir(parents=True)
  header = 'answerid;scenario;intent;answer_from_user\n'
  for name, lines in {'a': '1;alarm;set;Wake me\n2;alarm;set;null\n',
                      'b': '3;music;play;A song\n'}.items():  # fmt: skip
    (folder / f'{name}.csv').write_text(header + lines)
  found = label_files.load(str(tmp_path), 'nlu')
  assert found == [('Wake me', 'alarm_set'), ('A song', 'music_play')]
  assert _said(told, 'texts missing: 1')


@hypothesis.given(st.text(max_size=20))
def test_trial_repairs_are_final_and_wrong_decoding_is_undone(text):
  found = label_files.readable(text)
  assert label_files.readable(found) == found
  assert label_files.readable('caf\u00e9'.encode().decode('cp1252') + 'x') == (
    'caf\u00e9x'
  )


# FactConsolidation


def _bench(path, kinds):
  lines = ['Here is a list of facts:', '0. Ada is 3.', '1. Ada is 4.']
  made = [
    {'context': '\n'.join(lines), 'questions': [f'{k}?'], 'answers': [['4']],
     'metadata': {'source': f'factconsolidation_{k}_6k'}}
    for k in kinds
  ]  # fmt: skip
  parquet.write_table(pyarrow.Table.from_pylist(made), path)
  return path


def test_trial_rows_of_one_context_are_asked_of_one_memory(tmp_path, told):
  path = _bench(tmp_path / 'x.parquet', ['sh', 'mh'])
  (episode,) = memoryagentbench.load(path, 1)
  assert len(episode.chunks) == 3
  assert [q.type for q in episode.questions] == [
    'factconsolidation_sh_6k', 'factconsolidation_mh_6k'
  ]  # fmt: skip
  assert _said(told, 'rows whose context is an earlier one: 1')
  assert sources.rule_of(episode.source, 'lm') == 'contains'


@real
def test_trial_real_factconsolidation_is_a_source():
  config = tiny.get_config(f'data.source=memoryagentbench,data.root={REAL}')
  (episode,) = pipeline.make_source(config, 'test')
  assert len(episode.questions) == 100 and len(episode.chunks) == 456
  assert all(q.last == 455 for q in episode.questions)


# The released training files


def test_trial_training_of_memalpha_leaves_out_what_tests_ask(tmp_path, told):
  def episode(uid, text, question):
    asked = (Question(question, 'x', 'squad', 0, 0),)
    return Episode(uid, 'squad', (text,), asked)

  texts = [small_raw.Words(i).text(30) for i in range(20)]
  made = [episode(i, t, f'What of {i}?') for i, t in enumerate(texts)]
  small_raw.memalpha(tmp_path / 'memalpha' / 'train.parquet', made)
  test = [
    episode(0, 'other', 'What of 3?'), episode(1, texts[5], 'What else?')
  ]  # fmt: skip
  small_raw.memalpha(tmp_path / 'memalpha' / 'test.parquet', test)
  config = tiny.get_config(f'data.source=memalpha,data.root={tmp_path}')
  clean = {e.uid for e in pipeline.make_source(config, 'train')}
  held_out = {e.uid for e in pipeline.make_source(config, 'validation')}
  every = config.copy_and_resolve_references().unlock()
  every.data.clean = False
  leaky = {e.uid for e in pipeline.make_source(every, 'train')}
  assert leaky | held_out == set(range(20)) and held_out
  assert leaky - clean == {3, 5} & leaky and clean
  assert bool(_said(told, 'question of squad')) == (3 in leaky)
  assert bool(_said(told, 'paragraph of squad')) == (5 in leaky)


# Broken files


def _file(path, data):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(data if isinstance(data, bytes) else data.encode())
  return path


BROKEN = {
  'binary': b'\x00\xff\xfe\x93PK' * 1000,
  'latin': '1 Zo\u00eb moved.\n'.encode('latin-1'),
  'long': '1 ' + 'word ' * 400_000,
  'long and broken': 'x' * 2_000_000,
}


@pytest.mark.parametrize('kind', BROKEN)
def test_trial_a_broken_file_of_babi_is_named(tmp_path, kind):
  name = 'qa1_single-supporting-fact_train.txt'
  path = _file(tmp_path / 'babi' / name, BROKEN[kind])
  said = _one_line(babi.load, str(tmp_path), 'qa1', 'train', match='qa1_sing')
  assert str(path) in said


@pytest.mark.parametrize(
  'data',
  ['[' * 100_000, '[{"a":' * 50_000, '[{"a": ' + '{"b": 1, "c": ' * 5000,
   BROKEN['binary'], '[{"question": "caf\u00e9"}]'.encode('latin-1'), ''],
  ids=['lists', 'objects', 'siblings', 'binary', 'latin', 'empty'],
)  # fmt: skip
def test_trial_broken_json_is_named(tmp_path, data):
  path = _file(tmp_path / 'hotpotqa' / 'hotpot_train_v1.1.json', data)
  said = _one_line(hotpotqa.load, str(tmp_path), match='hotpot_train')
  assert str(path) in said
  path = _file(tmp_path / 'locomo' / '3.json', data)
  assert str(path) in _one_line(locomo.load, str(tmp_path), match='3.json')


def _levels(value):
  if isinstance(value, dict):
    value = list(value.values())
  return (
    1 + max(map(_levels, value), default=0) if value.__class__ is list else 0
  )


@hypothesis.given(
  st.recursive(
    st.text(alphabet='[]{}"\\a\u00e9'),
    lambda x: st.lists(x) | st.dictionaries(st.text('[]"\\{'), x),
    max_leaves=20,
  ).filter(bool)
)
def test_trial_the_depth_of_json_is_counted_outside_of_texts(value):
  with tempfile.TemporaryFile() as file:
    file.write(json.dumps(value, ensure_ascii=False).encode())
    file.flush()
    assert rows._depth(file) == _levels(value)


@pytest.mark.parametrize('share', [0.35, 0.7, 0.999])
def test_trial_the_torn_row_of_a_cut_off_file_is_named(tmp_path, share):
  small_raw.lme_train(tmp_path)
  path = tmp_path / 'longmemeval' / 'longmemeval_oracle.json'
  text = path.read_text()
  text = text[: int(len(text) * share)]
  path.write_text(text)
  torn = text.count('"question_id"') - 1
  _one_line(longmemeval.instances, path, match=f'oracle.json: row {torn}: no J')


@pytest.mark.parametrize('name', ['banking77', 'nlu', 'trec_fine', 'clinc150'])
@pytest.mark.parametrize('kind', ['binary', 'long and broken'])
def test_trial_broken_files_of_labels_are_named(tmp_path, name, kind):
  file = label_files.SETS[name].file
  _file(tmp_path / file, BROKEN[kind])
  _one_line(label_files.load, str(tmp_path), name, match=file)


# Your own data


def _own(tmp_path, *lines):
  path = tmp_path / 'own.jsonl'
  path.write_text('\n'.join(map(json.dumps, lines)))
  return path


ASKED = [{'question': 'Who?', 'answer': 'Ada'}]


def test_trial_own_data_as_texts_messages_and_chunks(tmp_path):
  asked = [*ASKED, {'question': 'What?', 'answer': ['a cat', 'cat'],
                    'type': 'exact', 'after': 0}]  # fmt: skip
  path = _own(
    tmp_path,
    {'text': 'Ada has a cat. It is old.', 'questions': asked, 'split': 'test'},
    {'messages': [{'role': 'user', 'content': 'One two. Three four.',
                   'date': '2 May'}, {'content': 'Yes.'}],
     'questions': ASKED, 'split': 'train'},
    {'chunks': ['a b', 'c'], 'questions': [], 'split': 'validation'},
  )  # fmt: skip
  made = jsonl.load(path, turns=1, words=2)
  (text,), (messages,), (chunks,) = (
    made[s] for s in ('test', 'train', 'validation')
  )
  assert text.chunks == ('Ada has a cat.', 'It is old.')
  assert text.questions == (
    Question('Who?', 'Ada', 'question', 1, 1),
    Question('What?', 'a cat', 'exact', 0, 1, others=('cat',)),
  )
  assert messages.chunks == (
    '2 May, user: One two.', '2 May, user: Three four.', 'Yes.'
  )  # fmt: skip
  assert messages.questions[0].first == 2 and chunks.chunks == ('a b', 'c')
  assert sources.rule_of('jsonl', 'lm', 'f1') == 'f1'
  assert sources.rule_of('jsonl', 'lm', 'question') == 'contains'
  assert sources.SOURCES['jsonl'].oracle is None


def test_questions_kept_before_they_had_evidence_are_read():
  kept = ['Who?', 'Ada', 'squad', 0, 1, True, ['Bob']]
  bare = Question('Who?', 'Ada', 'squad', 0, 1, others=('Bob',))
  assert source.question(kept) == bare
  assert source.question([*kept, [0, 1]]) == bare._replace(evidence=(0, 1))


def test_trial_own_data_is_split_by_content(tmp_path):
  lines = [{'text': f'Text {i}.', 'questions': ASKED} for i in range(50)]
  made = jsonl.load(_own(tmp_path, *lines))
  again = jsonl.load(_own(tmp_path, *lines[::-1]))
  for split in ('train', 'validation', 'test'):
    texts = [sorted(e.chunks for e in m[split]) for m in (made, again)]
    assert texts[0] == texts[1] and texts[0]


@pytest.mark.parametrize(
  'line, message',
  [
    ({'questions': ASKED}, 'one of text, messages and chunks'),
    ({'text': 'a', 'chunks': ['b']}, 'one of text, messages and chunks'),
    ({'text': 'a', 'questions': [{'question': 'b'}]}, r'\[0\]\.answer: field'),
    (
      {'text': 'a', 'questions': [ASKED[0] | {'after': 3}]},
      'after=3: there ar',
    ),
    ({'text': 'a', 'split': 'dev'}, "split: .*'validation'"),
  ],
)
def test_trial_a_wrong_line_of_own_data_is_named(tmp_path, line, message):
  path = _own(tmp_path, {'text': 'x'}, line)
  _one_line(jsonl.load, path, match=rf'own\.jsonl:2: .*{message}')


@pytest.mark.parametrize('file', ['', 'nowhere.jsonl'])
def test_trial_own_data_without_a_file_says_what_to_name(tmp_path, file):
  """Before a folder is made whose config would bar the right command."""
  config = tiny.get_config(f'data.source=jsonl,eval.lengths=1,data.file={file}')
  with pytest.raises(ValueError, match=rf"data\.file='{file}'.*jsonl\.py"):
    workdir.prepare(tmp_path / 'run', config)
  assert not (tmp_path / 'run').exists()


def test_trial_the_paper_names_its_files_before_anything_is_built(tmp_path):
  config = qwen3_4b.get_config(f'data.root={tmp_path}')
  with pytest.raises(FileNotFoundError, match='memalpha/train.*YuWangX'):
    workdir.prepare(tmp_path / 'run', config)
  assert not (tmp_path / 'run').exists()


@pytest.mark.slow
def test_trial_the_example_of_the_readme_runs(tmp_path):
  readme = (ROOT / 'README.md').read_text()
  (block,) = re.findall(r"<<'END'\n(.*?)\n    END\n", readme, re.DOTALL)
  path = tmp_path / 'notes.jsonl'
  path.write_text(re.sub('(?m)^    ', '', block))
  (command,) = re.findall(r'--config=(configs/jsonl\.py:\S+)', readme)
  assert command == 'configs/jsonl.py:data.file=notes.jsonl'
  config = jsonl_config.get_config(f'data.file={path}').unlock()
  own = {'eval.lengths', 'rollout.prefix_buckets', 'rollout.response_buckets',
         'memory.entry_tokens'}  # fmt: skip
  small = {k: v for k, v in tiny_config.FIELDS.items() if k not in own}
  small |= {'num_steps': 1, 'warm_start.steps': 2, 'warm_start.batch': 8}
  config.update_from_flattened_dict(small)
  result = train.train(config.lock(), str(tmp_path / 'run'))
  assert result['baselines']['keep_everything']['accuracy'] > 0


# Chunks that do not fit


def test_trial_chunks_that_are_cut_are_an_error_or_a_count(tmp_path, told):
  config = tiny_config.get_config('data.chunk_sentences=40')
  setup = build.build(config, str(tmp_path)).train_setup
  long = pipeline.eval_episodes(config, 'test', 1)
  with pytest.raises(ValueError, match='12 of 12 chunks are cut.*chunk_sent'):
    fit.check(setup, long)
  assert not told.messages
  fit.check(setup, long, refuse=False)
  assert '12 of 12 chunks are cut' in told.messages[-1]
  told.clear()
  config = tiny_config.get_config()
  short = pipeline.eval_episodes(config, 'test', 1)
  fit.check(setup, short)
  assert not told.messages
  fit.check(setup, [*short, long[0]._replace(chunks=long[0].chunks[:1])])
  assert '1 of 13 chunks are cut' in told.messages[-1]
