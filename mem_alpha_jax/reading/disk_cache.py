"""Replies of a chat model kept on disk, by what was asked.

SQLite from the standard library: several processes may share a file, and one
that is killed leaves what was there before its last commit.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import sqlite3
import threading
from collections.abc import Sequence
from typing import Any

from mem_alpha_jax.reading import chat as chat_lib

_TABLE = 'CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, reply TEXT)'
_TIMEOUT = 60.0  # seconds that a process waits for another's write


class CachedModel:
  """A chat model that is asked each chat once, whoever asks.

  The key is a hash of what identifies the model, the longest reply and the
  chat; a failure is not kept.
  """

  def __init__(
    self, model: chat_lib.ChatModel, identity: Any, path: str | os.PathLike
  ):
    """Makes the file if it is missing; ValueError if it is no cache.

    `identity` is JSON-able: name, address and options of the model.
    """
    self._model, self._identity = model, json.dumps(identity, sort_keys=True)
    self._path, self._lock = pathlib.Path(path), threading.Lock()
    self._cached = 0
    self._path.parent.mkdir(parents=True, exist_ok=True)
    try:
      with self._open() as file:
        file.execute('PRAGMA journal_mode=WAL')
        file.execute(_TABLE)
    except sqlite3.DatabaseError as error:
      raise ValueError(
        f'{self._path}: not a cache of replies ({error}); remove it'
      ) from error

  @contextlib.contextmanager
  def _open(self):
    """A transaction of one batch: threads and forks share no connection."""
    file = sqlite3.connect(self._path, timeout=_TIMEOUT)
    with contextlib.closing(file), file:
      yield file

  def complete(
    self, chats: Sequence[chat_lib.Chat], tokens: int
  ) -> list[str | None]:
    """As the model's; equal chats of one call are asked once, too."""
    keys = [self._key(chat, tokens) for chat in chats]
    ask = 'SELECT key, reply FROM replies WHERE key = ?'
    with self._open() as file:
      found = [file.execute(ask, (key,)).fetchone() for key in set(keys)]
    known = dict(row for row in found if row)
    new = {k: c for k, c in zip(keys, chats, strict=True) if k not in known}
    replies = self._model.complete(list(new.values()), tokens) if new else []
    fresh = dict(zip(new, replies, strict=True))
    with self._open() as file:
      file.executemany(
        'INSERT OR REPLACE INTO replies VALUES (?, ?)',
        [(key, reply) for key, reply in fresh.items() if reply is not None],
      )
    with self._lock:
      self._cached += len(keys) - len(new)
    known |= fresh
    return [known[key] for key in keys]

  def take(self) -> dict[str, int]:
    """The model's counts, and `cached`: chats answered from the file."""
    with self._lock:
      new, self._cached = self._cached, 0
    return {**self._model.take(), 'cached': new}

  def _key(self, chat: chat_lib.Chat, tokens: int) -> bytes:
    text = json.dumps([self._identity, tokens, list(chat)], sort_keys=True)
    return hashlib.sha256(text.encode()).digest()
