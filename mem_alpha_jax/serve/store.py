"""Where events and keys are kept: SQLite by default, any SQLAlchemy address.

A file needs nothing to be started. One `append` is one transaction: what it has
returned from survives a killed process and a lost machine (WAL,
synchronous=FULL). Several processes may use a store; who was too late by an
event is told (`Moved`), and looks again.
"""

import contextlib
import hashlib
import math
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pydantic
import sqlalchemy as sa

from mem_alpha_jax.serve import events as events_lib
from mem_alpha_jax.serve.events import Event

WAIT = 5.0  # seconds that another writer is waited for
KNOWN = 1.0  # seconds that a key is not looked up again
EVERY = '*'  # a key's namespaces: all
_TABLES = sa.MetaData()
_EVENTS = sa.Table(
  'events',
  _TABLES,
  sa.Column('namespace', sa.String(64), primary_key=True),
  sa.Column('seq', sa.Integer, primary_key=True, autoincrement=False),
  sa.Column('request', sa.String(64)),
  sa.Column('event', sa.Text, nullable=False),  # all of it, as JSON
  sa.UniqueConstraint('namespace', 'request'),
)
_KEYS = sa.Table(
  'keys',
  _TABLES,
  sa.Column('name', sa.String(64), primary_key=True),
  sa.Column('hash', sa.String(64), unique=True, nullable=False),
  sa.Column('namespaces', sa.Text, nullable=False),  # by commas, or EVERY
  sa.Column('writes', sa.Boolean, nullable=False),
  sa.Column('made', sa.String(32), nullable=False),
)
# What the database's message has -> what it means, and the way out.
_FAULTS = {
  'locked': 'in use by another program that holds its lock; try again',
  'disk is full': 'the disk is full: nothing was stored, reads go on; free '
  'some space and try again',
  'malformed': 'is damaged; restore a copy, or try '
  '`sqlite3 FILE .recover | sqlite3 NEW`',
  'not a database': 'is no database; give the file of a store, or a new one',
  'unable to open': 'cannot be opened; give a file in a folder that exists',
  'readonly': 'cannot be written; give a file that can',
  'disk I/O': 'cannot be read or written; look at the disk',
}


class StoreError(OSError):
  """The store cannot do it now; nothing of it was done."""


class Busy(ConnectionError):
  """Others use the same namespace."""


class Moved(Busy):
  """Another writer has appended meanwhile."""


class Key(NamedTuple):
  """Who may do what; the secret itself is nowhere."""

  name: str
  namespaces: tuple[str, ...]
  writes: bool
  made: str

  def allows(self, namespace: str, writing: bool) -> bool:
    known = EVERY in self.namespaces or namespace in self.namespaces
    return known and (self.writes or not writing)


