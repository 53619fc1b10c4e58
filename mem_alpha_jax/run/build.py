"""Builds the parts of a run from its config: the only place that knows all."""

import dataclasses
import functools
import os
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

from mem_alpha_jax.credit import advantages
from mem_alpha_jax.data import labelled, pipeline, sources
from mem_alpha_jax.data import source as source_lib
from mem_alpha_jax.memory import compact_calls, notations
from mem_alpha_jax.methods import writers
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.model import presets
from mem_alpha_jax.pretrained import registry
from mem_alpha_jax.reading import chat as chat_lib
from mem_alpha_jax.reading import (
  choices,
  labels,
  protocol,
  remote_chat,
  sentences,
)
from mem_alpha_jax.reading import judge as judge_lib
from mem_alpha_jax.reading import registry as reading_registry
from mem_alpha_jax.recall import embedders, view
from mem_alpha_jax.recall import registry as recall
from mem_alpha_jax.reward import parts
from mem_alpha_jax.rl import optimizer
from mem_alpha_jax.roles import answerer, chat_prompt, prompt, writer
from mem_alpha_jax.rollout import collector, credit_questions, look_ahead
from mem_alpha_jax.run import base_checkpoint
from mem_alpha_jax.sampling import buckets as buckets_lib
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.system import files, multihost, sharding
from mem_alpha_jax.text import tokenizer as tokenizer_lib
from mem_alpha_jax.types import Episode, Outcome, Turn

INIT, SAMPLING = 1, 2  # what the run's root key is folded with


class Experiment(NamedTuple):
  """A run's parts; arrays are in TrainState alone."""

  config: Any
  mesh: Mesh
  policy: policy_lib.Policy
  train_setup: collector.Setup  # samples at rollout.temperature
  eval_setup: collector.Setup  # greedy
  readers: tuple[protocol.Reader, protocol.Reader]  # strict and lenient
  oracle_notes: Callable  # episode -> facts of each chunk
  source: registry.Pretrained | None  # of the first weights
  chat: chat_lib.ChatModel | None  # of reader, judge and prompted writers
  judge: judge_lib.AnswerJudge | None  # of answers, in evaluations

  def reader_counts(self) -> dict[str, float]:
    if not self.chat:
      return {}
    return remote_chat.metrics(self.chat, self.config.reading)


def build(config, workdir: str) -> Experiment:
  """Trains or loads the tokenizer and makes everything but parameters."""
  recall.check(config)
  reading_registry.check(config)
  advantages.check(config.rl)
  parts.of(config.reward)
  prompt.check(config.memory)
  reach(config)
  source = None
  if config.model.source:
    source = registry.open_model(config.model.source)
  tokenizer = source.tokenizer if source else load_tokenizer(config, workdir)
  chat_prompt.check(tokenizer, config.memory)
  mesh = sharding.create_mesh(config.mesh)
  multihost.meet(mesh)
  shape = model_shape(config, tokenizer.vocab_size, source)
  table = _grammar(config, tokenizer, shape.vocab_size)
  decode = config.mesh.decode
  policy = policy_lib.make_policy(shape, mesh, decode, table)
  chat = reading_registry.chat_model(config)
  strict, lenient = source_readers(config, chat)
  reader = strict if config.reading.strict else lenient
  key = jax.random.fold_in(jax.random.key(config.seed), SAMPLING)
  buckets = buckets_lib.from_config(config.rollout)
  embed = embedders.create(config, policy, tokenizer)
  judges = reading_registry.CONTENT_JUDGES
  content_judge = _judge(judges, config.reward.content_judge, chat)
  expert = _expert(config, tokenizer)
  schedule = functools.partial(_read_and_answer, config.rollout)

  def setup(greedy: bool) -> collector.Setup:
    generate = make_sampler(config, policy, tokenizer, greedy)
    generate = multihost.together(generate)
    return collector.Setup(
      config, tokenizer, generate, buckets, reader, key, embed, content_judge,
      schedule, expert,
    )  # fmt: skip

  return Experiment(
    config,
    mesh,
    policy,
    setup(False),
    setup(True),
    (strict, lenient),
    _oracle_notes,
    source,
    chat,
    _judge(reading_registry.JUDGES, config.reading.judge, chat),
  )


def make_sampler(config, policy, tokenizer, greedy: bool) -> Callable:
  """The sampler of a run."""
  return sampler.make_sampler(
    policy,
    response_len=config.rollout.response_buckets[-1],
    eos_id=tokenizer.eos_ids,
    pad_id=tokenizer.pad_id,
    temperature=config.rollout.temperature,
    greedy=greedy,
  )


def _grammar(config, tokenizer, vocab: int):
  """The table of rollout.grammar, None if it is off."""
  if config.rollout.grammar == 'off':
    return None
  return notations.table(
    config.memory.prompt_format,
    tokenizer,
    vocab=vocab,
    entries=view.places(config.memory),
    calls=config.rollout.max_calls,
    thinks=config.memory.thinking,
    opens=chat_prompt.opens_thought(tokenizer, config.memory),
  )


