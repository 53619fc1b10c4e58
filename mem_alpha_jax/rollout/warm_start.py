"""Supervised stage on deliberately poor demonstrations.

A random policy cannot call tools, so every reward would be the same. The
demonstrations teach the syntax of calls and the copying of words, and nothing
that reinforcement should find out: the calls and their number are drawn at
random, whatever the chunk says, an update replaces a random entry in view, and
the content is a random choice of the words of one of its sentences, or of what
stands before a semicolon, in their order. What to store, where, and when to
update is not in them.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mem_alpha_jax.memory import notations
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.model.policy import Policy
from mem_alpha_jax.rl import batching, optimizer
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.roles import writer
from mem_alpha_jax.rollout import collector, play
from mem_alpha_jax.text import english
from mem_alpha_jax.text import words as words_lib
from mem_alpha_jax.types import Episode, RolloutRows, Turn

SAMPLES = 4  # demonstrations that share a prompt
COUNTS = (0.2, 0.5, 0.2, 0.1)  # shares of responses with 0, 1, ... calls
# Shares of the calls shown; without an entry that is in view and not named yet
# an update or a deletion becomes the first.
CALLS = (
  (('insert', 'semantic'), 0.35),
  (('insert', 'episodic'), 0.25),
  (('update', ''), 0.3),
  (('delete', ''), 0.1),
)
WORDS = (2, 5)  # fewest and most words of a demonstrated note
RUN = (1, 4)  # fewest and most characters of a word without spaces around it


def note(rng: np.random.Generator, chunk: str, reordered: float = 0.0) -> str:
  """A random choice of the chunk's words in their order: telegram style.

  Function words are left out, as in a telegram; which of the others matter
  is not shown. A script without spaces is cut into runs of RUN characters.
  `reordered` of the notes have their words in random order.
  """
  pieces = words_lib.pieces(chunk.rstrip('.?!;。।؟！？؛；').replace("'s", ''))
  words = [
    word
    for word in _runs(rng, pieces)
    if word.strip().lower() not in words_lib.STOP
  ]
  count = min(len(words), int(rng.integers(WORDS[0], WORDS[1] + 1)))
  chosen = rng.choice(len(words), count, replace=False)
  if not reordered or rng.random() >= reordered:
    chosen = np.sort(chosen)
  elif words and not words_lib.is_spaceless(words[0]):
    words[0] = f' {words[0]}'  # the first of the chunk has none before it
  return ' '.join(''.join(words[i] for i in chosen).split())


def _runs(rng: np.random.Generator, pieces: Sequence[str]) -> list[str]:
  """The pieces, characters without spaces between them joined at random."""
  found, left = [], 0
  for piece in pieces:
    spaceless = words_lib.is_spaceless(piece)
    if spaceless and left:
      found[-1] += piece
      left -= 1
    else:
      found.append(piece)
      left = int(rng.integers(RUN[0], RUN[1] + 1)) - 1 if spaceless else 0
  return found


def random_view(
  rng: np.random.Generator, earlier: Sequence[str], places: int
) -> tuple[state_lib.Entry | None, ...]:
  """Entries with random notes of earlier chunks, none left unread."""
  count = int(rng.integers(0, min(places, len(earlier)) + 1))
  chosen = rng.choice(len(earlier), count, replace=False) if count else ()
  entries = [
    state_lib.Entry(
      id=place,
      kind=('semantic', 'episodic')[rng.integers(2)],
      text=note(rng, _sentence(rng, earlier[i])),
      step=0,
      slot=place,
      tokens=0,
    )
    for place, i in enumerate(chosen)
  ]
  return tuple(entries + [None] * (places - count))


def calls(
  rng: np.random.Generator,
  chunk: str,
  view: Sequence,
  reordered: float = 0.0,
  from_view: float = 0.0,
) -> list[state_lib.Op]:
  """Valid calls about the chunk, otherwise random; none stores nothing.

  As many as sentences at most: a policy that was shown more goes on to make
  them. The last two arguments are fields of config.warm_start.

  Args:
    reordered: share of notes whose words stand in random order.
    from_view: share of notes that end with a word of an entry in view.
  """
  kinds, shares = zip(*CALLS, strict=True)
  visible = [entry for entry in view if entry is not None]
  rng.shuffle(visible)
  ops = []
  sentences = _sentences(chunk)
  count = min(rng.choice(len(COUNTS), p=COUNTS), len(sentences))
  for _ in range(count):
    tool, kind = kinds[rng.choice(len(kinds), p=shares)]
    if tool != 'insert' and not visible:
      tool, kind = kinds[0]
    entry = None if tool == 'insert' else visible.pop()
    text = ''
    if tool != 'delete':
      text = note(rng, sentences[rng.integers(len(sentences))], reordered)
      if from_view and rng.random() < from_view:
        text = _ended(rng, text, view, chunk)
    ops.append(state_lib.Op(tool, kind or entry.kind, text, entry and entry.id))
  return ops


def _ended(rng: np.random.Generator, text: str, view: Sequence, chunk: str):
  """A note with one of its words left out and one from view at its end.

  That is a word which the chunk does not say: what a chunk only refers to
  ("there", "it") stands in a note. Without such a word, the note as it is.
  """
  said = {*words_lib.terms(chunk)}
  shown = [word for e in view if e for word in e.text.split()]
  new = [w for w in shown if said.isdisjoint(words_lib.terms(w))]
  if not new:
    return text
  words = text.split()
  kept = np.delete(words, rng.integers(len(words)))
  return ' '.join([*kept, new[rng.integers(len(new))]])


def _sentence(rng: np.random.Generator, chunk: str) -> str:
  found = _sentences(chunk)
  return found[rng.integers(len(found))]


def _sentences(chunk: str) -> list[str]:
  parts = english.clauses(chunk.strip())
  return [part for part in parts if words_lib.terms(part)] or [chunk]


def demonstration(
  rng: np.random.Generator,
  chunk: str,
  view: Sequence,
  setup: collector.Setup,
  room: int,
) -> list[int]:
  """The ids of `calls` in the notation of the prompts, of those that fit."""
  notation = notations.NOTATIONS[setup.config.memory.prompt_format]
  ids = []
  w = setup.config.warm_start
  for op in calls(rng, chunk, view, w.reordered, w.from_view):
    said = notation.encode(setup.tokenizer, op, view)
    if ids and len(ids) + len(said) > room:
      break
    ids += said
  return (ids or notation.nothing(setup.tokenizer))[:room]


def answer(rng: np.random.Generator, view: Sequence) -> str:
  """A word or two in a row of a random entry, '' without any."""
  texts = [entry.text for entry in view if entry]
  if not texts:
    return ''
  words = texts[rng.integers(len(texts))].split()
  first = rng.integers(len(words))
  return ' '.join(words[first : first + rng.integers(1, 3)])


def batches(
  setup: collector.Setup,
  episodes: Iterator[Sequence[Episode]],
  answers: bool = False,
) -> Iterator[RolloutRows]:
  """Endless batches of demonstrations on the episodes of a data set.

  With `answers` every other one answers a question.
  """
  config = setup.config
  groups = config.warm_start.batch // SAMPLES
  rng = np.random.default_rng((config.seed, 4))
  pool: list[tuple[Episode, int]] = []
  while True:
    while len(pool) < groups:
      pool += [(e, t) for e in next(episodes) for t in range(len(e.chunks))]
      rng.shuffle(pool)
    some = (pool.pop() for _ in range(groups))
    turns = [
      turn_of(setup, rng, *place, answers and i % 2 == 1)
      for i, place in enumerate(some)
    ]
    yield demonstrations(setup, rng, turns)


def turn_of(
  setup: collector.Setup, rng, episode: Episode, t: int, asks: bool = False
) -> Turn:
  """A chunk or a piece of it, or a question, beside notes of those before."""
  pieces = writer.pieces(episode.chunks[t], setup.config.rollout.clauses)
  end, text, role = t + asks, pieces[0], 'writer'
  if len(pieces) > 1:
    text = pieces[rng.integers(len(pieces))]
  if asks and episode.questions:
    asked = episode.questions[rng.integers(len(episode.questions))]
    text, role = asked.text, 'answerer'
  earlier = episode.chunks[max(0, end - 8) : end]
  view = random_view(rng, earlier, setup.config.memory.view_entries)
  return Turn(role, text, state=state_lib.empty(), view=view)


def demonstrations(
  setup: collector.Setup, rng, turns: Sequence[Turn]
) -> RolloutRows:
  """SAMPLES demonstrations of each turn, beside what its prompt shows."""
  room = setup.config.rollout.response_buckets[-1] - 1

  def one(turn: Turn) -> list[int]:
    if turn.role == 'answerer':
      return setup.tokenizer.encode_text(answer(rng, turn.view))
    return demonstration(rng, turn.text, turn.view, setup, room)

  turns, shown = play.show(setup, turns)
  said = [[one(turn) for _ in range(SAMPLES)] for turn in turns]
  return rows(setup, play.pad(setup, shown), said)


def rows(
  setup: collector.Setup, prompts: play.Prompts, said: Sequence[Sequence]
) -> RolloutRows:
  """Rows that imitate the ids of responses, as many to each prompt."""
  tok, shape = setup.tokenizer, (len(said), len(said[0]))
  width = setup.config.rollout.response_buckets[-1]
  response = np.full((*shape, width), tok.pad_id, np.int32)
  mask = np.zeros(response.shape, bool)
  for i, g in np.ndindex(shape):
    ids = [*said[i][g][: width - 1], tok.eos_id]
    response[i, g, : len(ids)], mask[i, g, : len(ids)] = ids, True
  context = dict(
    prefix=prompts.prefix,
    prefix_length=prompts.prefix_length,
    own=np.repeat(prompts.own[:, None], shape[1], 1),
    own_length=np.repeat(prompts.own_length[:, None], shape[1], 1),
  )
  weight = np.ones(shape, np.float32)
  return batching.make_rows(context, response, mask, weight)


def train(
  setup: collector.Setup,
  policy: Policy,
  params: Any,
  batches: Iterator[RolloutRows],
  report=lambda step, loss: None,
  steps: int | None = None,
) -> Any:
  """Returns parameters after so many supervised updates, or warm_start.steps.

  The loss is the cross-entropy of the response plus `prompt_loss` times that
  of the prompt, both in nats a token: predicting the prompt teaches to find
  the same words in the chunk and in the entries.
  """
  w = setup.config.warm_start
  steps = w.steps if steps is None else steps
  optim = setup.config.optim.copy_and_resolve_references()
  with optim.unlocked():
    optim.learning_rate, optim.schedule = w.learning_rate, 'cosine'
    optim.warmup_steps = min(optim.warmup_steps, steps // 2)
  tx, _ = optimizer.create_optimizer(optim, steps)
  state = update_lib.init_state(params, tx, policy.mesh)
  (trained, frozen), opt_state = optimizer.split(state.params), state.opt_state

  def loss_fn(trained, frozen, rows):
    params = optimizer.join(trained, frozen)
    logps, _, _ = policy.logps_and_entropy(params, rows, 1.0)
    mask = rows.response_mask
    loss = -(logps * mask).sum() / mask.sum()
    if w.prompt_loss:
      prompt = policy.prompt_logps(params, rows.prefix, rows.prefix_length)
      seen = (
        jnp.arange(rows.prefix.shape[1])[None] < rows.prefix_length[:, None]
      )
      seen = seen.at[:, 0].set(False)
      loss -= w.prompt_loss * (prompt * seen).sum() / seen.sum()
    return loss

  # Left to XLA, what comes out may lie otherwise: a second compile.
  places = jax.tree.map(lambda x: x.sharding, (trained, opt_state))

  @functools.partial(jax.jit, out_shardings=(*places, None))
  def update(trained, frozen, opt_state, rows):
    loss, grads = jax.value_and_grad(loss_fn)(trained, frozen, rows)
    updates, opt_state = tx.update(grads, opt_state, trained)
    return optax.apply_updates(trained, updates), opt_state, loss

  for step, batch in zip(range(steps), batches, strict=False):
    trained, opt_state, loss = update(trained, frozen, opt_state, batch)
    report(step, loss)
  return optimizer.join(trained, frozen)