class Store:
  """Events of namespaces, and keys.

  Raises:
    StoreError: any method, in one line.
  """

  def __init__(self, address: str, wait: float = WAIT):
    """Opens a store, or makes one.

    Args:
      address: a file, or an address of SQLAlchemy such as postgresql://...
      wait: seconds that another writer is waited for (SQLite).
    """
    self.address = address
    self._seen: dict[str, tuple[float, Key]] = {}  # by the hash of a key
    url, given = address, {}
    if '://' not in address:
      url, given = sa.URL.create('sqlite', database=address), {'timeout': wait}
    with self._reported():
      self._engine = sa.create_engine(url, connect_args=given)
      # One writer at a time: SQLite gives its lock to whoever comes right then,
      # so that of many threads one may wait for too long.
      self._turn = contextlib.nullcontext()
      if self._engine.dialect.name == 'sqlite':
        self._turn = threading.Lock()
        sa.event.listen(self._engine, 'connect', _prepare)
      _TABLES.create_all(self._engine)

  def close(self) -> None:
    self._engine.dispose()

  def events(self, namespace: str, after: int = 0) -> list[Event]:
    """Those after the event `after`, in order."""
    rows = sa.select(_EVENTS.c.event).where(
      _EVENTS.c.namespace == namespace, _EVENTS.c.seq > after
    )
    return self._read(rows.order_by(_EVENTS.c.seq))

  def of_request(self, namespace: str, request: str) -> Event | None:
    """What was done for a request of this name, None if nothing was."""
    rows = sa.select(_EVENTS.c.event).where(
      _EVENTS.c.namespace == namespace, _EVENTS.c.request == request
    )
    return next(iter(self._read(rows)), None)

  def append(
    self, added: Mapping[str, Sequence[Event]], instead: bool = False
  ) -> None:
    """Stores events, all or none.

    Args:
      added: of each namespace, numbered on from its last one.
      instead: of all that the namespaces have, which is forgotten.

    Raises:
      Moved: if there are events of these numbers or later, or of one's request.
    """
    rows = [
      {
        'namespace': namespace,
        'seq': event.seq,
        'request': event.request,
        'event': event.model_dump_json(exclude_defaults=True),
      }
      for namespace, events in added.items()
      for event in events
    ]
    try:
      with self._reported(), self._turn, self._engine.begin() as to:
        if instead:
          to.execute(_EVENTS.delete().where(_EVENTS.c.namespace.in_(added)))
        to.execute(_EVENTS.insert(), rows)
        # A number that others have cleared is free, and comes before theirs.
        c = _EVENTS.c
        last = sa.select(c.namespace, sa.func.max(c.seq)).group_by(c.namespace)
        for name, seq in to.execute(last.where(c.namespace.in_(added))):
          if seq != added[name][-1].seq:
            raise _moved(added)
    except sa.exc.IntegrityError as error:
      raise _moved(added) from error

  def make_key(self, name: str, namespaces: Sequence[str], writes: bool) -> str:
    """Returns a new key, which cannot be had again: its hash is stored.

    Raises:
      ValueError: if there is one of this name.
    """
    key = f'mem_{secrets.token_urlsafe(32)}'
    row = {
      'name': name,
      'hash': _hash(key),
      'namespaces': ','.join(namespaces),
      'writes': writes,
      'made': events_lib.now(),
    }
    try:
      with self._reported(), self._engine.begin() as to:
        to.execute(_KEYS.insert(), row)
    except sa.exc.IntegrityError as error:
      raise ValueError(
        f'--new_key={name}: there is a key of this name; remove it, or give '
        'another name'
      ) from error
    return key

  def key(self, key: str) -> Key | None:
    """Whose key this is, None if it is none."""
    hashed, began = _hash(key), time.monotonic()
    found = self._keys(_KEYS.c.hash == hashed)
    if not found:
      return None
    self._seen[hashed] = began, found[0]
    return found[0]

  def key_of_late(self, key: str) -> Key | None:
    """The same if it was one less than KNOWN seconds ago; looks nowhere."""
    seen, known = self._seen.get(_hash(key), (-math.inf, None))
    return known if time.monotonic() < seen + KNOWN else None

  def keys(self) -> list[Key]:
    return self._keys(sa.true())

  def remove_key(self, name: str) -> None:
    """It opens nothing here from now on, in other processes after KNOWN s.

    ValueError if there is none.
    """
    with self._reported(), self._engine.begin() as to:
      if not to.execute(_KEYS.delete().where(_KEYS.c.name == name)).rowcount:
        raise ValueError(f'--remove_key={name}: there is no key of this name')
    self._seen.clear()

  def _keys(self, which) -> list[Key]:
    c = _KEYS.c
    rows = sa.select(c.name, c.namespaces, c.writes, c.made).where(which)
    with self._reported(), self._engine.connect() as to:
      return [
        Key(name, tuple(names.split(',')), writes, made)
        for name, names, writes, made in to.execute(rows.order_by(c.name))
      ]

  def _read(self, rows) -> list[Event]:
    with self._reported(), self._engine.connect() as to:
      found = to.execute(rows).scalars().all()
    try:
      return [Event.model_validate_json(text) for text in found]
    except pydantic.ValidationError as error:
      raise StoreError(
        f'--store={self.address}: {_FAULTS["malformed"]}'
      ) from error

  @contextlib.contextmanager
  def _reported(self) -> Iterator[None]:
    """What goes wrong in the database, as a StoreError of one line."""
    try:
      yield
    except sa.exc.IntegrityError:
      raise
    except (sa.exc.SQLAlchemyError, ImportError) as error:
      said = str(getattr(error, 'orig', None) or error).splitlines()[0]
      told = next((way for key, way in _FAULTS.items() if key in said), said)
      raise StoreError(f'--store={self.address}: {told}') from error


def _moved(names: Iterable[str]) -> Moved:
  return Moved(
    f'namespace {", ".join(names)!r} is written by others; try again'
  )


def _hash(key: str) -> str:
  """A key has 256 random bits: nothing slower than SHA-256 is needed."""
  return hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()


def _prepare(connection, unused_record) -> None:
  connection.execute('PRAGMA journal_mode=WAL')
  connection.execute('PRAGMA synchronous=FULL')
