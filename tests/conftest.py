"""Eight simulated CPU devices and a compilation cache, for all tests."""

import logging
import os
import pathlib
import sys

_ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

# JAX reads these when it is imported, so they come first.
os.environ['JAX_PLATFORMS'] = 'cpu'
_FLAG = '--xla_force_host_platform_device_count'
_KEPT = [f for f in os.environ.get('XLA_FLAGS', '').split() if _FLAG not in f]
# Level 0 halves compile times, which dominate the tests on two cores.
_FAST = '--xla_backend_optimization_level=0'
os.environ['XLA_FLAGS'] = ' '.join([*_KEPT, f'{_FLAG}=8', _FAST])

import hypothesis  # noqa: E402
import jax  # noqa: E402
import pytest  # noqa: E402

from mem_alpha_jax.data import rows  # noqa: E402

jax.config.update('jax_compilation_cache_dir', str(_ROOT / '.jax_cache'))
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.3)
jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)

# A test gives the same verdict twice; other examples are looked for with
# `--hypothesis-profile=default`.
hypothesis.settings.register_profile('same', derandomize=True)
hypothesis.settings.load_profile('same')


@pytest.fixture
def told(caplog):
  """Lines that readers of data log, each once."""
  rows._warn.cache_clear()
  caplog.set_level(logging.WARNING)
  return caplog
