"""The program mem-alpha: `compare`, `serve`, or the flags of `main`."""

import runpy
import sys

_MODULES = {
  'compare': 'mem_alpha_jax.run.compare',
  'serve': 'mem_alpha_jax.serve',
}


def main() -> None:
  """Runs a module as python -m does; setup.py names this function."""
  name = sys.argv.pop(1) if sys.argv[1:2] and sys.argv[1] in _MODULES else ''
  module = _MODULES.get(name, 'mem_alpha_jax.main')
  runpy.run_module(module, run_name='__main__', alter_sys=True)
