"""Packages of an extra, which not every installation has."""

import importlib
from types import ModuleType


def load(name: str, extra: str) -> ModuleType:
  """Imports a package; raises ValueError with the way to install it."""
  try:
    return importlib.import_module(name)
  except ImportError:
    raise ValueError(
      f"{name} is not installed: pip install 'mem_alpha_jax[{extra}]'"
    ) from None
