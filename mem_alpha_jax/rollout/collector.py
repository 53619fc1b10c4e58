"""Steps a batch of episodes chunk by chunk and grades what the policy wrote.

Two ways to form groups of G samples, chosen by `rollout.groups`:

  state       the G calls of a group answer the same (memory, chunk); one of
              them, drawn at random, is carried out. The groups' prompts are
              shared, so each is prefilled once.
  trajectory  the reference: G memories per episode live side by side and
              every sample carries out its own calls.

Each process of a run steps its own episodes; sampling is one program of all,
and what training needs of the samples is gathered at the end.
"""

import collections
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.reading import judge as judge_lib
from mem_alpha_jax.reading import protocol
from mem_alpha_jax.rollout import (
  credit_questions,
  forced_calls,
  grading,
  prompts,
)
from mem_alpha_jax.rollout import memory_batch as memory_batch_lib
from mem_alpha_jax.rollout import response as response_lib
from mem_alpha_jax.system import multihost, watchdog
from mem_alpha_jax.types import Episode, Question

PARTS = grading.PARTS


class Start(NamedTuple):
  """The memory an episode begins with."""

  state: state_lib.MemoryState
  read: int  # tokens its stream has shown so far
  chain: int  # episodes it has lived through
  history: dict[str, Question]  # by text: those that still hold


class Setup(NamedTuple):
  """What collecting needs beside parameters and episodes."""

  config: Any
  tokenizer: Any
  generate: Callable  # the jitted sampler
  buckets: Any
  reader: protocol.Reader
  key: Array  # root key of sampling
  embed: Callable  # params -> slots.EmbedFn; see memory/embedders.py
  content_judge: judge_lib.ContentJudge | None = None  # gives r4


class Interrupted(Exception):
  """The run was asked to stop while it collected."""


class Grid(NamedTuple):
  """Samples of a batch, [B, G, T, ...]; `valid` where the chunk exists."""

  prefix: Int[np.ndarray, 'B G T P']
  prefix_length: Int[np.ndarray, 'B G T']
  own: Int[np.ndarray, 'B G T C']
  own_length: Int[np.ndarray, 'B G T']
  response: Int[np.ndarray, 'B G T R']
  mask: Float[np.ndarray, 'B G T R']
  logps: Float[np.ndarray, 'B G T R']
  forced: Int[np.ndarray, 'B G T F']
  parts: Float[np.ndarray, 'B G T 4']  # PARTS, NaN where grading failed
  counts: Int[np.ndarray, 'B G T 8']  # grading.COUNTS
  valid: Float[np.ndarray, 'B G T']


class Rollout(NamedTuple):
  grid: Grid  # of all processes
  ends: list[Start]  # memories after the batch, one an episode of this process
  metrics: dict[str, float]  # of all processes


def shares_prefix(config) -> bool:
  """Whether all samples of one episode and chunk have the same prefix.

  Those of one state do; those of trajectories only where the memory is not
  in the prefix.
  """
  by_state = config.rollout.groups == 'state'
  return by_state or config.memory.prompt_format != 'compact'


def prompt_width(config) -> int:
  """Samples of one group that share a prefix in training rows."""
  return config.rollout.group_size if shares_prefix(config) else 1


def empty_start() -> Start:
  return Start(state_lib.empty(), 0, 0, {})


def next_starts(
  ends: Sequence[Start], config, step: int, first: int = 0
) -> list[Start]:
  """Own-memory starts: most streams go on with the memory they wrote.

  A memory that has lived through `rollout.chain` episodes is dropped, so
  no training memory is older than chain + 1 episodes. `first` is the place
  of the first in the batch of all processes.
  """
  starts = []
  for i, end in enumerate(ends, first):
    rng = np.random.default_rng((config.seed, step, i, 1))
    kept = rng.random() < config.rollout.own_memory
    fits = end.chain <= config.rollout.chain
    starts.append(end if kept and fits and end.chain else empty_start())
  return starts


@jax.jit
def row_keys(
  key: Array,
  step: int,
  uids: Int[Array, 'N'],
  samples: Int[Array, 'N'],
  chunk: int,
) -> Array:
  """One key a row, by meaning: (step, episode, sample, chunk)."""
  key = jax.random.fold_in(key, step)

  def one(uid, sample):
    by_row = jax.random.fold_in(jax.random.fold_in(key, uid), sample)
    return jax.random.fold_in(by_row, chunk)

  return jax.vmap(one)(uids, samples)


