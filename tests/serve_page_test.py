"""The inspector: its data, its static export, its routes and their rights."""

import base64
import hashlib
import html.parser
import json
import re

import pytest
import small_serving
from starlette.applications import Starlette
from starlette.testclient import TestClient

from mem_alpha_jax.report import metrics
from mem_alpha_jax.report import page as page_lib
from mem_alpha_jax.report.page import Trace, TraceAnswer, TraceStep
from mem_alpha_jax.serve import page, rest
from mem_alpha_jax.system import files

EVIL = '</script><script>alert("x")</script> & \'q\' \ud800'
STEPS = (
  TraceStep(
    'Marta is a baker.',
    '<ins><sem> Marta job baker',
    [('insert semantic  Marta job baker', True, '')],
    [('semantic', 1, 'Marta job baker')],
    view=[('semantic', 7, 'Leo job poet')],
    tokens=[('<ins>', -0.1), ('Marta', -2.0)],
  ),
  TraceStep(
    'Now a pilot.',
    '<upd><1> Marta job pilot',
    [('update semantic 1 Marta job pilot', True, '')],
    [('semantic', 1, 'Marta job pilot'), ('episodic', 2, '3 May Leo')],
    'core of it',
  ),
  TraceStep(EVIL, EVIL, [(EVIL, False, EVIL)], [('episodic', 2, EVIL)]),
)
ANSWERS = (
  TraceAnswer('Marta?', 'overwritten', 'pilot', 'pilot', True, ('a job',)),
  TraceAnswer(EVIL, EVIL, EVIL, EVIL, None, None),
)
TRACE = Trace('before RL', STEPS, ANSWERS)


class Page(html.parser.HTMLParser):
  """The tags of a page, and what its scripts and styles hold."""

  def __init__(self, text):
    super().__init__()
    self.tags, self.inside = [], {}
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))

  def handle_data(self, data):
    if self.tags and self.tags[-1][0] in ('script', 'style'):
      self.inside.setdefault(len(self.tags) - 1, data)

  def of(self, name):
    return [
      (attrs, self.inside.get(n, ''))
      for n, (tag, attrs) in enumerate(self.tags)
      if tag == name
    ]


def test_an_episode_says_what_changed_turn_by_turn():
  found = page_lib.episode('e', [TRACE, TRACE._replace(title='after RL')])
  assert found['names'] == ['before RL', 'after RL']
  assert [t['chunk'] for t in found['turns']] == [s.chunk for s in STEPS]
  first, second, third = (turn['tries'][1] for turn in found['turns'])
  assert first['changes'] == [('semantic', 1, None, 'Marta job baker')]
  assert first['view'] == STEPS[0].view and first['tokens'] == STEPS[0].tokens
  assert second['changes'] == [
    ('core', None, None, 'core of it'),
    ('semantic', 1, 'Marta job baker', 'Marta job pilot'),
    ('episodic', 2, None, '3 May Leo'),
  ]
  assert third['changes'] == [
    ('core', None, 'core of it', None),
    ('semantic', 1, 'Marta job pilot', None),
    ('episodic', 2, '3 May Leo', EVIL),
  ]
  asked = found['questions'][0]
  assert (asked['type'], asked['gold']) == ('overwritten', 'pilot')
  assert asked['tries'][0] == {
    'answer': 'pilot', 'correct': True, 'notes': ('a job',), 'core': '',
  }  # fmt: skip


def test_traces_of_different_episodes_are_refused():
  with pytest.raises(ValueError, match='differ in their chunks'):
    page_lib.episode('e', [TRACE, TRACE._replace(steps=STEPS[:2])])
  with pytest.raises(ValueError, match='differ in their questions'):
    page_lib.episode('e', [TRACE, TRACE._replace(answers=())])


def test_the_static_page_holds_its_data_as_text_and_lets_one_script_run(
  tmp_path,
):
  path = tmp_path / 'episodes.html'
  episode = page_lib.episode(EVIL, [TRACE._replace(title=EVIL)])
  page_lib.write(path, [episode])
  text = path.read_text(encoding='utf-8')
  found = Page(text)
  (data, held), (_, script) = found.of('script')
  assert data['type'] == 'application/json'
  assert json.loads(held) == {'episodes': [json.loads(json.dumps(episode))]}
  assert '<' not in held and 'alert(' not in text.replace(held, '')
  policy = dict(found.of('meta')[2][0])['content']
  sums = re.findall(r"(style|script)-src 'sha256-([^']+)'", policy)
  inside = {'style': found.of('style')[0][1], 'script': script}
  for name, told in sums:
    digest = hashlib.sha256(inside[name].encode()).digest()
    assert told == base64.b64encode(digest).decode()
  assert len(sums) == 2 and "default-src 'none'" in policy
  assert not {'img', 'link', 'iframe'} & {tag for tag, _ in found.tags}
  addresses = set(re.findall(r'https?://[^\'"\s]+', script + inside['style']))
  assert addresses == {'http://www.w3.org/2000/svg'}  # a name, not fetched


def test_the_script_never_makes_elements_of_text():
  script = Page(page_lib.html()[0]).of('script')[1][1]
  assert 'textContent' in script
  for unsafe in ('innerHTML', 'outerHTML', 'insertAdjacent', 'document.write'):
    assert unsafe not in script
  for kept in ('eval(', 'localStorage', 'sessionStorage', 'cookie'):
    assert kept not in script


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
  """A folder of two runs, and a file beside it that no request may read."""
  root = tmp_path_factory.mktemp('page')
  (root / 'secret.jsonl').write_text('secret\n')
  for name, lam in (('a', 0.5), ('deep/b', 1.0)):
    folder = root / 'runs' / name
    files.write_json(folder / 'config.json', {'rl': {'lam': lam}, 'seed': 1})
    with metrics.Writer(folder, 2, tensorboard=False, progress=False) as to:
      for step in (1, 2):
        to.write(step, {'reward/total': step / 4})
        to.show(step, lambda: page_lib.episode(EVIL, [TRACE]))
    before = {'arms': {}, 'traces': [TRACE]}
    files.write_json(folder / 'before.json', before)
  return root / 'runs'


