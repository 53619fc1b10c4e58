"""Checks a config before anything is built from it.

Every field has its rule in sections/; what fields must agree on is here.
A message names the field, its value and what is allowed.
"""

import ml_collections

from mem_alpha_jax.config import compare, earning
from mem_alpha_jax.config.fields import FIELDS
from mem_alpha_jax.config.rules import require

TABLE = 'mem_alpha_jax/config/sections/'
COPY_VOCABULARY = 4096  # the copy head builds [P, V] scores for each token


def validate(config: ml_collections.ConfigDict) -> None:
  """Raises ValueError for the first field that is wrong, in one line."""
  values = compare.flatten(config.to_dict())
  for name in sorted(set(FIELDS) - set(values)):
    raise ValueError(
      f'config.{name} is missing ({FIELDS[name].meaning}); see {TABLE}'
    )
  for name in sorted(set(values) - set(FIELDS)):
    raise ValueError(
      f'config.{name}={values[name]!r}: there is no such field; see {TABLE} '
      'for those there are'
    )
  for name, field in FIELDS.items():
    allowed = field.rule(values[name])
    if allowed:
      raise ValueError(
        f'config.{name}={values[name]!r}: use {allowed} ({field.meaning})'
      )
  _check_model(config)
  _check_devices(config)
  _check_memory(config)
  _check_horizon(config)
  _check_learning(config)


def _check_model(c: ml_collections.ConfigDict) -> None:
  m, vocabulary = c.model, c.tokenizer.vocab_size
  require(
    m.heads % m.kv_heads == 0,
    f'model.kv_heads={m.kv_heads}: must divide model.heads={m.heads}',
  )
  require(
    m.head_size % 2 == 0,
    f'model.head_size={m.head_size}: must be even (RoPE turns pairs)',
  )
  source, prompt = m.source, c.memory.prompt_format
  require(
    bool(source) == (prompt != 'compact'),
    f'memory.prompt_format={prompt!r}: '
    + (
      'the tokenizer of model.source has no compact symbols; use chat'
      if source
      else 'needs a chat model in model.source; use compact without one'
    ),
  )
  require(
    prompt != 'reference' or c.memory.prompt_order == 'memory_first',
    f'memory.prompt_order={c.memory.prompt_order!r}: '
    "prompt_format='reference' has the memory first",
  )
  require(
    not (source and c.warm_start.checkpoint),
    f'warm_start.checkpoint={c.warm_start.checkpoint!r}: is of another model '
    f"than model.source={source!r}; use ''",
  )
  require(
    not source or not (m.copy_head or m.match_bias),
    'model.copy_head, model.match_bias: must be False with a model.source',
  )
  require(
    not m.copy_head or vocabulary <= COPY_VOCABULARY,
    f'model.copy_head=True: tokenizer.vocab_size={vocabulary} is above '
    f'{COPY_VOCABULARY}; set it to False',
  )


def _check_devices(c: ml_collections.ConfigDict) -> None:
  m = c.model
  require(
    m.attention == 'xla' or not m.match_bias,
    f'model.attention={m.attention!r}: has no scores to add '
    "model.match_bias=True to; use 'xla'",
  )
  require(
    c.mesh.decode == 'same' or m.kv_heads % c.mesh.fsdp == 0,
    f"mesh.decode='tensor': mesh.fsdp={c.mesh.fsdp} must divide "
    f'model.kv_heads={m.kv_heads}',
  )
  require(
    c.data.batch_episodes % (c.mesh.data * c.mesh.fsdp) == 0,
    f'data.batch_episodes={c.data.batch_episodes}: must be a multiple of '
    f'mesh.data={c.mesh.data} times mesh.fsdp={c.mesh.fsdp}',
  )


def _check_horizon(c: ml_collections.ConfigDict) -> None:
  horizon, promote = tuple(c.data.horizon), tuple(c.data.promote)
  last = c.data.train_chunks
  require(
    not horizon or horizon[-1] == last,
    f'data.horizon={horizon}: must end with data.train_chunks={last}',
  )
  require(
    len(promote) == max(len(horizon) - 1, 0),
    f'data.promote={promote}: data.horizon={horizon} needs one step between '
    'two stages',
  )
  require(
    bool(horizon) or not c.data.promote_at,
    f'data.promote_at={c.data.promote_at}: there are no stages; give '
    'data.horizon, and in data.promote when they begin at the latest',
  )


