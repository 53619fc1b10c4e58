"""How many tokens a text has, by the tokenizer of the policy."""

import pathlib
from collections.abc import Callable

from mem_alpha_jax.text import tokenizer


def load(path: str) -> Callable[[str], int]:
  """Opens a tokenizer for counting.

  Args:
    path: a tokenizer.model of a run, a folder with a tokenizer.json, or a
      .gguf file; the last two need the extra 'models'.

  Raises:
    ValueError: the path is empty.
    FileNotFoundError: there is nothing there.
  """
  if not path:
    raise ValueError(
      'tokenizer: name the one of the policy, which sizes the chunks: '
      '--tokenizer=<tokenizer.model, folder with tokenizer.json or .gguf>'
    )
  file = pathlib.Path(path)
  if file.suffix == '.gguf' or file.is_dir():
    from mem_alpha_jax.pretrained import hf_tokenizer

    opened = hf_tokenizer.from_gguf if file.is_file() else (
      hf_tokenizer.from_folder
    )  # fmt: skip
    return opened(path).count
  return tokenizer.Tokenizer(path).count
