"""Packages of an extra, which not every installation has."""

import importlib
from types import ModuleType


def load(name: str, extra: str) -> ModuleType:
  """Imports a package; raises ValueError with the way to install it.

  Ours is in no registry, so that the extra is that of a clone.
  """
  try:
    return importlib.import_module(name)
  except ImportError:
    package = name.partition('.')[0]
    raise ValueError(
      f"{package} is not installed: run `pip install -e '.[{extra}]'` in the "
      f'clone, or `pip install {package}`'
    ) from None
