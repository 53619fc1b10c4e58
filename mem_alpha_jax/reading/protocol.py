"""What every reader is: a function from a batch of requests to answers."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence

from mem_alpha_jax.types import Request

CACHE = 1 << 17  # answers kept of one reader


# One answer a request: '' abstains, None failed and is missing data.
Reader = Callable[[Sequence[Request]], list[str | None]]


def cached(reader: Reader, size: int = CACHE) -> Reader:
  """Returns the reader, asked each distinct request only once.

  Answers are kept by content, the newest `size` of them; what failed is asked
  again the next time.
  """
  known: dict[Request, str] = {}

  def read(requests: Sequence[Request]) -> list[str | None]:
    # A look-up hashes all notes of a request, so that a known one has one.
    found = [(r, known.get(r)) for r in requests]
    new = [*dict.fromkeys(r for r, answer in found if answer is None)]
    fresh = dict(zip(new, reader(new), strict=True)) if new else {}
    answers = [fresh[r] if answer is None else answer for r, answer in found]
    known.update((r, a) for r, a in fresh.items() if a is not None)
    while len(known) > size:
      del known[next(iter(known))]  # the oldest
    return answers

  return read


def first_of(readers: Sequence[Reader]) -> Reader:
  """Returns the reader whose answer is that of the first which has one.

  A reader by rules abstains where a question is none of its own.
  """

  def read(requests: Sequence[Request]) -> list[str | None]:
    answers = zip(*(one(requests) for one in readers), strict=True)
    return [next(filter(None, said), '') for said in answers]

  return readers[0] if len(readers) == 1 else read


def counted(reader: Reader, counts: MutableMapping, what: str) -> Reader:
  """Returns the reader, or judge, which adds up what is asked and missing.

  In `counts`, under (what, 'asked') and (what, 'missing').
  """

  def read(requests: Sequence[Request]) -> list[str | None]:
    answers = reader(requests)
    counts[what, 'asked'] += len(answers)
    counts[what, 'missing'] += sum(a is None for a in answers)
    return answers

  return read


class Unanswered(ConnectionError):
  """So many answers are missing that going on would mean little."""


def check_missing(
  missing: float,
  most: float,
  where: str,
  counts: Callable[[], Mapping[str, int]],
) -> None:
  """Raises Unanswered if too many answers are missing.

  Args:
    most: largest share that is borne, reading.max_missing; all is too many.
    where: what was asked for, for the message: 'the answers of step 3'.
    counts: what the reader says of itself, for the message.
  """
  if missing > most or missing == 1:
    told = ', '.join(f'{name} {n}' for name, n in counts().items() if n)
    raise Unanswered(
      f'{missing:.0%} of {where} are missing, more than '
      f'config.reading.max_missing={most}'
      + (f' ({told})' if told else '')
      + '; the same command goes on when the reader answers again'
    )


def ask(
  reader: Reader, requests: Sequence[Sequence[Request]]
) -> list[list[str | None]]:
  """Answers the requests of many memories in one call of the reader."""
  answers = iter(reader([r for row in requests for r in row]))
  return [[next(answers) for _ in row] for row in requests]
