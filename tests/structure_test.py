"""The shape of the package: rooms in one order, small files, nothing unused.

Run as a program it writes the map of modules into BUILD.md.
"""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'mem_alpha_jax'

# A room imports itself and what stands before it.
ROOMS = (
  'types', 'text', 'system', 'config', 'credit', 'report', 'model',
  'sampling', 'pretrained', 'memory', 'recall', 'reading', 'reward', 'data',
  'roles', 'rl', 'rollout', 'methods', 'evaluation', 'run', 'serve', 'compile',
  'train', 'main',
)  # fmt: skip
LINES = 350  # of a file, at most
MAP = ('<!-- map -->\n', '<!-- end of map -->\n')  # around it in BUILD.md
TOP = {'__init__.py', 'main.py', 'train.py', 'types.py'}
USERS = ('mem_alpha_jax', 'experiments', 'configs', 'colab')
MODULES = sorted(PACKAGE.rglob('*.py'))


def room_of(path: pathlib.Path) -> str:
  return path.relative_to(PACKAGE).parts[0].removesuffix('.py')


def imported_rooms(tree: ast.AST) -> set[str]:
  """Rooms that a module imports, at its top or inside of functions."""
  found = set()
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      names = [f'{node.module}.{alias.name}' for alias in node.names]
    else:
      continue
    for name in names:
      first, *rest = name.split('.')
      if first == PACKAGE.name and rest:
        found.add(rest[0])
  return found


def backward(room: str, rooms: set[str]) -> set[str]:
  """Those of `rooms` that stand behind `room`."""
  return {r for r in rooms if ROOMS.index(r) > ROOMS.index(room)}


def public_names(tree: ast.Module) -> set[str]:
  """Functions, classes and constants that a module defines for others."""
  found = set()
  for node in tree.body:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
      found.add(node.name)
    elif isinstance(node, ast.Assign):
      found |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
      found.add(node.target.id)
  return {name for name in found if not name.startswith('_')}


@pytest.mark.parametrize('path', MODULES, ids=lambda p: p.stem)
def test_imports_point_one_way(path):
  room = room_of(path)
  if room == '__init__':
    return
  back = backward(room, imported_rooms(ast.parse(path.read_text())))
  assert not back, f'{path.relative_to(ROOT)} imports back: {sorted(back)}'


def test_trial_an_import_back_is_seen():
  tree = ast.parse('def f():\n  from mem_alpha_jax.run import build\n')
  assert backward('memory', imported_rooms(tree)) == {'run'}
  assert not backward('compile', imported_rooms(tree))


def test_the_top_level_holds_the_rooms_and_three_modules():
  files = {p.name for p in PACKAGE.glob('*.py')}
  rooms = {p.parent.name for p in PACKAGE.glob('*/__init__.py')}
  assert files == TOP
  assert rooms <= set(ROOMS), f'rooms without a place: {rooms - set(ROOMS)}'
  assert set(ROOMS) - rooms == {'types', 'train', 'main'}


def test_files_are_short():
  long = {
    str(p.relative_to(ROOT)): n
    for p in MODULES
    if (n := len(p.read_text().splitlines())) > LINES
  }
  assert not long


def test_nothing_in_the_package_is_for_tests_alone():
  """A public name is used by the package itself, an experiment or a notebook.

  A name counts as used where it stands as a word a second time: its
  definition is the first.
  """
  texts = [
    p.read_text()
    for folder in USERS
    for p in (ROOT / folder).rglob('*')
    if p.suffix in ('.py', '.ipynb', '.html', '.j2')
  ]
  words = {}
  for text in texts:
    for word in re.findall(r'\w+', text):
      words[word] = words.get(word, 0) + 1
  unused = [
    f'{p.relative_to(ROOT)}: {name}'
    for p in MODULES
    for name in sorted(public_names(ast.parse(p.read_text())))
    if words[name] < 2
  ]
  assert not unused


def module_map() -> str:
  """One row a module, room by room: its path and its docstring's first line."""
  lines = ['| module | job |', '|---|---|']
  for path in sorted(MODULES, key=lambda p: (_place(p), p)):
    if path.name != '__init__.py':
      job = ast.get_docstring(ast.parse(path.read_text())).splitlines()[0]
      lines.append(f'| `{path.relative_to(PACKAGE)}` | {job.rstrip(".")} |')
  return '\n'.join(lines) + '\n'


def _place(path: pathlib.Path) -> int:
  room = room_of(path)
  return ROOMS.index(room) if room in ROOMS else -1


def build_md() -> tuple[str, str, str]:
  """BUILD.md before the map, the map, and what comes after it."""
  before, rest = (ROOT / 'BUILD.md').read_text().split(MAP[0])
  found, after = rest.split(MAP[1])
  return before + MAP[0], found, MAP[1] + after


def test_the_map_in_build_md_is_true():
  assert build_md()[1] == module_map(), 'run python tests/structure_test.py'


if __name__ == '__main__':
  start, _, end = build_md()
  (ROOT / 'BUILD.md').write_text(start + module_map() + end)
