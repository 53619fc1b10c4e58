"""--mode=doctor: data, model and server are checked before a run costs hours.

The command of the run with --mode=doctor added; nothing is written into its
workdir. One line a check, with what it found: fine, look at this, or broken.
"""

import itertools
import logging as python_logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from mem_alpha_jax.data import pipeline, sources
from mem_alpha_jax.data.source import SPLITS
from mem_alpha_jax.pretrained import registry
from mem_alpha_jax.reading import http_transport, remote_chat
from mem_alpha_jax.roles import chat_prompt, writer
from mem_alpha_jax.rollout import fit, play
from mem_alpha_jax.run import build as build_lib
from mem_alpha_jax.run import parameters
from mem_alpha_jax.text import chat_template
from mem_alpha_jax.types import Episode

FINE, LOOK, BROKEN = 'fine', 'look at this', 'broken'
_EPISODES = 256  # of a split that are looked at
_CHUNKS = 8  # that are written about
_HARD = 'Zoë said: "1,024 €\n\tfor 日本 😀"  <|im_end|>'  # text, not a token
_WORD = 'zebra42'
_APART = 0.05  # nats that log-probs may differ from those of transformers


class Line(NamedTuple):
  mark: str  # FINE, LOOK or BROKEN
  text: str


def main(config: Any, workdir: str) -> None:
  """Prints a line a check.

  Raises:
    ValueError: if something is broken.
  """
  del workdir
  broken = 0
  for line in examine(config):
    print(f'{line.mark:<12}  {line.text}', flush=True)
    broken += line.mark == BROKEN
  if broken:
    raise ValueError(f'{broken} of these checks found something broken')


def examine(config: Any) -> Iterator[Line]:
  """All checks; what they need is made once, in a folder that goes."""
  yield from told('data', lambda: data(config))
  if config.model.source:
    yield from told('model', lambda: model(config))
  r = config.reading
  if 'remote' in (r.reader, r.judge, config.reward.content_judge):
    yield from told('server', lambda: server(config))
  with tempfile.TemporaryDirectory() as folder:
    yield from told('policy', lambda: policy(config, folder))


def told(name: str, check: Callable[[], Iterator[Line]]) -> Iterator[Line]:
  """The lines of a check; what it warns of and raises are lines, too."""
  heard, logger = python_logging.Handler(), logging.get_absl_logger()
  warned, found, passed_on = [], [], logger.propagate
  heard.emit = lambda record: warned.append(Line(LOOK, record.getMessage()))
  logger.addHandler(heard)
  logger.propagate = False
  try:
    found.extend(check())
  except (ValueError, OSError, FloatingPointError) as error:
    found.append(Line(BROKEN, str(error)))
  finally:
    logger.removeHandler(heard)
    logger.propagate = passed_on
  for mark, text in (*warned, *found):
    yield Line(mark, f'{name}: {text}')


def data(config: Any) -> Iterator[Line]:
  """Episodes, golds and duplicates of each split."""
  sources.check(config)
  mine = sources.of_run('data.source', config.data.source)
  texts = {}
  for split in SPLITS:
    if not all(split in source.splits for source in mine):
      continue
    episodes = pipeline.make_source(config, split)[:_EPISODES]
    texts[split] = [episode.chunks for episode in episodes]
    asked = [q for e in episodes for q in e.questions if q.asked]
    said = f'{split}: {len(episodes)} episodes, {len(asked)} questions'
    yield Line(FINE if asked else BROKEN, said)
    yield from _doubts(split, episodes, asked)
  for one, other in itertools.combinations(texts, 2):
    if shared := len({*texts[one]} & {*texts[other]}):
      yield Line(LOOK, f'{shared} episodes of {one} are in {other}, too')