@pytest.fixture(scope='module')
def ask(runs):
  client = TestClient(Starlette(routes=page.routes(str(runs), store=False)))
  return lambda path, **given: client.get(path, params=given)


def test_the_page_is_served_with_its_policy(ask):
  answer = ask('/')
  assert answer.headers['content-type'].startswith('text/html')
  assert answer.headers['x-content-type-options'] == 'nosniff'
  assert "default-src 'none'" in answer.headers['content-security-policy']
  assert Page(answer.text).of('script')[0][1] == 'null'


def test_runs_are_listed_and_compared(ask, runs):
  told = ask('/runs').json()
  assert told['store'] is False
  assert [(r['name'], r['finished']) for r in told['runs']] == [
    ('a', False), ('deep/b', False),
  ]  # fmt: skip
  found = ask('/runs/compare', run=['a', 'deep/b']).json()
  assert found['config'] == [
    ['config', 'a', 'deep/b'],
    ['rl.lam', '0.5', '1.0'],
  ]
  assert found['results'] == [['strict [95%]']]


@pytest.mark.parametrize(
  'file, lines', [('metrics.jsonl', 2), ('turns.jsonl', 2)]
)
def test_what_a_file_has_from_a_byte_on(ask, runs, file, lines):
  of = lambda start: ask('/runs/lines', run='a', file=file, start=start)
  whole = of(0)
  found = [json.loads(line) for line in whole.text.splitlines()]
  assert [row['step'] for row in found] == [1, 2] and len(found) == lines
  assert whole.headers['content-type'].startswith('text/plain')
  size = len(whole.content)
  assert ask('/runs').json()['runs'][0]['sizes'][file] == size
  assert of(size - 5).content == whole.content[-5:]
  assert of(size).content == b''
  assert of(size + 1).status_code == 416  # cut since, and to be read again


def test_episodes_are_those_before_rl_until_a_run_has_ended(ask, runs):
  (found,) = ask('/runs/episodes', run='a').json()
  assert found['names'] == ['before RL'] and found['turns'][2]['chunk'] == EVIL
  both = page_lib.episode('e', [TRACE, TRACE._replace(title='after RL')])
  files.write_json(runs / 'a' / page_lib.EPISODES, [both])
  (found,) = ask('/runs/episodes', run='a').json()
  assert found['names'] == ['before RL', 'after RL']


@pytest.mark.parametrize(
  'path, given, status',
  [
    ('/runs/lines', {'run': '..', 'file': 'secret.jsonl'}, 404),
    ('/runs/lines', {'run': 'a', 'file': '../../secret.jsonl'}, 422),
    ('/runs/lines', {'run': 'a', 'file': 'config.json'}, 422),
    ('/runs/lines', {'run': 'a', 'file': 'metrics.jsonl', 'start': '-1'}, 422),
    ('/runs/lines', {'file': 'metrics.jsonl'}, 422),
    ('/runs/lines', {'run': '/etc', 'file': 'metrics.jsonl'}, 404),
    ('/runs/episodes', {'run': 'deep/../../secret'}, 404),
    ('/runs/compare', {'run': ['a', '../runs/a']}, 404),
  ],
)
def test_nothing_but_the_files_of_runs_is_read(ask, path, given, status):
  answer = ask(path, **given)
  assert answer.status_code == status and 'secret\n' not in answer.text
  assert '\n' not in answer.json()['error']['message']


def test_a_damaged_file_is_told_in_one_line(ask, runs):
  (runs / 'deep/b' / 'before.json').write_text('{')
  answer = ask('/runs/episodes', run='deep/b')
  assert answer.status_code == 422
  assert 'before.json: damaged' in answer.json()['error']['message']


def test_a_store_beside_it_needs_its_key_and_runs_are_never_written(
  runs, tmp_path
):
  service = small_serving.service(tmp_path / 'm.db')
  app = rest.make(service)
  app.router.routes += page.routes(str(runs), store=True)
  client = TestClient(app)
  assert client.get('/runs').json()['store'] is True
  assert client.get('/').status_code == 200
  assert client.get('/v1/namespaces/ana/history').status_code == 401
  for method in ('post', 'put', 'delete', 'patch'):
    for path in ('/', '/runs', '/runs/lines', '/runs/episodes'):
      assert getattr(client, method)(path).status_code == 405
  service.close()


def test_a_name_from_elsewhere_that_leads_here_reads_nothing(runs):
  status = lambda host, name: (
    TestClient(_guarded(runs, host), f'http://{name}:8700')
    .get('/runs')
    .status_code
  )
  assert status('127.0.0.1', 'localhost') == 200
  assert status('127.0.0.1', 'evil.example') == 400
  assert status('0.0.0.0', 'node7') == 200  # whoever asked for all gets all


def _guarded(runs, host):
  app = Starlette(routes=page.routes(str(runs), store=False))
  page.guard(app, host)
  return app


def test_a_folder_that_is_not_there_is_told_at_the_start(tmp_path):
  with pytest.raises(FileNotFoundError, match='--runs=.*no folder'):
    page.routes(str(tmp_path / 'nothing'), store=False)
