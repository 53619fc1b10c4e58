"""What the experiment asks: a cell is a list of scored requests."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from configs import tiny
from mem_alpha_jax.data import locomo, sources, synthetic, synthetic_words
from mem_alpha_jax.data.source import OracleNote
from mem_alpha_jax.memory import batch as batch_lib
from mem_alpha_jax.memory import execution
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.methods import writers
from mem_alpha_jax.reading import extractive
from mem_alpha_jax.recall import embedders
from mem_alpha_jax.recall import registry as recall
from mem_alpha_jax.types import Note, Request

EPISODES = {'validation': 9, 'test': 24}
CHUNKS = 32  # sentences of an episode of the synthetic world
TOP = 5  # notes retrieved for a question of the synthetic world
CLIP = 40  # tokens of a note that the reader of 20 notes sees
# Budget -> of LoCoMo's questions every third or sixth is asked.
EVERY = {5: 3, 20: 6}
RETRIEVAL = ('bm25', 'cosine', 'rrf')
_NO_LIMITS = state_lib.Limits(0, 1 << 30, 1 << 30)
_WIDTH = 16  # questions looked up in one call


class Item(NamedTuple):
  """A request, its gold answer, the rule and the type, and its unit.

  Attributes:
    unit: what an interval draws: the episode, or the question itself.
    found: share of the evidence that the notes hold; None if it has none.
  """

  request: Request
  gold: str
  rule: str
  type: str
  unit: int
  found: float | None


def world(split: str) -> dict[str, list[Item]]:
  """Questions of the synthetic world: retrieved notes, gold alone, none."""
  states, asked = [], []
  mix = tiny.get_config().data
  mix = synthetic.WorldConfig(
    overwrite=mix.overwrite, asked_rate=mix.asked_rate
  )
  for uid in range(EPISODES[split]):
    episode = synthetic.episode(mix, split, uid, CHUNKS, seed=0)
    for t, state in enumerate(_oracle_memory(episode.chunks)):
      due = [q for q in episode.questions if q.asked and q.last == t]
      if due:
        states.append(state)
        asked.append([(uid, q) for q in due])
  config = _config(states, 'bm25', TOP, 'none')
  memories = batch_lib.Memories(states, [0] * len(states), config, len)
  texts = [[q.text for _, q in row] for row in asked]
  requests = recall.requests(memories, texts, _WIDTH)
  cells = {'retrieved': [], 'gold evidence': [], 'no memory': []}
  for state, row, found in zip(states, asked, requests, strict=True):
    for (uid, q), request in zip(row, found, strict=True):
      gold = _evidence(state, q)
      notes = {
        'retrieved': request.notes,
        'gold evidence': (gold,),
        'no memory': (),
      }
      for name, some in notes.items():
        asks = request._replace(notes=some)
        found = float(gold in some)
        cells[name].append(
          Item(asks, q.answer, 'substring', q.type, uid, found)
        )
  return cells


def sentence(note: OracleNote) -> str:
  """The note in words: 'Marta job baker' -> 'Marta has a job as a baker.'"""
  if note.kind == 'episodic':
    day, month, name, venue = note.text.split()
    form, date = synthetic_words.EVENT_FORMS[0], f'{day} {month}'
    return synthetic_words.sentence(form, n=name, v=venue, d=date)
  _, cue, value = note.text.split()
  name = note.text.split()[0]
  name = synthetic_words.USER if note.key[0] == synthetic_words.USER else name
  return synthetic_words.sentence(
    '{c}.', c=synthetic_words.clause(name, cue, value)
  )


def _oracle_memory(chunks: Sequence[str]) -> Iterator[state_lib.MemoryState]:
  """The memory after each chunk: one note a fact, in words, always true."""
  state, ids = state_lib.empty(), {}
  for t, chunk in enumerate(chunks):
    for note in synthetic.oracle_notes(chunk):
      known = ids.get(note.key)
      tool = 'insert' if known is None else 'update'
      op = state_lib.Op(tool, note.kind, sentence(note), known)
      state, result = execution.apply(state, op, _NO_LIMITS, len, t)
      ids[note.key] = result.entry_id if known is None else known
    yield state


def _evidence(state, question) -> Note:
  """The one note that answers, by the rules of the extractive reader."""
  notes = [Note(e.kind, e.text, e.step) for e in state_lib.entries(state)]
  (note,) = (
    note
    for note in notes
    if extractive.answer(
      question.text, [note], '', synthetic.FRAMES, synthetic.LEXICON, True
    )
    == question.answer.lower()
  )
  return note


def dialogues(root: str, tokenizer) -> Iterator[tuple[str, list[Item]]]:
  """LoCoMo, categories 1 to 4: one cell a retrieval and budget, and bounds."""
  loaded = locomo.load(root)
  states = [_keep_everything(d, tokenizer) for d in loaded]
  asked = [[q.text for q in d.questions] for d in loaded]
  bare = [[Request(text, ()) for text in row] for row in asked]
  yield 'no memory', _items(loaded, bare)
  gold = [
    [
      r._replace(notes=_gold(d, q))
      for q, r in zip(d.questions, row, strict=True)
    ]
    for d, row in zip(loaded, bare, strict=True)
  ]
  yield 'gold evidence', _items(loaded, gold)
  config = _config(states, 'bm25', 5, 'minilm')
  memories = batch_lib.Memories(
    states, [0] * len(states), config, tokenizer.count,
    embed=embedders.minilm(),
  )  # fmt: skip
  for top in (5, 20):
    for method in RETRIEVAL:
      memories.config = _config(states, method, top, 'minilm')
      found = recall.requests(memories, asked, _WIDTH)
      if top == 20:
        found = [[_clipped(r, tokenizer) for r in row] for row in found]
      yield f'{method}, top {top}', _items(loaded, found)[:: EVERY[top]]


def _keep_everything(dialogue, tokenizer) -> state_lib.MemoryState:
  """A memory of every turn, an entry each; its step is the turn's index."""
  state = state_lib.empty()
  for step, turn in enumerate(dialogue.turns):
    for op in writers.store(state, locomo.note(turn)):
      state, _ = execution.apply(state, op, _NO_LIMITS, tokenizer.count, step)
  return state


