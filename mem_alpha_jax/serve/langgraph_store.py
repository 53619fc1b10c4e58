"""LangGraph's store over a memory: pip install -e '.[langgraph]'.

  memory = Memory.open('memory.db', namespace='ana')
  graph = builder.compile(store=LangGraphStore(memory))

A put is an event of the memory's log, beside the notes: the writer, which
chooses what it notes, neither reads nor changes it, so that it comes back word
by word under its key, in whichever process. `memory.add` is what the writer
reads, `memory.search` finds its notes. A search with a query ranks items by
BM25, as recall does; all else is LangGraph's own InMemoryStore.
"""

import asyncio
import datetime
import json
import math
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from mem_alpha_jax.recall import scores
from mem_alpha_jax.serve.events import Event, Item
from mem_alpha_jax.serve.memory import Memory
from mem_alpha_jax.system import optional
from mem_alpha_jax.text import words

base = optional.load('langgraph.store.base', 'langgraph')
in_memory = optional.load('langgraph.store.memory', 'langgraph')

_ALL = 2**31  # items of a search


class LangGraphStore(base.BaseStore):
  """The items of one memory, whatever their namespaces in LangGraph."""

  def __init__(self, memory: Memory):
    self._memory, self._lock = memory, threading.Lock()
    self._seq = 0
    self._forget()

  def batch(self, ops: Iterable[Any]) -> list[Any]:
    """Reads see what was there before; of puts to a key the last counts."""
    ops = list(ops)
    with self._lock:
      for event in self._memory.events(self._seq):
        self._take(event)
      found = [self._read(op) for op in ops]
    puts = {
      (op.namespace, op.key): op for op in ops if isinstance(op, base.PutOp)
    }
    if puts:
      self._memory.put([*map(_item, puts.values())])
    return found

  async def abatch(self, ops: Iterable[Any]) -> list[Any]:
    return await asyncio.to_thread(self.batch, list(ops))

  def _forget(self) -> None:
    self._kept, self._index = in_memory.InMemoryStore(), {}

  def _take(self, event: Event) -> None:
    if event.kind == 'clear':
      self._forget()
    for item in event.items:
      at = datetime.datetime.fromisoformat(event.at)
      place = item.namespace, item.key
      old = self._kept.batch([base.GetOp(*place)])[0]
      self._kept.batch([base.PutOp(*place, item.value)])
      self._index[place] = item.index
      if item.value is not None:
        kept = self._kept.batch([base.GetOp(*place)])[0]
        kept.created_at, kept.updated_at = old.created_at if old else at, at
    self._seq = event.seq

  def _read(self, op: Any) -> Any:
    if isinstance(op, base.PutOp):
      return None
    if not (isinstance(op, base.SearchOp) and op.query):
      return self._kept.batch([op])[0]
    asked = op._replace(query=None, offset=0, limit=_ALL)
    items = self._kept.batch([asked])[0]
    for item, score in zip(
      items, bm25(op.query, [*map(self._text, items)]), strict=True
    ):
      item.score = score
    # What is not looked up has no score, and comes last.
    items.sort(key=lambda item: -math.inf if item.score is None else item.score,
               reverse=True)  # fmt: skip
    return items[op.offset : op.offset + op.limit]

  def _text(self, item: Any) -> str | None:
    """What of an item is looked up, None for nothing."""
    index = self._index[item.namespace, item.key]
    if isinstance(index, bool):
      return json.dumps(item.value, ensure_ascii=False) if index else None
    found = (base.get_text_at_path(item.value, path) for path in index)
    return ' '.join(text for texts in found for text in texts)


def _item(op: Any) -> Item:
  value = None if op.value is None else json.loads(json.dumps(op.value))
  index = tuple(op.index) if op.index else op.index is None
  return Item(namespace=op.namespace, key=op.key, value=value, index=index)


def bm25(query: str, texts: Sequence[str | None]) -> list[float | None]:
  """scores.bm25 of texts of any length; None for None."""
  found = [None if text is None else {*words.terms(text)} for text in texts]
  there = [terms for terms in found if terms is not None]
  mean = max(sum(map(len, there)) / max(len(there), 1), 1e-9)
  idf = {}
  for word in words.content(query):
    holds = sum(word in terms for terms in there)
    idf[word] = math.log1p((len(there) - holds + 0.5) / (holds + 0.5))

  def score(terms: set[str]) -> float:
    norm = scores.K1 * (1 - scores.B + scores.B * len(terms) / mean)
    hit = sum(weight for word, weight in idf.items() if word in terms)
    return hit * (scores.K1 + 1) / (1 + norm)

  return [None if terms is None else score(terms) for terms in found]