def reach(config) -> None:
  """Raises ConnectionError if nothing listens at reading.url and it is asked.

  Behind a proxy nothing is said.
  """
  where = (config.reading.reader, config.reading.judge)
  url = urllib.parse.urlsplit(config.reading.url)
  if 'remote' not in (*where, config.reward.content_judge):
    return
  if urllib.request.getproxies().get(url.scheme):
    return
  port = url.port or (443 if url.scheme == 'https' else 80)
  try:
    socket.create_connection((url.hostname, port), timeout=5).close()
  except OSError as error:
    raise ConnectionError(
      f'reading.url={config.reading.url!r}: no server there ({error}); start '
      f'one (vllm serve {config.reading.model}), or set reading.reader and the '
      "judges to what needs none: reading.reader='extractive'"
    ) from error


def load_tokenizer(config, workdir: str) -> tokenizer_lib.Tokenizer:
  """The workdir's tokenizer; when missing, the base checkpoint's or a new one.

  A new one is trained on the train split.
  """
  path = os.path.join(workdir, 'tokenizer.model')

  def make():
    if os.path.exists(path):
      return
    if config.warm_start.checkpoint:
      base_checkpoint.copy_tokenizer(config.warm_start.checkpoint, path)
      return
    data = tokenizer_lib.train(
      pipeline.texts_for_tokenizer(config),
      config.tokenizer.vocab_size,
      compact_calls.symbols(),
    )
    files.write_bytes(path, data)

  multihost.on_first(make)
  tokenizer = tokenizer_lib.Tokenizer(path)
  for symbol in compact_calls.symbols():
    tokenizer.symbol(symbol)
  return tokenizer


def source_readers(
  config, chat: chat_lib.ChatModel | None
) -> tuple[protocol.Reader, protocol.Reader]:
  """Strict and lenient reader of the sources."""
  kind = reading_registry.READERS[config.reading.reader]
  return kind.make(config, chat, functools.partial(_by_rules, config))


def for_evaluation(experiment: Experiment, config) -> Experiment:
  """The same on what a config that differs in EVAL_FIELDS alone reads."""
  chat = reading_registry.chat_model(config)
  setup = experiment.eval_setup._replace(config=config)
  return experiment._replace(
    config=config,
    eval_setup=setup,
    readers=source_readers(config, chat),
    chat=chat,
    judge=_judge(reading_registry.JUDGES, config.reading.judge, chat),
  )


def _judge(judges: Mapping[str, Callable], name: str, chat):
  return judges[name](chat) if name else None


def _oracle_notes(episode: Episode) -> source_lib.Notes:
  source = sources.find(episode.source)
  if source and source.oracle:
    return source.oracle(episode)
  return [()] * len(episode.chunks)


def _read_and_answer(rollout, episode: Episode) -> list[Turn]:
  """The schedule of a run: all chunks, then so many questions at most."""
  asked = credit_questions.ending(episode)[: rollout.answers]
  read = writer.read_chunks(episode, rollout.clauses)
  return [*read, *answerer.ask(episode, asked)]


def _expert(config, tokenizer) -> look_ahead.Expert | None:
  """A perfect writer, if one of three fields asks for one."""
  rollout, gold = config.rollout, config.reward.gold
  asks = {
    'rollout.expert': rollout.expert,
    'rollout.ahead': rollout.ahead,
    'reward.gold': gold,
  }
  asking = [name for name, value in asks.items() if value]
  if not asking:
    return None
  for source in sources.of_run('data.source', config.data.source):
    if not source.oracle:
      value = asks[asking[0]]
      raise ValueError(
        f'config.{asking[0]}={value}: data.source={source.name} has no oracle; '
        f'use {type(value)(0)}'
      )
  read = functools.lru_cache(256)(_oracle_notes)  # at each turn of an episode

  def write(turn: Turn, last: int | None = None) -> Outcome:
    notes, count = read(turn.episode), tokenizer.count
    if last is None:
      most = rollout.max_calls
      return writers.expert(turn, notes[turn.chunk], count, most)
    told = sum(map(tuple, notes[turn.chunk : last + 1]), ())
    return writers.expert(turn, told, count, None, tidy=False)

  return look_ahead.Expert(write, read)


def _by_rules(config, strict: bool) -> protocol.Reader:
  """Rules for labels, choices, what a source asks, and for free text."""
  mine = sources.of_run('data.source', config.data.source)
  known = [source.reader(config, strict) for source in mine if source.reader]
  read = protocol.first_of(known) if known else sentences.read
  asked = labelled.question('')
  if not all(source.reader for source in mine):
    read = choices.make_reader(read, strict)
  return protocol.cached(labels.make_reader(asked, read, strict))


def model_shape(
  config, vocab_size: int, source: registry.Pretrained | None
) -> presets.ModelConfig:
  """The decoder of `config.model`, which must be that of its source."""
  lora = dict(lora_rank=config.lora.rank, lora_alpha=config.lora.alpha)
  shape = presets.model_config(config.model, vocab_size)
  shape = dataclasses.replace(shape, **lora)
  return registry.adopt(source.config, shape) if source else shape


def init_params(experiment: Experiment, trained: Any = None) -> Any:
  """Parameters of the source, else random ones; born sharded.

  What a file has `trained` is neither read nor made here.
  """
  key = jax.random.fold_in(jax.random.key(experiment.config.seed), INIT)
  policy, mesh, loaded = experiment.policy, experiment.mesh, {}
  if experiment.source and (trained is None or policy.config.lora_rank):
    places = sharding.param_shardings(policy, mesh)
    loaded = experiment.source.load(places, policy.config.param_dtype)
  have = optimizer.join(loaded, trained) if trained else loaded
  return sharding.init_params(policy, mesh, key, have)
