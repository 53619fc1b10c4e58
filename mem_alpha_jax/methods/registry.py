"""Every system that is compared, by name, on the same streams.

  policy, policy_no_<part>    what was trained, with a part of memory off
  <writer>                    writers.py: rules that fill a memory
  rag_<retrieval>             raw chunks, the two that are found (as the paper)
  rag_<retrieval>_budget      raw chunks, as many as reading.budget holds
  no_memory                   nothing is kept
  long_context                raw chunks, the newest that reading.budget holds
  gold_evidence               raw chunks, those that hold what a question takes
  newest_words, new_words     one text of bounded length, by a rule
  overwrite, inner_state      the same, by a chat model: MemAgent, MEM1
  endpoint_writer             a prompted chat model calls the memory's tools

All hand their requests to the same reader, cut to the same budget. One more is
a file with its class or its writer, and a line here.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import (
  chat_writer,
  policy,
  protocol,
  raw_chunks,
  rewriters,
  texts,
  writers,
)
from mem_alpha_jax.recall.registry import RECALL
from mem_alpha_jax.system import multihost
from mem_alpha_jax.types import Episode

METHODS: dict[str, protocol.Make] = {
  'policy': policy.method,
  **{
    f'policy_no_{part}': partial(policy.without_part, part)
    for part in state_lib.KINDS
  },
  **{name: partial(writers.method, name) for name in writers.WRITERS},
  **{
    f'rag_{retrieval}{name}': partial(raw_chunks.method, retrieval, top)
    for retrieval in RECALL
    for name, top in (('', 2), ('_budget', raw_chunks.MANY))
  },
  'no_memory': texts.no_memory,
  'long_context': texts.long_context,
  'gold_evidence': texts.gold_evidence,
  'newest_words': partial(texts.by_rule, rewriters.newest_words),
  'new_words': partial(texts.by_rule, rewriters.new_words),
  'overwrite': partial(texts.by_model, rewriters.overwrite),
  'inner_state': partial(texts.by_model, rewriters.inner_state),
  'endpoint_writer': chat_writer.method,
}
# Those of every run's results.
BASELINES = (*writers.WRITERS, 'no_memory', 'gold_evidence')


def make(
  name: str, parts: protocol.Parts, params: Any, episodes: Sequence[Episode]
) -> protocol.Method:
  """Returns a method with an empty memory for each episode.

  Of a run of several processes, each has the memories of its share.

  Args:
    episodes: the streams of all processes.

  Raises:
    ValueError: for an unknown name, or one that needs a server and
      `reading.url` is not set.
  """
  check([name])
  rows = multihost.share(range(len(episodes)))
  mine = [episodes[row] for row in rows]
  return METHODS[name](protocol.Given(parts, parts.config, params, mine, rows))


def check(names: Sequence[str]) -> None:
  """Raises ValueError for a name that is none of METHODS."""
  for name in names:
    if name not in METHODS:
      raise ValueError(f'no method {name!r}; use some of {list(METHODS)}')