def _check_memory(c: ml_collections.ConfigDict) -> None:
  m = c.memory
  require(
    m.slots <= m.max_slots,
    f'memory.slots={m.slots}: must not pass memory.max_slots={m.max_slots}',
  )
  sizes = {'none': 0, 'minilm': 384, 'policy': c.model.width}
  size = sizes.get(m.embedder, max(m.embedding_size, 1))
  require(
    m.embedding_size == size,
    f'memory.embedding_size={m.embedding_size}: '
    f'memory.embedder={m.embedder!r} makes vectors of {size}',
  )
  require(
    c.reading.reader != 'lm' or c.reading.model,
    "reading.model='': reading.reader='lm' needs a model; use smollm2, a "
    'folder or a .gguf file',
  )
  require(
    c.reading.reader != 'lm' or not c.reading.url,
    f"reading.url={c.reading.url!r}: with reading.reader='lm' reading.model is "
    "the model in this process; use '', or reader='remote'",
  )
  asked = {
    'reading.reader': c.reading.reader,
    'reading.judge': c.reading.judge,
    'reward.content_judge': c.reward.content_judge,
  }
  for name in (name for name, where in asked.items() if where == 'remote'):
    require(
      bool(c.reading.model and c.reading.url),
      f'reading.url={c.reading.url!r}, reading.model={c.reading.model!r}: '
      f"{name}='remote' needs both: where the server is, and the name of the "
      'model there',
    )
  if m.prompt_format != 'compact':
    return
  # bos and sep, and for each place its kind, text and handle.
  view = 2 + m.fixed_width * m.view_entries * (m.entry_tokens + 2)
  prefix = c.rollout.prefix_buckets[-1]
  require(
    view < prefix,
    f'rollout.prefix_buckets={tuple(c.rollout.prefix_buckets)}: the longest '
    f'must be above {view}, what memory.view_entries={m.view_entries} of '
    f'memory.entry_tokens={m.entry_tokens} take beside the chunk',
  )
  call, response = m.entry_tokens + 3, c.rollout.response_buckets[-1]
  require(
    call <= response,
    f'rollout.response_buckets={tuple(c.rollout.response_buckets)}: the '
    f'longest must be at least {call}, a call that writes '
    f'memory.entry_tokens={m.entry_tokens}',
  )


def _check_learning(c: ml_collections.ConfigDict) -> None:
  rollout, rl = c.rollout, c.rl
  require(
    rollout.forced < rollout.group_size,
    f'rollout.forced={rollout.forced}: must be below '
    f'rollout.group_size={rollout.group_size}',
  )
  require(
    rl.advantage == 'gae' or rollout.group_size >= 2,
    f'rollout.group_size=1: rl.advantage={rl.advantage!r} compares samples '
    'of a group; use 2 or more',
  )
  require(
    rl.advantage != 'gae' or c.model.value_head,
    "rl.advantage='gae': needs model.value_head=True",
  )
  require(
    not rollout.forced or c.memory.prompt_format != 'reference',
    f'rollout.forced={rollout.forced}: there are no forced calls; use 0 with '
    f'memory.prompt_format={c.memory.prompt_format!r}',
  )
  for name in ('forced_words', 'forced_subjects'):
    require(
      not rollout[name] or c.memory.prompt_format == 'compact',
      f'rollout.{name}={rollout[name]}: a text begins with its call with '
      f"memory.prompt_format='compact' alone; use 0",
    )
  shared = rollout.groups == 'state'
  require(
    not shared or rl.advantage != 'gae',
    "rl.advantage='gae': needs rollout.groups='trajectory', its steps must "
    'follow each other',
  )
  require(
    not shared or rl.group_by == 'chunk',
    f"rl.group_by={rl.group_by!r}: rollout.groups='state' needs 'chunk'",
  )
  for name in ('expert', 'ahead'):
    require(
      shared or not rollout[name],
      f'rollout.{name}={rollout[name]}: a trajectory goes on with its own '
      "memory; needs rollout.groups='state'",
    )
  when = c.reward.when
  require(
    when == 'step' or not rollout.ahead,
    f"rollout.ahead={rollout.ahead}: grades gains; needs reward.when='step', "
    f'not {when!r}',
  )
  require(
    not rollout.clauses
    or not (rollout.expert or rollout.ahead or c.reward.gold),
    f'rollout.clauses={rollout.clauses}: a perfect writer, of rollout.expert, '
    'rollout.ahead and reward.gold, reads whole chunks; use 0',
  )
  earning.check(c)
  width = rollout.group_size if shared else 1
  require(
    rl.minibatch_rows % width == 0,
    f'rl.minibatch_rows={rl.minibatch_rows}: must be a multiple of '
    f'rollout.group_size={width}, whose rows stay together',
  )
  _check_packing(c, min(rl.train_samples or width, width))
  if rl.packed_groups:
    return
  parts = rl.microbatches * c.mesh.data * c.mesh.fsdp
  require(
    rl.minibatch_rows // width % parts == 0,
    f'rl.minibatch_rows={rl.minibatch_rows}: its {rl.minibatch_rows // width} '
    f'groups must be a multiple of rl.microbatches={rl.microbatches} times '
    f'mesh.data={c.mesh.data} and mesh.fsdp={c.mesh.fsdp}',
  )


def _check_packing(c: ml_collections.ConfigDict, width: int) -> None:
  groups, rows, kernel = c.rl.packed_groups, c.rl.packed_rows, c.model.attention
  require(
    not groups or rows >= width,
    f'rl.packed_rows={rows}: must be at least {width}, the samples of a group '
    'that are trained; or set rl.packed_groups=0',
  )
  require(
    not groups or kernel == 'xla',
    f"rl.packed_groups={groups}: needs model.attention='xla', for {kernel} "
    'knows no samples that share a row; use 0',
  )
