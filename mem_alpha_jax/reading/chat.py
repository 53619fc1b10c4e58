"""What a language model is told to read: task, examples, notes, question."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from mem_alpha_jax.types import Note, Request


class ChatModel(Protocol):
  """Anything that replies to chats: a server, or a model in this process."""

  def complete(
    self, chats: Sequence[Sequence[dict[str, str]]], tokens: int
  ) -> list[str | None]:
    """A greedy reply of at most `tokens` to each chat; None if it failed."""


class Instructions(NamedTuple):
  """What every request begins with: a task, and examples of it answered."""

  task: str
  examples: tuple[tuple[Request, str], ...] = ()


def example(answer: str, question: str, *notes: str) -> tuple[Request, str]:
  """An example whose best note is the first."""
  found = tuple(Note('semantic', text, 0) for text in notes)
  return Request(question, found), answer


# Chosen with SmolLM2-135M on the validation split of the synthetic world
# (experiments/lm_reader): it finds the note that answers more often when it
# says it whole than when it names the value alone.
INSTRUCTIONS = Instructions(
  'Answer the question from the notes in one short sentence.',
  (
    example(
      'Paul has a job as a farmer.',
      'What job does Paul have?',
      'Paul has a job as a farmer.',
      'On 3 May Paul went to the museum.',
      "Paul's hobby is chess.",
    ),
    example(
      'On 12 March Tom went to the park.',
      'When did Tom go to the park?',
      'On 12 March Tom went to the park.',
      'On 9 June Tom went to the zoo.',
      'On 9 June Nora went to the beach.',
    ),
    example(
      "Leo's boss is Hugo.",
      "Who is Leo's boss?",
      "Leo's boss is Hugo.",
      "Hugo's boss is Anna.",
      "Anna's boss is Leo.",
    ),
    example(
      'My home is in Rome.',
      'Where is my home?',
      'My home is in Rome.',
      'My boss is Anna.',
      "Anna's home is in Oslo.",
    ),
  ),
)


def messages(instructions: Instructions, text: str) -> list[dict[str, str]]:
  """A chat of roles and contents that ends with the user's `text`."""
  turns = [('system', instructions.task)]
  for request, said in instructions.examples:
    turns.append(('user', user_text(request, request.notes)))
    turns.append(('assistant', said))
  turns.append(('user', text))
  return [{'role': role, 'content': content} for role, content in turns]


def user_text(request: Request, notes: Sequence[Note]) -> str:
  """Core and notes a line each, the best note last, then the question."""
  lines = [request.core] if request.core else []
  lines += [f'- {note.text}' for note in reversed(notes)]
  return '\n'.join(['Notes:', *lines, '', f'Question: {request.question}'])


def final_text(text: str) -> str | None:
  """What follows a model's thinking; None if it never stopped to think."""
  if '</think>' in text:
    return text.rpartition('</think>')[2]
  return None if '<think>' in text else text


def answer_text(text: str) -> str:
  """What a model said, without its thinking and spaces around it.

  A thought that was never ended stays as it is: it is not the abstention that
  '' would be, and scores 0 (reward.scoring).
  """
  said = final_text(text)
  if said is None:
    said = text[text.index('<think>') :]
  return said.strip()


def first_line(text: str) -> str:
  """The first line that is not empty, without spaces around it."""
  return text.strip().split('\n')[0].strip()
