"""What a step is worth: answers after each candidate minus those before."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from mem_alpha_jax.data import sources as data_sources
from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.reading import judge as judge_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.reward import parts as parts_lib
from mem_alpha_jax.reward import scoring
from mem_alpha_jax.rollout import credit_questions
from mem_alpha_jax.rollout import memory_batch as memory_batch_lib
from mem_alpha_jax.rollout import response as response_lib
from mem_alpha_jax.types import Episode, Question

PARTS = ('answers', 'calls', 'size', 'content')  # r1 to r4
TOOLS = ('insert', 'update', 'delete')
# What a sample asked for: calls by tool; calls carried out, those of them that
# were valid, those that could not be read; no-ops; tokens of the response.
COUNTS = (*TOOLS, 'calls', 'valid', 'unread', 'noop', 'tokens')


def step_questions(
  episodes: Sequence[Episode], starts, chunks, views, live, t: int, config
) -> list[list[Question]]:
  """The questions that grade each memory's step t.

  reward.when='step': the questions true now that a call can change;
  'end': those that evaluation asks after the last chunk.
  """
  limit = config.rollout.probes
  asked = []
  for i, episode in enumerate(episodes):
    if not live[i]:
      asked.append([])
    elif config.reward.when == 'end':
      asked.append(credit_questions.ending(episode)[:limit])
    else:
      history = starts[i].history if config.rollout.retain else {}
      questions = {**history, **credit_questions.current(episode, t)}
      texts = [chunks[i]] + [e.text for e in views[i] if e]
      asked.append(credit_questions.relevant(questions, texts, limit))
  return asked


def gains(
  memories: memory_batch_lib.Memories,
  outcomes: Sequence[Sequence[Any]],
  asked: Sequence[Sequence[Question]],
  sources: Sequence[str],
  reader: protocol.Reader,
  width: int,
  t: int,
) -> list[list[float]]:
  """r1 of every candidate: its scores minus those of the memory before it.

  Returns:
    [N][candidates]; NaN where an answer is missing, before or after.
  """
  answers = _candidate_answers(memories, outcomes, asked, reader, width, t)
  found = []
  for i, row in enumerate(outcomes):
    scores = [
      _scores(sources[i], asked[i], given, memories.config)
      for given in answers[i]
    ]
    changes = [
      credit_questions.gains(scores[-1], scores[g]) for g in range(len(row))
    ]
    found.append([np.nan if c is None else c for c in changes])
  return found


def _scores(
  source: str, questions: Sequence[Question], answers: Sequence, config
) -> list[float | None]:
  """Scores of answers to questions of one episode."""
  reader = config.reading.reader
  return scoring.score_all(
    [
      scoring.Asked(q, answer, data_sources.rule_of(source, reader, q.type))
      for q, answer in zip(questions, answers, strict=True)
    ]
  )


def _candidate_answers(memories, outcomes, asked, reader, width: int, t: int):
  """Answers [N][width + 1][Q]: after each candidate's calls, then before."""
  wide = width + 1
  config = memories.config

  def spread(field):
    return [
      calls
      for row in outcomes
      for calls in [getattr(o, field) for o in row] + [()] * (wide - len(row))
    ]

  bank = slots_lib.apply_edits(
    slots_lib.broadcast(memories.bank, wide),
    memories.edits(spread('ops'), spread('results'), t),
  )
  texts = [[q.text for q in row] for row in asked for _ in range(wide)]
  states = []
  for before, row in zip(memories.states, outcomes, strict=True):
    states += [o.state for o in row] + [before] * (wide - len(row))
  slots, ok = memory_batch_lib.look_up(
    bank, states, texts, config, config.rollout.probes, memories.embed
  )
  found = zip(states, texts, slots, ok, strict=True)
  requests = [
    list(map(memories.fit, memory_batch_lib.requests(*one))) for one in found
  ]
  answers = protocol.ask(reader, requests)
  return [answers[i : i + wide] for i in range(0, len(answers), wide)]


