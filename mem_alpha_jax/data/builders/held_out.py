"""Evaluation sets that a build keeps out of training, from their files.

Only what they say is compared: a session or context is one chunk here, of any
length, and no tokenizer is asked.
"""

import pathlib
from collections.abc import Sequence

from mem_alpha_jax.data import sources
from mem_alpha_jax.types import Episode


def names() -> list[str]:
  """What --held_out may name."""
  return [name for name, s in sources.SOURCES.items() if s.held_out]


def read(items: Sequence[str]) -> dict[str, list[Episode]]:
  """Reads the sets that --held_out names.

  Args:
    items: '<name>=<path>', the path of a file or a folder of such files; a
      name may come again.

  Returns:
    Episodes by the name that errors and the data card show: the set, and the
    source where that is another, as 'memoryagentbench ruler_qa1_197K'.

  Raises:
    FileNotFoundError: a file is not there, or a folder has none.
    ValueError: another name, no path, or a broken file.
  """
  found = {}
  for item in items:
    name, _, path = item.partition('=')
    if name not in names() or not path:
      raise ValueError(
        f'--held_out={item}: expected <name>=<path> with a name of {names()}'
      )
    suffix, load = sources.SOURCES[name].held_out
    for file in _files(name, pathlib.Path(path), suffix):
      for episode in load(file):
        source = episode.source
        shown = name if source == name else f'{name} {source}'
        found.setdefault(shown, []).append(episode)
  return found


def _files(name: str, path: pathlib.Path, suffix: str) -> list[pathlib.Path]:
  files = sorted(path.glob(f'*{suffix}')) if path.is_dir() else [path]
  if not files or not path.exists():
    raise FileNotFoundError(
      f'--held_out={name}={path}: no {suffix} file there; download the set or '
      'fix the path'
    )
  return files