def _doubts(split: str, episodes: Sequence[Episode], asked) -> Iterator[Line]:
  again = len(episodes) - len({episode.chunks for episode in episodes})
  blank = sum(not q.answer.strip() for q in asked)
  named = [(e.uid, q.text, q.first) for e in episodes for q in e.questions]
  counts = {
    'episodes are there twice': again,
    'episodes have no question': sum(not e.questions for e in episodes),
    'questions are asked twice of one text': len(named) - len({*named}),
    'chunks have no word': sum(
      not chunk.strip() for e in episodes for chunk in e.chunks
    ),
    # A few abstentions belong to a set; a set of them teaches nothing.
    "questions have no answer (answer='')": blank * (2 * blank > len(asked)),
  }
  for what, count in counts.items():
    if count:
      yield Line(LOOK, f'{split}: {count} {what}')


def model(config: Any) -> Iterator[Line]:
  """Shape, tokenizer, chat template and EOS of model.source."""
  source = registry.open_model(config.model.source)
  tokenizer = source.tokenizer
  shape = build_lib.model_shape(config, tokenizer.vocab_size, source)
  if tokenizer.vocab_size > shape.vocab_size:
    said = f'{tokenizer.vocab_size} tokens, {shape.vocab_size} embeddings'
    yield Line(BROKEN, f'{said}: the tokenizer is of another model')
  back = tokenizer.decode(tokenizer.encode_text(_HARD))
  if back.strip() != _HARD:
    yield Line(LOOK, f'the tokenizer makes {back!r} of {_HARD!r}')
  yield Line(FINE, f'{source.path}: shape and tokenizer')
  if config.memory.prompt_format == 'compact':
    return
  chat_prompt.check(tokenizer, config.memory)
  template, values = tokenizer.chat_template, tokenizer.template_values
  if chat_template.uses_tools(template, values['name']):
    yield Line(FINE, 'the chat template renders; its calls are read')
  else:
    yield Line(
      LOOK, 'the chat template has no tools: the system message tells of them'
    )
  yield _end(tokenizer)


def _end(tokenizer: Any) -> Line:
  """Whether a reply ends with what the template ends one with."""
  chat = [
    {'role': 'user', 'content': 'Hello.'},
    {'role': 'assistant', 'content': _WORD},
  ]
  text = chat_template.render(
    tokenizer.chat_template, chat, None, False, **tokenizer.template_values
  )
  end = text.rpartition(_WORD)[2].strip()
  ids, ends = tokenizer.encode(end)[:1], tokenizer.eos_ids
  if not ids:
    return Line(LOOK, 'the chat template ends a reply with nothing')
  if ids[0] in ends:
    return Line(FINE, f'replies end with {end!r}, id {ids[0]}')
  return Line(
    BROKEN,
    f'the chat template ends a reply with {end!r}, id {ids[0]}, and EOS is '
    f'{ends}: replies would go on to their limit; add the id to eos_token_id '
    'of generation_config.json',
  )