def _gold(dialogue, question) -> tuple[Note, ...]:
  return tuple(
    Note('episodic', locomo.note(turn), step)
    for step, turn in enumerate(dialogue.turns)
    if turn.id in question.evidence
  )


def _clipped(request, tokenizer) -> Request:
  """The request with the first CLIP tokens of each note."""
  notes = []
  for note in request.notes:
    ids = tokenizer.encode_text(note.text)
    text = tokenizer.decode(ids[:CLIP]) if len(ids) > CLIP else note.text
    notes.append(note._replace(text=text))
  return request._replace(notes=tuple(notes))


def _items(dialogues, requests) -> list[Item]:
  """Items of a cell; a question is its own unit, for dialogues are few."""
  items = []
  for dialogue, row in zip(dialogues, requests, strict=True):
    for question, request in zip(dialogue.questions, row, strict=True):
      ids = {dialogue.turns[note.step].id for note in request.notes}
      evidence = question.evidence
      rule = sources.rule_of('locomo', 'lm', question.category)
      found = sum(i in ids for i in evidence) / len(evidence or '?')
      items.append(
        Item(
          request,
          question.answer,
          rule,
          question.category,
          len(items),
          found if evidence else None,
        )
      )
  return items


def _config(states, method: str, top: int, embedder: str):
  """The config of a look-up in memories that hold these states."""
  entries = max(map(state_lib.count, states))
  c = tiny.get_config().unlock()
  c.memory.slots = 1 << (entries + c.rollout.max_calls).bit_length()
  c.memory.embedder = embedder
  c.reading.retrieval, c.reading.top_k = method, top
  return c