def collect(
  setup: Setup,
  params: Any,
  episodes: Sequence[Episode],
  starts: Sequence[Start],
  step: int,
  interrupted: Callable[[], bool] = lambda: False,
) -> Rollout:
  """Rolls out one batch; every process of a run calls it.

  Args:
    setup: the parts of the environment that do not change.
    params: policy parameters.
    episodes: those of this process; shorter ones stop early.
    starts: the memory each begins with.
    step: training step, part of every random key.
    interrupted: asked at each chunk, in every process, whether to stop.

  Raises:
    Interrupted: if so. Nothing is kept of a batch that is not whole: the same
      arguments give the same batch again.
  """
  shared = setup.config.rollout.groups == 'state'
  samples = setup.config.rollout.group_size
  copies = 1 if shared else samples
  embed = setup.embed(params)
  batch = Batch(setup, episodes, starts, copies, samples // copies, step, embed)
  (longest,) = multihost.largest(max(len(e.chunks) for e in episodes))
  for t in range(longest):
    watchdog.beat(f'step {step + 1}, chunk {t + 1} of {longest}')
    if interrupted():
      raise Interrupted
    batch.advance(params, t)
  return batch.finish()


class Batch:
  """The moving state of `collect`: N = B * copies memories, one time step.

  Each memory's prompt is sampled `width` times; copies * width = G.
  """

  def __init__(self, setup, episodes, starts, copies, width, step, embed):
    self.setup, self.config = setup, setup.config
    self.step, self.copies, self.width = step, copies, width
    self.rows = [e for e in episodes for _ in range(copies)]
    self.starts = [s for s in starts for _ in range(copies)]
    self.count = setup.tokenizer.count
    self.memories = memory_batch_lib.Memories(
      [s.state for s in self.starts],
      [s.read for s in self.starts],
      self.config,
      self.count,
      embed=embed,
    )
    self.answers = collections.Counter()
    self.reader = protocol.counted(setup.reader, self.answers)
    self.content_judge = setup.content_judge and protocol.counted(
      setup.content_judge, self.answers
    )
    self.steps: list[dict[str, np.ndarray]] = []

  def advance(self, params, t: int) -> None:
    """Reads chunk t everywhere: prompt, sample, grade, carry out."""
    live = [t < len(e.chunks) for e in self.rows]
    chunks = [
      e.chunks[t] if ok else '' for e, ok in zip(self.rows, live, strict=True)
    ]
    for i, chunk in enumerate(chunks):
      self.memories.read[i] += self.count(chunk)
    views = self.memories.look(chunks)
    shown = prompts.render(self.setup, self.memories.states, chunks, views)
    forced = self._forced(views, t)
    sampled = self._sample(params, shown, forced, t)
    outcomes = self._perform(sampled, chunks, views, live, t)
    parts = self._grade(outcomes, chunks, views, live, t)
    self._carry_out(outcomes, live, t)
    valid = np.repeat(np.array(live)[:, None], self.width, 1)
    counts = grading.counts(outcomes, sampled['mask'])
    own = dict(forced=forced, parts=parts, counts=counts, valid=valid)
    self.steps.append(shown | sampled | own)

  def _forced(self, views, t):
    r = self.config.rollout
    notation = self.config.memory.prompt_format
    first = forced_calls.WIDTH
    if self.width > 1 and r.forced:
      first = forced_calls.starts(self.setup.tokenizer, notation).width
    forced = np.full(
      (len(views), self.width, first), forced_calls.FREE, np.int32
    )
    if self.width == 1 or not r.forced:
      return forced
    for i, view in enumerate(views):
      rng = np.random.default_rng(
        (self.config.seed, self.step, self.rows[i].uid, t, 2)
      )
      visible = sum(e is not None for e in view)
      forced[i] = forced_calls.forced_calls(
        rng, self.setup.tokenizer, visible, self.width, r.forced, notation
      )
    return forced

  def _sample(self, params, shown, forced, t):
    n = len(self.rows)
    uids = np.repeat([e.uid for e in self.rows], self.width)
    ids = np.arange(n * self.width) % (self.copies * self.width)
    keys = row_keys(self.setup.key, self.step, uids, ids, t)
    # Memories of one episode side by side share the prefix of a chat prompt.
    stride = self.copies if shares_prefix(self.config) else 1
    groups = (n // stride, stride * self.width)
    own = np.repeat(shown['own'], self.width, 0)
    out = self.setup.generate(
      params,
      shown['prefix'][::stride],
      shown['prefix_length'][::stride],
      own.reshape(*groups, -1),
      np.repeat(shown['own_length'], self.width).reshape(groups),
      forced.reshape(*groups, -1),
      keys.reshape(groups),
    )
    rows = lambda x: np.asarray(x).reshape(n, self.width, -1)
    return {
      'response': rows(out.tokens),
      'mask': rows(out.mask),
      'logps': rows(out.logps),
    }

  def _perform(self, sampled, chunks, views, live, t):
    """Outcome of every sample, [N][width]; equal responses share one."""
    out = []
    for i, ok in enumerate(live):
      limits = self.memories.limits(i)
      seen, row = {}, []
      for g in range(self.width if ok else 0):
        ids = sampled['response'][i, g][sampled['mask'][i, g]]
        known = ids.tobytes()
        if known not in seen:
          seen[known] = response_lib.perform(
            self.memories.states[i],
            self.setup.tokenizer.decode(ids.tolist()),
            chunks[i],
            views[i],
            limits,
            self.count,
            self._time(i, t),
            self.config,
          )
        row.append(seen[known])
      out.append(row)
    return out

  def _time(self, i: int, t: int) -> int:
    """Chunks the memory has read before this one: its clock."""
    return self.starts[i].chain * len(self.rows[i].chunks) + t

  def _grade(self, outcomes, chunks, views, live, t):
    parts = np.full((len(live), self.width, len(PARTS)), np.nan, np.float32)
    for i, row in enumerate(outcomes):
      for g, o in enumerate(row):
        parts[i, g, 1:] = (o.calls_reward, o.size_reward, o.content_reward)
    if self.content_judge:
      parts[..., 3] = grading.judged_content(
        self.memories.states,
        outcomes,
        chunks,
        views,
        self.width,
        self.content_judge,
      )
    if self.copies > 1 and self.config.reward.when == 'end':
      parts[..., 0] = 0.0  # known only at the end: see `finish`
      return parts
    asked = grading.step_questions(
      self.rows, self.starts, chunks, views, live, t, self.config
    )
    gains = grading.gains(
      self.memories,
      outcomes,
      asked,
      [e.source for e in self.rows],
      self.reader,
      self.width,
      t,
    )
    for i, row in enumerate(gains):
      parts[i, : len(row), 0] = row
    return parts

  def _carry_out(self, outcomes, live, t):
    """Keeps one sample's memory: drawn among those that were not forced."""
    first = self.config.rollout.forced if self.width > 1 else 0
    ops, results = [], []
    for i, row in enumerate(outcomes):
      if not live[i]:
        ops.append(())
        results.append(())
        continue
      rng = np.random.default_rng(
        (self.config.seed, self.step, self.rows[i].uid, t, 3)
      )
      chosen = row[rng.integers(first, len(row))] if len(row) > 1 else row[0]
      self.memories.states[i] = chosen.state
      ops.append(chosen.ops)
      results.append(chosen.results)
    times = [self._time(i, t) for i in range(len(self.rows))]
    self.memories.mirror(ops, results, times)

  def finish(self) -> Rollout:
    """Grades ends, stacks the grid, and keeps the memories."""
    ended = grading.end_scores(self.rows, self.memories, self.reader)
    asked = np.array([[self.answers[k] for k in ('asked', 'missing')]])
    (score, sizes), asked = multihost.gather((ended, asked))
    answers = dict(
      zip(('asked', 'missing'), asked.sum(0).tolist(), strict=True)
    )
    grid = self._stack()
    b = len(grid.valid)
    if self.copies > 1 and self.config.reward.when == 'end':
      # r1 and r3 belong to the trajectory; every step of it shares them.
      grid.parts[..., 0] = score.reshape(b, self.copies)[:, :, None]
      grid.parts[..., 2] = sizes.reshape(b, self.copies)[:, :, None]
    ends = [self._end(i) for i in range(0, len(self.rows), self.copies)]
    metrics = grading.metrics(grid, score, sizes, answers)
    return Rollout(grid, ends, metrics)

  def _end(self, i: int) -> Start:
    start = self.starts[i]
    return Start(
      state_lib.without_log(self.memories.states[i]),
      self.memories.read[i],
      start.chain + 1,
      credit_questions.remembered(self.rows[i], start.history),
    )

  def _stack(self) -> Grid:
    """[T][N, width, ...] -> [B, G, T, ...], padded to the widest bucket."""
    samples = self.copies * self.width

    def stack(name):
      arrays = [s[name] for s in self.steps]
      if name in ('prefix', 'own'):
        widest = max(a.shape[1] for a in arrays)
        arrays = [np.pad(a, ((0, 0), (0, widest - a.shape[1]))) for a in arrays]
      # Gathered before it is repeated: the samples of a memory share it.
      array = multihost.gather(np.stack(arrays, 1))
      if name in ('prefix', 'prefix_length', 'own', 'own_length'):
        array = np.repeat(array[:, :, None], self.width, 2)
      array = np.moveaxis(array, 1, 2)  # [N, width, T, ...]
      return array.reshape(-1, samples, *array.shape[2:])

    return Grid(**{name: stack(name) for name in Grid._fields})
