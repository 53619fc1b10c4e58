"""What README.md and BUILD.md say that the code can be asked."""

import ast
import json
import pathlib
import re
import runpy
import sys

import pytest
import setuptools

from mem_alpha_jax.config import compare, fields

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'mem_alpha_jax'
README = (ROOT / 'README.md').read_text()
BUILD = (ROOT / 'BUILD.md').read_text()
# What a package is imported as, where that is not its name.
IMPORTED = {
  'absl-py': 'absl', 'importlib_resources': None, 'mem_alpha_jax': None,
  'langgraph-checkpoint': 'langgraph', 'mlflow-skinny': 'mlflow',
  'ml-collections': 'ml_collections', 'orbax-checkpoint': 'orbax',
  'prometheus-client': 'prometheus_client', 'pyarrow': 'pyarrow',
  'rank-bm25': 'rank_bm25', 'tensorflow-datasets': 'tensorflow_datasets',
}  # fmt: skip


# What explains a word, before the first table that uses it.
@pytest.mark.parametrize(
  'explained',
  [
    '*Accuracy*:', '*Overwritten*:', '*Strict* and *lenient*', '*1x* is',
    '*13x* is', '*Memory* is', 'The *oracle* writer', '*Before RL* is',
    'Linux or macOS', 'What the tiny policy understands',
  ],
)  # fmt: skip
def test_trial_the_readme_explains_words_before_its_first_table(explained):
  assert explained in README[: README.index('\n| ')]


def test_trial_what_to_do_next_and_the_systems_are_told():
  assert '\n## What to do next\n' in README
  assert 'on Windows use WSL' in README
  assert 'Systems: Linux\nand macOS' in BUILD


def test_trial_the_headline_is_what_was_measured_and_names_its_commit():
  """Every cell of the README's table whose row is one of the experiment's."""
  block = README.split('<!-- results -->')[1].split('<!-- end -->')[0]
  assert re.search(r'commit [0-9a-f]{7}\b', block)
  folder = ROOT / 'experiments' / 'tiny_learning'
  lengths = json.loads((folder / 'results.json').read_text())['length']
  table = [
    [cell.strip() for cell in line.strip('|').split('|')]
    for line in block.splitlines() if line.startswith('|')
  ]  # fmt: skip
  head, _, *rows = table
  seen = set()
  for row in rows:
    name = re.sub(r' \(.*', '', row[0].strip('*')).replace(' ', '_').lower()
    name = {'before_rl': 'before', 'after_rl': 'after',
            'oracle_writer': 'oracle'}.get(name, name)  # fmt: skip
    for column, cell in zip(head[1:], row[1:], strict=True):
      length = column.removeprefix('strict: accuracy / overwritten').strip()
      arm = lengths.get(length.rstrip('x'), {}).get(name)
      if arm and '/' in cell:
        found = [f'{arm[k]["mean"]:.3f}' for k in ('accuracy', 'overwritten')]
        assert cell.split(' / ') == found, (name, length)
        seen.add(name)
  assert {'before', 'after', 'keep_everything', 'oracle', 'no_memory'} <= seen


def test_trial_names_that_the_documents_place_are_there():
  """As `PARTS` of `reward/parts.py`."""
  placed = re.findall(
    r'`([A-Za-z_]+)`\s+(?:of|in)\s+`([\w/]+\.py)`', README + BUILD
  )
  assert ('PARTS', 'reward/parts.py') in placed and len(placed) > 5
  for name, path in placed:
    tree = ast.parse((PACKAGE / path).read_text())
    names = {
      target.id
      for node in ast.walk(tree)
      for target in getattr(node, 'targets', [getattr(node, 'target', None)])
      if isinstance(target, ast.Name)
    }
    assert name in names, f'{path} has no {name}'


def test_trial_files_that_the_documents_name_are_there():
  named = {*re.findall(r'`((?:[a-z_]+/)+[a-z_]+\.py)`', README + BUILD)}
  assert len(named) > 100
  places = ROOT, PACKAGE
  gone = [n for n in named if not any((p / n).exists() for p in places)]
  assert not gone


def test_trial_fields_that_may_differ_are_told():
  told = BUILD[BUILD.index('When a run is taken up again') :]
  told = told[: told.index('The list is in')]
  resume, evaluation = (
    {*re.findall(r'`([a-z_]+\.[a-z_*]+)`', part)} - {'config.json'}
    for part in told.split('With `--mode=eval`')
  )
  fits = lambda name, of: name in of or name.partition('.')[0] + '.*' in of
  assert '`reading`' in told  # of which not all may differ at a resume
  resume_too = {n for n in compare.RESUME_FIELDS if n.startswith('reading.')}
  for name in fields.FIELDS:
    may_resume = fits(name, resume) or name in resume_too
    assert may_resume == (name in compare.RESUME_FIELDS), name
    may_differ = may_resume or fits(name, evaluation)
    assert may_differ == (name in compare.EVAL_FIELDS), name


def _roots(folder: pathlib.Path) -> set[str]:
  """Modules that the files below a folder import from elsewhere."""
  line = re.compile(r'^ *(?:from (\w+)[\w.]* import |import (\w+))', re.M)
  texts = (path.read_text() for path in folder.rglob('*.py'))
  found = {a or b for text in texts for a, b in line.findall(text)}
  return found - {*sys.stdlib_module_names}


def test_trial_what_is_imported_is_declared_and_the_reverse(monkeypatch):
  given = {}
  monkeypatch.setattr(setuptools, 'setup', lambda **told: given.update(told))
  monkeypatch.chdir(ROOT)
  runpy.run_path('setup.py')
  names = lambda lines: {re.match(r'[\w-]+', line)[0] for line in lines}
  modules = lambda lines: {IMPORTED.get(n, n) for n in names(lines)} - {None}
  core = modules(given['install_requires'])
  extra = modules(sum((v for k, v in given['extras_require'].items()
                       if k != 'dev'), []))  # fmt: skip
  own, tried = {'mem_alpha_jax', 'configs'}, {'torch', 'transformers'}
  assert all(f'{name}==' in (ROOT / 'Makefile').read_text() for name in tried)
  used = _roots(PACKAGE) - own - tried  # where `make parity` has brought them
  assert used <= core | extra, used - core - extra
  assert core - used <= {'tensorflow_datasets'}, core - used
  assert 'scipy' in core
