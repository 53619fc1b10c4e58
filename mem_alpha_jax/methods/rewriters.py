"""How a memory that is one text is written again: by a chat model, or a rule.

  overwrite    MemAgent (arXiv 2507.02259): the model is shown its memory and
               the chunk, and its reply is the memory from then on
  inner_state  MEM1 (arXiv 2506.15841): the model's state is what it wrote
               between two tags; all else is forgotten

Both papers show the model the question while it reads. Here nobody knows it
yet, and what is asked for is anything that may be asked later. The prompts are
our own. The `..._words` rules need no model: they are what bounded text can do
by itself, and stand for neither system.
"""

import re
from collections.abc import Callable, Sequence

from mem_alpha_jax.methods import texts
from mem_alpha_jax.reading import chat
from mem_alpha_jax.text import english
from mem_alpha_jax.text import words as words_lib

OVERWRITE = (
  'You read a long text section by section and keep one memory of it. '
  'Questions come after the last section; you do not know them. Rewrite the '
  'memory: keep from it what may still be asked, add what the new section '
  'says, and correct what it changes. Reply with the memory alone, in at most '
  '{tokens} tokens.\n\nMemory:\n{memory}\n\nNew section:\n{chunk}'
)
INNER_STATE = (
  'You read a long text part by part. Between two parts you forget all but '
  'your state. Think about what you know and the new part, then write your '
  'new state between <state> and </state>: everything that later questions '
  'may need, in at most {tokens} tokens.\n\n<state>\n{memory}\n</state>\n\n'
  'New part:\n{chunk}'
)
_STATE = re.compile(r'<state>(.*?)(?:</state>|\Z)', re.DOTALL)


def overwrite(model: chat.ChatModel, tokens: int) -> texts.Rewrite:
  """The reply is the memory; see OVERWRITE."""
  return _by_model(model, tokens, OVERWRITE, lambda reply: reply)


def inner_state(model: chat.ChatModel, tokens: int) -> texts.Rewrite:
  """The memory is what stands between the tags; without them, missing."""

  def read(reply: str) -> str | None:
    found = _STATE.findall(reply)
    return found[-1] if found else None

  # The model thinks before it writes its state.
  return _by_model(model, tokens, INNER_STATE, read, room=2)


def _by_model(model, tokens, prompt, read: Callable, room: int = 1):
  def written(reply: str | None) -> str | None:
    """What follows the model's thinking; nothing at all is missing."""
    said = reply and chat.final_text(reply)
    return ((said and read(said)) or '').strip() or None

  def rewrite(pairs: Sequence[tuple[str, str]]) -> list[str | None]:
    asked = [
      prompt.format(tokens=tokens, memory=memory, chunk=chunk)
      for memory, chunk in pairs
    ]
    chats = [[{'role': 'user', 'content': text}] for text in asked]
    return list(map(written, model.complete(chats, room * tokens)))

  return rewrite


def newest_words(tokens: int, count: Callable[[str], int]) -> texts.Rewrite:
  """Keeps the last words that fit."""

  def rewrite(pairs: Sequence[tuple[str, str]]) -> list[str | None]:
    return [
      words_lib.last_words(f'{memory} {chunk}'.strip(), tokens, count)
      for memory, chunk in pairs
    ]

  return rewrite


def new_words(tokens: int, count: Callable[[str], int]) -> texts.Rewrite:
  """Keeps the sentences that hold most words not said by better ones.

  Chosen greedily, the share of new words first and the newest of equals; in
  the order of the text.
  """

  def one(memory: str, chunk: str) -> str:
    parts = english.sentences(f'{memory}\n{chunk}')
    left, known, kept = tokens, set(), []
    words = [set(words_lib.terms(part)) for part in parts]
    rest = set(range(len(parts)))
    while rest:
      best = max(
        rest, key=lambda i: (len(words[i] - known) / max(len(words[i]), 1), i)
      )
      rest.remove(best)
      size = count(parts[best])
      if size <= left and words[best] - known:
        kept.append(best)
        known |= words[best]
        left -= size
    text = '\n'.join(parts[i] for i in sorted(kept))
    return words_lib.first_words(text, tokens, count)

  return lambda pairs: [one(memory, chunk) for memory, chunk in pairs]
