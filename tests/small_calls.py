"""A tokenizer of the compact symbols, and calls read through it."""

import functools
import pathlib
import tempfile

from mem_alpha_jax.memory import compact_calls
from mem_alpha_jax.text import tokenizer as tokenizer_lib

MORE = '<mrg>'  # the symbol of a tool that a test adds


@functools.cache
def tokenizer():
  symbols = [s for s in compact_calls.symbols() if s != MORE]
  texts = ['Marta job baker', 'on Monday Marta sang', 'the user likes tea']
  model = tokenizer_lib.train(texts, 400, [*symbols, MORE])
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'tokenizer.model'
    path.write_bytes(model)
    return tokenizer_lib.Tokenizer(str(path))


def parse(text, view=()):
  """Reads trusted text in which control symbols are their ids."""
  return compact_calls.parse(tokenizer(), tokenizer().encode(text), view)


def there_and_back(op, view=()):
  ids = compact_calls.render(tokenizer(), op, view)
  return compact_calls.parse(tokenizer(), ids, view)