def judged_content(
  states: Sequence[Any],
  outcomes: Sequence[Sequence[Any]],
  chunks: Sequence[str],
  views: Sequence[Sequence],
  width: int,
  judge: judge_lib.ContentJudge,
) -> Float[np.ndarray, 'N G']:
  """r4 by a judge: share of a response's calls that store what is true.

  As reward.parts.content_reward, but a stored text earns what the judge says
  of it beside the chunk and the text it replaces. All texts of a step are
  judged in one call, equal ones once.

  Args:
    states: the memories before the step.
    outcomes: of each sample of each memory, none where there is no chunk.
    chunks: what was read.
    views: the entries in view.
    width: samples of a memory.
    judge: of notes.

  Returns:
    NaN where there is no chunk, or where a verdict is missing.
  """
  asked: dict[judge_lib.Stored, int] = {}
  rows = []
  for i, row in enumerate(outcomes):
    for g, o in enumerate(row):
      old = response_lib.replaced(states[i], o.ops, views[i])
      notes = [
        judge_lib.Stored(op.kind, op.text, f'{before}\n{chunks[i]}'.strip())
        if op.tool != 'delete' and result.ok
        else float(result.ok)
        for op, result, before in zip(o.ops, o.results, old, strict=True)
      ]
      rows.append((i, g, o, notes))
      for note in notes:
        if isinstance(note, judge_lib.Stored):
          asked.setdefault(note, len(asked))
  verdicts = judge(list(asked)) if asked else []
  found = np.full((len(outcomes), width), np.nan, np.float32)
  for i, g, o, notes in rows:
    marks = [
      verdicts[asked[note]] if isinstance(note, judge_lib.Stored) else note
      for note in notes
    ]
    if not marks and not o.errors:
      found[i, g] = o.content_reward  # a response without calls
    elif None not in marks:
      found[i, g] = sum(marks) / (len(marks) + len(o.errors))
  return found


def end_scores(
  episodes: Sequence[Episode],
  memories: memory_batch_lib.Memories,
  reader: protocol.Reader,
) -> tuple[Float[np.ndarray, 'N'], Float[np.ndarray, 'N']]:
  """Accuracy on the asked questions, NaN without any, and compression.

  The accuracy is that of the questions that were answered.
  """
  questions = [credit_questions.ending(e) for e in episodes]
  requests = memories.requests(
    [[q.text for q in row] for row in questions], memories.config.rollout.probes
  )
  given = protocol.ask(reader, requests)
  score = np.full(len(episodes), np.nan, np.float32)
  for i, row in enumerate(questions):
    marks = _scores(episodes[i].source, row, given[i], memories.config)
    marks = [m for m in marks if m is not None]
    score[i] = np.mean(marks) if marks else np.nan
  sizes = [
    parts_lib.size_reward(state_lib.token_length(s), n)
    for s, n in zip(memories.states, memories.read, strict=True)
  ]
  return score, np.array(sizes, np.float32)


def counts(
  outcomes: Sequence[Sequence[Any]], mask: Bool[np.ndarray, 'N G R']
) -> Int[np.ndarray, 'N G 8']:
  """COUNTS of every sample, zeros where the chunk does not exist.

  Args:
    outcomes: of each sample of each memory, none where there is no chunk.
    mask: real tokens of the responses.
  """
  found = np.zeros((*mask.shape[:2], len(COUNTS)), np.int32)
  for i, row in enumerate(outcomes):
    for g, o in enumerate(row):
      tools = [op.tool for op in o.ops]
      valid = sum(r.ok for r in o.results)
      found[i, g] = (
        *map(tools.count, TOOLS),
        len(o.results), valid, len(o.errors), o.noop, mask[i, g].sum(),
      )  # fmt: skip
  return found


def metrics(grid, score, sizes, answers: Mapping[str, int]) -> dict[str, float]:
  """Scalars of a batch.

  Args:
    grid: the collector's Grid.
    score: accuracy at the end of each trajectory.
    sizes: compression there.
    answers: how many were `asked` for and are `missing`.
  """
  live = grid.valid
  sums = grid.counts[live].sum(0).tolist()
  total = dict(zip(COUNTS, sums, strict=True))
  samples = max(int(live.sum()), 1)
  failed = np.isnan(grid.parts[..., 0][live])
  return {
    **{
      f'reward/{name}': mean(grid.parts[..., i][live])
      for i, name in enumerate(PARTS)
    },
    'rollout/end_accuracy': mean(score),
    'rollout/compression': mean(sizes),
    'rollout/valid_calls': total['valid']
    / max(total['calls'] + total['unread'], 1),
    **{f'rollout/{name}': total[name] / samples for name in (*TOOLS, 'noop')},
    'rollout/response_tokens': total['tokens'] / samples,
    'rollout/failed_readings': float(failed.mean()),
    'rollout/missing_answers': answers['missing'] / max(answers['asked'], 1),
  }


def mean(values: np.ndarray) -> float:
  """Mean of what is known; NaN if nothing is."""
  known = values[~np.isnan(values)]
  return float(known.mean()) if known.size else float('nan')
