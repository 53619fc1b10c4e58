"""A chat model as reader: what it is shown of a request, and its answer."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mem_alpha_jax.reading import chat as chat_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.types import Note, Request


class Instructions(NamedTuple):
  """What every chat begins with: a task, and examples of it answered."""

  task: str
  examples: tuple[tuple[Request, str], ...] = ()


def example(question: str, answer: str, *others: str) -> tuple[Request, str]:
  """An example whose answer is the best of the notes, all of it."""
  notes = tuple(Note('semantic', text, 0) for text in (answer, *others))
  return Request(question, notes), answer


# Chosen with SmolLM2-135M on the validation split of the synthetic world
# (experiments/lm_reader): it finds the note that answers more often when it
# says it whole than when it names the value alone.
INSTRUCTIONS = Instructions(
  'Answer the question from the notes in one short sentence.',
  (
    example(
      'What job does Paul have?',
      'Paul has a job as a farmer.',
      'On 3 May Paul went to the museum.',
      "Paul's hobby is chess.",
    ),
    example(
      'When did Tom go to the park?',
      'On 12 March Tom went to the park.',
      'On 9 June Tom went to the zoo.',
      'On 9 June Nora went to the beach.',
    ),
    example(
      "Who is Leo's boss?",
      "Leo's boss is Hugo.",
      "Hugo's boss is Anna.",
      "Anna's boss is Leo.",
    ),
    example(
      'Where is my home?',
      'My home is in Rome.',
      'My boss is Anna.',
      "Anna's home is in Oslo.",
    ),
  ),
)


def make_reader(
  model: chat_lib.ChatModel,
  answer_tokens: int,
  instructions: Instructions = INSTRUCTIONS,
  fits: Callable[[chat_lib.Chat], bool] = lambda chat: True,
) -> protocol.Reader:
  """Returns a reader that answers with what the model says.

  Args:
    model: a chat that it could not answer is missing.
    fits: whether the model can read a chat; where it cannot, notes are left
      out, the worst first.
  """

  def shown(request: Request) -> chat_lib.Chat:
    for kept in range(len(request.notes), -1, -1):
      chat = messages(
        instructions, request._replace(notes=request.notes[:kept])
      )
      if fits(chat):
        break
    return chat

  def read(requests: Sequence[Request]) -> list[str | None]:
    said = model.complete([shown(r) for r in requests], answer_tokens)
    return [None if text is None else answer_text(text) for text in said]

  return protocol.cached(read)


def messages(instructions: Instructions, request: Request) -> chat_lib.Chat:
  """The chat whose reply answers a request."""
  turns = [('system', instructions.task)]
  for shown, said in instructions.examples:
    turns += [('user', user_text(shown)), ('assistant', said)]
  turns.append(('user', user_text(request)))
  return [{'role': role, 'content': content} for role, content in turns]


def user_text(request: Request) -> str:
  """Core and notes a line each, the best note last, then the question."""
  lines = [request.core] if request.core else []
  lines += [f'- {note.text}' for note in reversed(request.notes)]
  return '\n'.join(['Notes:', *lines, '', f'Question: {request.question}'])


def answer_text(text: str) -> str:
  """What a model said, without its thinking and spaces around it.

  A thought that was never ended stays as it is: it is not the abstention that
  '' would be, and scores 0 (reward.scoring).
  """
  said = chat_lib.final_text(text)
  if said is None:
    said = text[text.index('<think>') :]
  return said.strip()
