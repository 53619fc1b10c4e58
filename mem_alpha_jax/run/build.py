"""Builds the parts of a run from its config: the only place that knows all."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from mem_alpha_jax.data import babi, labelled, pipeline, synthetic
from mem_alpha_jax.memory import embedders, tools
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.model import presets
from mem_alpha_jax.pretrained import registry
from mem_alpha_jax.reading import (
  extractive,
  http_client,
  labels,
  lm_reader,
  protocol,
  remote_reader,
  sentences,
)
from mem_alpha_jax.reading import judge as judge_lib
from mem_alpha_jax.rollout import collector
from mem_alpha_jax.run import base_checkpoint
from mem_alpha_jax.sampling import buckets as buckets_lib
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.system import files, multihost, sharding
from mem_alpha_jax.text import tokenizer as tokenizer_lib
from mem_alpha_jax.types import Episode

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
  server: remote_reader.Server | None  # of chats, where one is named
  judge: judge_lib.AnswerJudge | None  # of answers, in evaluations

  def reader_counts(self) -> dict[str, float]:
    """What was asked of the server since the last call: metrics `reader/...`.

    Every process calls it.
    """
    return _metrics(self.server, self.config.reading) if self.server else {}


def build(config, workdir: str) -> Experiment:
  """Trains or loads the tokenizer and makes everything but parameters."""
  source = None
  if config.model.source:
    source = registry.open_model(config.model.source)
  tokenizer = source.tokenizer if source else load_tokenizer(config, workdir)
  mesh = sharding.create_mesh(config.mesh)
  multihost.meet(mesh)
  shape = model_shape(config, tokenizer.vocab_size, source)
  policy = policy_lib.make_policy(shape, mesh=mesh, decode=config.mesh.decode)
  server = make_server(config)
  strict, lenient = source_readers(config, server)
  reader = strict if config.reading.strict else lenient
  key = jax.random.fold_in(jax.random.key(config.seed), SAMPLING)
  buckets = buckets_lib.from_config(config.rollout)
  embed = embedders.create(config, policy, tokenizer)
  content_judge = None
  if config.reward.content_judge:
    content_judge = judge_lib.content_judge(server.model)

  def setup(greedy: bool) -> collector.Setup:
    generate = sampler.make_sampler(
      policy,
      response_len=config.rollout.response_buckets[-1],
      eos_id=tokenizer.eos_id,
      pad_id=tokenizer.pad_id,
      temperature=config.rollout.temperature,
      greedy=greedy,
    )
    generate = multihost.together(generate)
    return collector.Setup(
      config, tokenizer, generate, buckets, reader, key, embed, content_judge
    )

  return Experiment(
    config,
    mesh,
    policy,
    setup(False),
    setup(True),
    (strict, lenient),
    _oracle_notes,
    source,
    server,
    _judge(config, server),
  )


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
      tools.COMPACT_SYMBOLS,
    )
    files.write_bytes(path, data)

  multihost.on_first(make)
  return tokenizer_lib.Tokenizer(path)


def source_readers(
  config, server: remote_reader.Server | None
) -> tuple[protocol.Reader, protocol.Reader]:
  """Strict and lenient reader of the sources.

  A language model is both: it has no rule for contradictions.
  """
  if config.reading.reader == 'lm':
    reader = lm_reader.from_config(config)
    return reader, reader
  if config.reading.reader == 'remote':
    tokens = config.reading.answer_tokens
    reader = remote_reader.make_reader(server.model, tokens)
    return reader, reader
  strict, lenient = (_by_rules(config, strict) for strict in (True, False))
  return strict, lenient


def for_evaluation(experiment: Experiment, config) -> Experiment:
  """The same policy and programs on what another config reads.

  Args:
    experiment: as `build` gave it.
    config: differs in nothing but workdir.EVAL_FIELDS.
  """
  server = make_server(config)
  setup = experiment.eval_setup._replace(config=config)
  return experiment._replace(
    config=config,
    eval_setup=setup,
    readers=source_readers(config, server),
    server=server,
    judge=_judge(config, server),
  )


def make_server(config) -> remote_reader.Server | None:
  """The chat server of `reading`, None where none is named."""
  named = config.reading.url and config.reading.model
  return remote_reader.make_server(config) if named else None


def _judge(config, server) -> judge_lib.AnswerJudge | None:
  if not config.reading.judge:
    return None
  return judge_lib.answer_judge(server.model)


def _oracle_notes(episode: Episode) -> list:
  """Facts of each chunk of an episode, for the oracle."""
  if episode.source == 'babi':
    return babi.episode_notes(episode.chunks)
  learned = episode.source in labelled.READERS
  facts = labelled.oracle_notes if learned else synthetic.oracle_notes
  return [facts(chunk) for chunk in episode.chunks]


def _by_rules(config, strict: bool) -> protocol.Reader:
  """Rules for labels, for what a source is known to ask, and for free text."""
  sources = config.data.source.split('+')
  read = sentences.read
  if 'synthetic' in sources:
    read = extractive.ExtractiveReader(
      synthetic.FRAMES, synthetic.LEXICON, strict
    )
  elif 'babi' in sources:
    tasks = config.data.babi_tasks
    lexicon = babi.lexicon(config.data.root, tasks)
    read = extractive.ExtractiveReader(babi.frames(tasks), lexicon, strict)
  asked = labelled.question('', 'number')
  return protocol.cached(labels.make_reader(asked, read, strict))


def _metrics(server: remote_reader.Server, reading) -> dict[str, float]:
  """What the clients of all processes counted, and what it cost."""
  taken = server.take()
  counts = multihost.gather(np.array([[*taken.values()]], np.int32)).sum(0)
  total = dict(zip(taken, counts.tolist(), strict=True))
  found = {f'reader/{name}': n for name, n in total.items()}
  prices = reading.price_prompt, reading.price_completion
  if any(prices):
    found['reader/cost'] = http_client.cost(total, *prices)
  return found


def model_shape(
  config, vocab_size: int, source: registry.Pretrained | None
) -> presets.ModelConfig:
  """The decoder of `config.model`, which must be that of its source."""
  lora = dict(lora_rank=config.lora.rank, lora_alpha=config.lora.alpha)
  shape = presets.model_config(config.model, vocab_size)
  shape = dataclasses.replace(shape, **lora)
  return registry.adopt(source.config, shape) if source else shape


def init_params(experiment: Experiment) -> Any:
  """Parameters of the source, else random ones; born sharded."""
  key = jax.random.fold_in(jax.random.key(experiment.config.seed), INIT)
  policy, mesh, loaded = experiment.policy, experiment.mesh, None
  if experiment.source:
    places = sharding.param_shardings(policy, mesh)
    loaded = experiment.source.load(places, policy.config.param_dtype)
  return sharding.init_params(policy, mesh, key, loaded)
