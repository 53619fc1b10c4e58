"""What a result depends on, and what JAX keeps between runs."""

import importlib.metadata
import os
import pathlib
import platform
import resource
import sys
import tempfile

import jax

_PACKAGES = (
  'jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'grain',
  'sentencepiece', 'numpy',
)  # fmt: skip


def summary(error: BaseException) -> str:
  """An error's kind and the beginning of its first line."""
  lines = str(error).strip().splitlines() or ['']
  return f'{type(error).__name__}: {lines[0][:160]}'


def versions() -> dict[str, str]:
  """Versions of Python and the packages, the machine and its devices."""
  found = {name: importlib.metadata.version(name) for name in _PACKAGES}
  found = {'python': platform.python_version(), **found}
  device = jax.devices()[0]
  found['platform'] = platform.platform()
  found['device'] = f'{jax.device_count()} x {device.device_kind}'
  return found


def peak_rss_bytes() -> int:
  """The peak resident memory of this process so far."""
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return peak if sys.platform == 'darwin' else peak * 1024


def use_compilation_cache() -> None:
  """Keeps compiled programs for later runs, in ~/.cache/mem_alpha_jax/xla.

  JAX_COMPILATION_CACHE_DIR names another folder. Programs that compile faster
  than JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS, 0.3 here, are not kept.
  """
  if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    try:
      home = pathlib.Path.home()
    except RuntimeError:  # a user of a container, with neither HOME nor a name
      home = pathlib.Path(tempfile.gettempdir())
    folder = home / '.cache' / 'mem_alpha_jax' / 'xla'
    jax.config.update('jax_compilation_cache_dir', str(folder))
  if 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS' not in os.environ:
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.3)
