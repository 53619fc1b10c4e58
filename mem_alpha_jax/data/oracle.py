"""The note that a perfect writer would keep of a piece of text."""

from typing import NamedTuple


class OracleNote(NamedTuple):
  """What to remember of a chunk, and what it is about.

  Attributes:
    key: what the note is about, lowercase; a later note of the same key
      replaces this one.
    kind: the list that it belongs in, 'semantic' or 'episodic'.
    text: the note itself.
  """

  key: tuple[str, ...]
  kind: str
  text: str
