"""Every reader and judge by name, and the one chat model that they share."""

import collections
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from mem_alpha_jax.reading import (
  chat_reader,
  judge,
  lm_chat,
  protocol,
  remote_chat,
)
from mem_alpha_jax.reading.chat import ChatModel


class Kind(NamedTuple):
  """A kind of reader.

  Attributes:
    make: (config, chat, rules) -> strict and lenient reader; one twice where
      there is no rule for notes that contradict. `rules` is strict -> the
      reader by rules of the run's sources.
    sentences: whether it answers in a sentence that holds the gold, where
      others say the gold and no more.
    instructions: of a reader that is a language model.
  """

  make: Callable[..., tuple[protocol.Reader, protocol.Reader]]
  sentences: bool = False
  instructions: chat_reader.Instructions | None = None


def _chat(config, chat, rules):
  fits = getattr(chat, 'fits', lambda chat: True)
  reader = chat_reader.make_reader(
    chat, config.reading.answer_tokens, fits=fits
  )
  return reader, reader


READERS = {
  'extractive': Kind(lambda config, chat, rules: (rules(True), rules(False))),
  **dict.fromkeys(
    ('lm', 'remote'),
    Kind(_chat, sentences=True, instructions=chat_reader.INSTRUCTIONS),
  ),
}
# chat -> judge; of answers (reading.judge), and of notes.
JUDGES = {'remote': judge.answer_judge}
CONTENT_JUDGES = {'remote': judge.content_judge}  # reward.content_judge


def check(config: Any) -> None:
  """Raises ValueError for a reader or judge that there is not."""
  named = {
    'reading.reader': (config.reading.reader, [*READERS]),
    'reading.judge': (config.reading.judge, ['', *JUDGES]),
    'reward.content_judge': (
      config.reward.content_judge,
      ['', *CONTENT_JUDGES],
    ),
  }
  for field, (name, known) in named.items():
    if name not in known:
      raise ValueError(f'config.{field}={name!r}: use one of {known}')


def told(reader: str, judged: Iterable[str]) -> list[str]:
  """What a reader is told, and a judge about types of questions."""
  given, prompts = READERS[reader].instructions, collections.defaultdict(list)
  for kind in judged:
    case = judge.Case('<question>', '<gold>', '<answer>', kind)
    prompts[judge.prompt(case)].append(kind)
  return [
    f'The reader is told, with {len(given.examples)} examples: {given.task}'
    if given
    else 'The reader goes by rules.',
    *(
      f'The judge is told, of {", ".join(kinds)}:\n{text}'
      for text, kinds in prompts.items()
    ),
  ]


def chat_model(config: Any) -> ChatModel | None:
  """The model of `config.reading`: behind a server, in this process, or none.

  Reader, judges and prompted writers share it.
  """
  if config.reading.reader == 'lm':
    return lm_chat.from_config(config)
  if config.reading.url and config.reading.model:
    return remote_chat.from_config(config)
  return None
