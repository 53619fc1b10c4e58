"""Every system that is compared, by name, on the same streams.

  policy, policy_no_<part>    what was trained, with a part of memory off
  <writer>                    baselines/writers.py: rules that fill a memory
  rag_<retrieval>             raw chunks, the two that are found (as the paper)
  rag_<retrieval>_budget      raw chunks, as many as reading.budget holds
  long_context                raw chunks, the newest that reading.budget holds
  newest_words, new_words     one text of bounded length, by a rule
  overwrite, inner_state      the same, by a chat model: MemAgent, MEM1
  endpoint_writer             a prompted chat model calls the memory's tools

All hand their requests to the same reader, cut to the same budget.
"""

from collections.abc import Callable, Sequence
from typing import Any

from mem_alpha_jax.evaluation import episodes as episodes_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import (
  chat_writer,
  protocol,
  rewriters,
  texts,
  writers,
)
from mem_alpha_jax.methods.memory import MemoryMethod, Writer, Written
from mem_alpha_jax.reading import chat
from mem_alpha_jax.recall import embedders
from mem_alpha_jax.recall.registry import RECALL
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Episode

MANY = 64  # chunks looked up where only the budget bounds them
HASHED_SIZE = 256  # floats, where the config has no embedder
TEXT_TOKENS = 1024  # of MemAgent's memory, as in its paper

Make = Callable[..., protocol.Method]


def make(
  name: str,
  experiment: build_lib.Experiment,
  params: Any,
  episodes: Sequence[Episode],
) -> protocol.Method:
  """Returns a method with an empty memory for each episode.

  Args:
    name: key of METHODS.
    experiment: of the run: config, tokenizer, sampler.
    params: of the policy, for the methods that use it.
    episodes: the streams; only the oracle looks at what is in them.

  Raises:
    ValueError: for an unknown name, or one that needs a server and
      `reading.url` is not set.
  """
  check([name])
  return METHODS[name](experiment, params, episodes)


def check(names: Sequence[str]) -> None:
  """Raises ValueError for a name that is none of METHODS."""
  for name in names:
    if name not in METHODS:
      raise ValueError(f'no method {name!r}; use some of {list(METHODS)}')


def _policy(part: str, experiment, params, episodes) -> protocol.Method:
  write = episodes_lib.policy_writer(experiment.eval_setup, params)
  if part:
    write = without_part(write, part)
  return _memory(write, experiment, params, episodes)


def _writer(name: str, experiment, params, episodes) -> protocol.Method:
  write = _rule(name, experiment, episodes)
  adapt = lambda limits: writers.limits_of(name, limits)
  return _memory(write, experiment, params, episodes, adapt)


def _rag(retrieval: str, top: int, experiment, params, episodes):
  """Raw chunks as entries: what keep_everything stores, found as they are."""
  fields = {
    'reading.retrieval': retrieval,
    'reading.top_k': top,
    'reading.hops': 1,
    'memory.slot_terms': _distinct_words(episodes),
  }
  needs = RECALL[retrieval].vectors
  if needs and experiment.config.memory.embedder == 'none':
    fields |= {
      'memory.embedder': 'hashed',
      'memory.embedding_size': HASHED_SIZE,
    }
  config = experiment.config.copy_and_resolve_references().unlock()
  config.update_from_flattened_dict(fields)
  setup = experiment.eval_setup
  embed = embedders.create(config, experiment.policy, setup.tokenizer)(params)
  adapt = lambda limits: writers.limits_of('keep_everything', limits)
  write = _rule('keep_everything', experiment, episodes)
  count = setup.tokenizer.count
  return MemoryMethod(write, len(episodes), config, count, adapt, embed)


def _distinct_words(episodes: Sequence[Episode]) -> int:
  """Most distinct words of a chunk: all of them are indexed."""
  chunks = (chunk for e in episodes for chunk in e.chunks)
  most = max(len(set(words_lib.terms(chunk))) for chunk in chunks)
  return 1 << max(most - 1, 1).bit_length()  # few shapes, so few programs


def _long_context(experiment, params, episodes) -> protocol.Method:
  del params
  config, count = experiment.config, experiment.eval_setup.tokenizer.count
  return texts.LongContext(len(episodes), config.reading.budget, count)


def _by_rule(rule: Callable, experiment, params, episodes) -> protocol.Method:
  del params
  count, limit = experiment.eval_setup.tokenizer.count, _text_tokens(experiment)
  return texts.Rewritten(len(episodes), rule(limit, count), limit, count)


def _by_model(rule: Callable, experiment, params, episodes) -> protocol.Method:
  del params
  count, limit = experiment.eval_setup.tokenizer.count, _text_tokens(experiment)
  rewrite = rule(_chat_model(experiment), limit)
  return texts.Rewritten(len(episodes), rewrite, limit, count)


def _endpoint(experiment, params, episodes) -> protocol.Method:
  write = chat_writer.make(_chat_model(experiment), experiment.config)
  return _memory(write, experiment, params, episodes)


def _text_tokens(experiment) -> int:
  """One text may fill what the reader may be shown, at most 1,024 tokens."""
  return min(experiment.config.reading.budget or TEXT_TOKENS, TEXT_TOKENS)


def _chat_model(experiment) -> chat.ChatModel:
  if experiment.chat:
    return experiment.chat
  raise ValueError(
    f'config.reading.url={experiment.config.reading.url!r}: overwrite, '
    'inner_state and endpoint_writer ask a chat model; give the address of an '
    "OpenAI-compatible server and its reading.model, or reading.reader='lm'"
  )


def _rule(name: str, experiment, episodes) -> Writer:
  return episodes_lib.baseline_writer(
    name,
    episodes,
    experiment.config,
    experiment.eval_setup.tokenizer,
    experiment.oracle_notes,
  )


def _memory(write, experiment, params, episodes, adapt=lambda limits: limits):
  setup = experiment.eval_setup
  return MemoryMethod(
    write,
    len(episodes),
    experiment.config,
    setup.tokenizer.count,
    adapt,
    setup.embed(params),
  )


def without_part(write: Writer, part: str) -> Writer:
  """The writer with one part of memory off: calls to it are errors.

  Nothing is ever stored there, so nothing of it is shown or found.
  """

  def limited(*arguments) -> list[Written]:
    found = []
    for one in write(*arguments):
      ops = [op for op in one.ops if op.kind != part]
      off = [f'{part} memory is off'] * (len(one.ops) - len(ops))
      found.append(one._replace(ops=ops, errors=[*one.errors, *off]))
    return found

  return limited


def _registry() -> dict[str, Make]:
  def bind(function, *first):
    return lambda *rest: function(*first, *rest)

  found = {'policy': bind(_policy, '')}
  found |= {
    f'policy_no_{part}': bind(_policy, part) for part in state_lib.KINDS
  }
  found |= {name: bind(_writer, name) for name in writers.WRITERS}
  for retrieval in RECALL:
    found[f'rag_{retrieval}'] = bind(_rag, retrieval, 2)
    found[f'rag_{retrieval}_budget'] = bind(_rag, retrieval, MANY)
  found['long_context'] = _long_context
  found['newest_words'] = bind(_by_rule, rewriters.newest_words)
  found['new_words'] = bind(_by_rule, rewriters.new_words)
  found['overwrite'] = bind(_by_model, rewriters.overwrite)
  found['inner_state'] = bind(_by_model, rewriters.inner_state)
  found['endpoint_writer'] = _endpoint
  return found


METHODS = _registry()