def server(config: Any) -> Iterator[Line]:
  """What the server says, counts and cuts, asked as a run asks it.

  Its faults, and prompts that it cuts, are warnings of the client.
  """
  build_lib.reach(config)
  fresh = config.copy_and_resolve_references().unlock()
  fresh.reading.cache = ''
  r, client = fresh.reading, remote_chat.from_config(fresh)

  def ask(text: str) -> tuple[str | None, dict[str, int]]:
    chat = [{'role': 'user', 'content': text}]
    (said,) = client.complete([chat], r.answer_tokens)
    return said, client.take()

  said, counts = ask('What is two plus two? Answer with one word.')
  read, wrote = (counts[name] for name in http_transport.USAGE)
  if said is None:
    yield Line(BROKEN, f'{r.url}: no reply ({_faults(counts)})')
    return
  yield Line(FINE, f'{r.url}: {r.model} says {said.strip()!r:.60}')
  if not read:
    yield Line(LOOK, 'it counts no tokens: prompts that it cuts are not seen')
  if wrote > r.answer_tokens:
    limit = f'{r.reply_limit}={r.answer_tokens}'
    yield Line(LOOK, f'its reply has {wrote} tokens, in spite of {limit}')
  most = max(r.budget or r.top_k * config.memory.entry_tokens, 1024)
  filler = 'The day was long. ' * (most // 4)
  said, counts = ask(f'The code is {_WORD}. {filler}What is the code?')
  if said is None:
    yield Line(BROKEN, f'no reply to {most} words ({_faults(counts)})')
  elif _WORD in said:
    yield Line(FINE, f'it reads a prompt of {most} words to its beginning')
  else:
    what = f'it does not find what stands at the beginning of {most} words'
    yield Line(LOOK, f'{what}: it cuts prompts, or the model is too small')


def _faults(counts: dict[str, int]) -> str:
  return ', '.join(name for name in http_transport.FAULTS if counts[name])


def policy(config: Any, folder: str) -> Iterator[Line]:
  """Prompts that are cut, what is written before RL, and how fast."""
  experiment = build_lib.build(config, folder)
  setup, split = experiment.eval_setup, SPLITS[0]
  mine = sources.of_run('data.source', config.data.source)
  if not all(split in source.splits for source in mine):
    split = SPLITS[-1]
  episodes = pipeline.make_source(config, split)[:_EPISODES]
  fit.check(setup, episodes)
  yield Line(FINE, f'prompts of {len(episodes)} episodes were looked at')
  if not (
    config.warm_start.checkpoint or parameters.starts_from_source(config)
  ):
    yield Line(FINE, 'a warm start will make it: nothing is there to be asked')
    return
  params = parameters.shipped_params(experiment)
  if config.model.source:
    yield from _logits(experiment, params)
  yield from _replies(experiment, params, episodes)


def _replies(
  experiment: Any, params: Any, episodes: Sequence[Episode]
) -> Iterator[Line]:
  """What the policy writes beside an empty memory, and how fast."""
  config, setup = experiment.config, experiment.eval_setup
  chunks = itertools.chain.from_iterable(e.chunks for e in episodes)
  turns = play.unread(config, itertools.islice(chunks, _CHUNKS))
  play.respond(setup, params, turns)  # compiles
  began = time.perf_counter()
  said = play.respond(setup, params, turns)
  seconds = time.perf_counter() - began
  written = [writer.read(setup, ids, turn.view) for turn, ids, _ in said]
  valid = sum(not one.errors and (one.noop or bool(one.ops)) for one in written)
  ended = sum(ids[-1] in setup.tokenizer.eos_ids for _, ids, _ in said)
  n = len(turns)
  yield Line(FINE if valid else LOOK, f'{valid} of {n} replies can be read')
  yield Line(FINE if ended else LOOK, f'{ended} of {n} replies come to an end')
  rows = config.data.batch_episodes * config.rollout.group_size
  rows *= config.data.train_chunks
  each = seconds / n
  yield Line(
    FINE,
    f'{1 / each:.3g} replies a second, {n} at a time; sampling the {rows} of a '
    f'step would take {rows * each:.3g} s',
  )


def _logits(experiment: Any, params: Any) -> Iterator[Line]:
  """Log-probs of a text beside those of transformers, if it is here."""
  path = experiment.source.path
  try:
    import torch
    import transformers
  except ImportError:
    return
  if not path.is_dir():
    return
  ids = np.array([experiment.source.tokenizer.encode_text(_HARD)])
  mine = experiment.policy.prompt_logps(params, ids, np.full(1, ids.shape[1]))
  reference = transformers.AutoModelForCausalLM.from_pretrained(path)
  with torch.no_grad():
    logps = reference(torch.tensor(ids)).logits.float().log_softmax(-1)
  theirs = np.take_along_axis(logps.numpy()[:, :-1], ids[:, 1:, None], -1)
  apart = float(np.abs(np.asarray(mine)[:, 1:] - theirs[..., 0]).max())
  mark = FINE if apart < _APART else BROKEN
  yield Line(mark, f'log-probs are within {apart:.2g} of those of transformers')
