"""Checks a config before anything is built from it, and derives its numbers.

Every field has one rule in RULES; what two fields must agree on is in the
functions below it. A message names the field, its value and what is allowed.
"""

from typing import NamedTuple

import ml_collections

from mem_alpha_jax import config_rules as rules
from mem_alpha_jax import workdir as workdir_lib
from mem_alpha_jax.memory import tools

COPY_VOCABULARY = 4096  # the copy head builds [P, V] scores for each token

_FRACTION, _POSITIVE, _WEIGHT = (
  rules.number(0, 1),
  rules.number(0, above=True),
  rules.number(0),
)

RULES: dict[str, rules.Rule] = {
  'seed': rules.integer(0, 2**31 - 1),
  'num_steps': rules.integer(0),
  'data.source': rules.choice('synthetic', 'babi'),
  'data.root': rules.text,
  'data.babi_tasks': rules.tasks,
  'data.batch_episodes': rules.integer(1),
  'data.train_chunks': rules.integer(1),
  'data.chunk_sentences': rules.integer(1),
  'data.overwrite': _FRACTION,
  'data.asked_rate': _WEIGHT,
  'data.eval_episodes': rules.integer(1),
  'data.shuffle': rules.flag,
  'tokenizer.vocab_size': rules.integer(300),
  'tokenizer.known_words': _FRACTION,
  'tokenizer.train_episodes': rules.integer(1),
  'memory.slots': rules.integer(1),
  'memory.max_slots': rules.integer(1),
  'memory.core_tokens': rules.integer(0),
  'memory.entry_tokens': rules.integer(1),
  'memory.cap_base': rules.integer(0),
  'memory.cap_rate': rules.number(0),
  'memory.slot_terms': rules.integer(1),
  'memory.embedding_size': rules.integer(0),
  'memory.embedder': rules.choice('none', 'hashed', 'minilm', 'policy'),
  'memory.prompt_format': rules.choice('compact', 'chat', 'reference'),
  'memory.prompt_order': rules.choice('chunk_first', 'memory_first'),
  'memory.view': rules.choice('retrieved', 'newest'),
  'memory.view_entries': rules.integer(0),
  'memory.fixed_width': rules.flag,
  'memory.thinking': rules.flag,
  'reading.reader': rules.choice('extractive', 'lm'),
  'reading.model': rules.string,
  'reading.answer_tokens': rules.integer(1),
  'reading.batch': rules.integer(1),
  'reading.buckets': rules.ascending(1),
  'reading.strict': rules.flag,
  'reading.top_k': rules.integer(1),
  'reading.hops': rules.integer(1),
  'reading.retrieval': rules.choice('bm25', 'cosine', 'rrf'),
  'model.source': rules.string,
  'model.layers': rules.integer(1),
  'model.width': rules.integer(1),
  'model.heads': rules.integer(1),
  'model.kv_heads': rules.integer(1),
  'model.head_size': rules.integer(2),
  'model.ffn': rules.integer(1),
  'model.rope_theta': _POSITIVE,
  'model.norm_eps': _POSITIVE,
  'model.qk_norm': rules.flag,
  'model.qkv_bias': rules.flag,
  'model.tied': rules.flag,
  'model.copy_head': rules.flag,
  'model.match_bias': rules.flag,
  'model.value_head': rules.flag,
  'model.dtype': rules.choice('float32', 'bfloat16'),
  'model.param_dtype': rules.choice('float32', 'bfloat16'),
  'model.remat': rules.choice('none', 'full', 'dots'),
  'lora.rank': rules.integer(0),
  'lora.alpha': _POSITIVE,
  'mesh.fsdp': rules.integer(1),
  'mesh.tensor': rules.integer(1),
  'rollout.group_size': rules.integer(1),
  'rollout.groups': rules.choice('state', 'trajectory'),
  'rollout.temperature': _POSITIVE,
  'rollout.prefix_buckets': rules.ascending(1),
  'rollout.own_buckets': rules.ascending(1),
  'rollout.response_buckets': rules.ascending(1),
  'rollout.forced': rules.integer(0),
  'rollout.own_memory': _FRACTION,
  'rollout.chain': rules.integer(0),
  'rollout.max_calls': rules.integer(1),
  'rollout.probes': rules.integer(1),
  'rollout.retain': rules.flag,
  'reward.answers': _WEIGHT,
  'reward.calls': _WEIGHT,
  'reward.size': _WEIGHT,
  'reward.content': _WEIGHT,
  'reward.noop': _FRACTION,
  'reward.when': rules.choice('step', 'end'),
  'rl.advantage': rules.choice('grpo', 'dr_grpo', 'rloo', 'gae'),
  'rl.group_by': rules.choice('chunk', 'trajectory', 'episode'),
  'rl.std_floor': _POSITIVE,
  'rl.min_gap': _WEIGHT,
  'rl.train_samples': rules.integer(0),
  'rl.minibatch_rows': rules.integer(1),
  'rl.microbatches': rules.integer(1),
  'rl.clip_low': rules.number(0, 1, above=True),
  'rl.clip_high': _POSITIVE,
  'rl.dual_clip': rules.zero_or(rules.number(1, above=True)),
  'rl.ratio_level': rules.choice('token', 'sequence'),
  'rl.aggregate': rules.choice('token_mean', 'sequence_mean', 'sequence_sum'),
  'rl.kl_coef': _WEIGHT,
  'rl.kl_kind': rules.choice('k1', 'k2', 'k3'),
  'rl.entropy_coef': _WEIGHT,
  'rl.importance_cap': rules.zero_or(rules.number(1)),
  'rl.value_coef': _WEIGHT,
  'rl.gamma': _FRACTION,
  'rl.lam': _FRACTION,
  'optim.learning_rate': _POSITIVE,
  'optim.warmup_steps': rules.integer(0),
  'optim.schedule': rules.choice('constant', 'linear', 'cosine'),
  'optim.final_fraction': _FRACTION,
  'optim.weight_decay': _WEIGHT,
  'optim.b1': rules.number(0, 0.999999),
  'optim.b2': rules.number(0, 0.999999),
  'optim.clip_norm': _WEIGHT,
  'warm_start.checkpoint': rules.string,
  'warm_start.steps': rules.integer(0),
  'warm_start.batch': rules.integer(1),
  'warm_start.learning_rate': _POSITIVE,
  'warm_start.prompt_loss': _WEIGHT,
  'eval.every': rules.integer(1),
  'eval.lengths': rules.ascending(1),
  'eval.length_episodes': rules.integer(1),
  'eval.bootstrap': rules.integer(1),
  'eval.html_episodes': rules.integer(0),
  'checkpoint.every': rules.integer(1),
  'checkpoint.keep': rules.integer(1),
  'log.tensorboard': rules.flag,
  'log.progress': rules.flag,
}


def validate(
  config: ml_collections.ConfigDict, devices: int | None = None
) -> None:
  """Checks every field by itself, then what fields must agree on.

  Args:
    config: a whole config, as `configs/<name>.py` returns it.
    devices: devices of the run; None leaves the mesh's size unchecked.

  Raises:
    ValueError: for the first field that is wrong, in one line.
  """
  fields = workdir_lib.flatten(config.to_dict())
  for name in sorted(set(RULES) - set(fields)):
    raise ValueError(f'config.{name} is missing; see configs/tiny.py')
  for name in sorted(set(fields) - set(RULES)):
    raise ValueError(
      f'config.{name}={fields[name]!r}: there is no such field; '
      'see configs/tiny.py for those there are'
    )
  for name, rule in RULES.items():
    allowed = rule(fields[name])
    if allowed:
      raise ValueError(f'config.{name}={fields[name]!r}: use {allowed}')
  _check_data(config)
  _check_model(config)
  _check_mesh(config, devices)
  _check_memory(config)
  _check_learning(config)


def _require(fits: bool, message: str) -> None:
  if not fits:
    raise ValueError(f'config.{message}')


def _check_data(c: ml_collections.ConfigDict) -> None:
  lengths = tuple(c.eval.lengths)
  _require(
    c.data.source == 'synthetic' or lengths == (1,),
    f'eval.lengths={lengths}: stories of data.source={c.data.source!r} have '
    'the length they have; use (1,)',
  )


def _check_model(c: ml_collections.ConfigDict) -> None:
  m, vocabulary = c.model, c.tokenizer.vocab_size
  _require(
    m.heads % m.kv_heads == 0,
    f'model.kv_heads={m.kv_heads}: must divide model.heads={m.heads}',
  )
  _require(
    m.head_size % 2 == 0,
    f'model.head_size={m.head_size}: must be even (RoPE turns pairs)',
  )
  _require(
    not m.copy_head or vocabulary <= COPY_VOCABULARY,
    f'model.copy_head=True: tokenizer.vocab_size={vocabulary} is above '
    f'{COPY_VOCABULARY}; set it to False',
  )


def _check_mesh(c: ml_collections.ConfigDict, devices: int | None) -> None:
  fsdp, tensor = c.mesh.fsdp, c.mesh.tensor
  _require(
    devices is None or fsdp * tensor <= devices,
    f'mesh.fsdp={fsdp}: times mesh.tensor={tensor} it must not pass the '
    f'{devices} devices there are',
  )
  _require(
    c.data.batch_episodes % fsdp == 0,
    f'data.batch_episodes={c.data.batch_episodes}: must be a multiple of '
    f'mesh.fsdp={fsdp}',
  )


def _check_memory(c: ml_collections.ConfigDict) -> None:
  m, handles = c.memory, len(tools.HANDLES)
  _require(
    m.slots <= m.max_slots,
    f'memory.slots={m.slots}: must not pass memory.max_slots={m.max_slots}',
  )
  _require(
    c.reading.retrieval == 'bm25' or m.embedder != 'none',
    f"memory.embedder='none': reading.retrieval={c.reading.retrieval!r} "
    'needs vectors; use hashed, minilm or policy, or bm25',
  )
  sizes = {'none': 0, 'minilm': 384, 'policy': c.model.width}
  size = sizes.get(m.embedder, max(m.embedding_size, 1))
  _require(
    m.embedding_size == size,
    f'memory.embedding_size={m.embedding_size}: '
    f'memory.embedder={m.embedder!r} makes vectors of {size}',
  )
  _require(
    c.reading.reader != 'lm' or c.reading.model,
    "reading.model='': reading.reader='lm' needs a model; use smollm2, a "
    'folder or a .gguf file',
  )
  if m.prompt_format != 'compact':
    return
  _require(
    m.view_entries <= handles,
    f'memory.view_entries={m.view_entries}: use 0 to {handles}, the handles '
    'of the compact prompt',
  )
  view, prefix = view_tokens(c), c.rollout.prefix_buckets[-1]
  _require(
    view < prefix,
    f'rollout.prefix_buckets={tuple(c.rollout.prefix_buckets)}: the longest '
    f'must be above {view}, what memory.view_entries={m.view_entries} of '
    f'memory.entry_tokens={m.entry_tokens} take beside the chunk',
  )
  call, response = m.entry_tokens + 3, c.rollout.response_buckets[-1]
  _require(
    call <= response,
    f'rollout.response_buckets={tuple(c.rollout.response_buckets)}: the '
    f'longest must be at least {call}, a call that writes '
    f'memory.entry_tokens={m.entry_tokens}',
  )


def _check_learning(c: ml_collections.ConfigDict) -> None:
  rollout, rl = c.rollout, c.rl
  _require(
    rollout.forced < rollout.group_size,
    f'rollout.forced={rollout.forced}: must be below '
    f'rollout.group_size={rollout.group_size}',
  )
  _require(
    rl.advantage == 'gae' or rollout.group_size >= 2,
    f'rollout.group_size=1: rl.advantage={rl.advantage!r} compares samples '
    'of a group; use 2 or more',
  )
  _require(
    rl.advantage != 'gae' or c.model.value_head,
    "rl.advantage='gae': needs model.value_head=True",
  )
  shared = rollout.groups == 'state'
  _require(
    not shared or rl.advantage != 'gae',
    "rl.advantage='gae': needs rollout.groups='trajectory', its steps must "
    'follow each other',
  )
  _require(
    not shared or rl.group_by == 'chunk',
    f"rl.group_by={rl.group_by!r}: rollout.groups='state' needs 'chunk'",
  )
  width = rollout.group_size if shared else 1
  _require(
    rl.minibatch_rows % width == 0,
    f'rl.minibatch_rows={rl.minibatch_rows}: must be a multiple of '
    f'rollout.group_size={width}, whose rows stay together',
  )
  parts = rl.microbatches * c.mesh.fsdp
  _require(
    rl.minibatch_rows // width % parts == 0,
    f'rl.minibatch_rows={rl.minibatch_rows}: its {rl.minibatch_rows // width} '
    f'groups must be a multiple of rl.microbatches={rl.microbatches} times '
    f'mesh.fsdp={c.mesh.fsdp}',
  )


def view_tokens(config: ml_collections.ConfigDict) -> int:
  """Prefix tokens of a compact prompt beside its chunk and core memory.

  bos and sep, and for each place its kind, text and handle.
  """
  memory = config.memory
  per_place = memory.entry_tokens + 2
  return 2 + (memory.view_entries * per_place if memory.fixed_width else 0)


class Derived(NamedTuple):
  """Numbers that follow from a config.

  Attributes:
    rows: responses of one collected batch of full-length episodes.
    updates_per_step: optimiser updates that they make.
    total_updates: optimiser updates of the run.
    eval_chunks: chunks of an episode of each of eval.lengths.
    chunk_tokens: longest chunk of a compact prompt without core memory.
  """

  rows: int
  updates_per_step: int
  total_updates: int
  eval_chunks: tuple[int, ...]
  chunk_tokens: int


def derive(config: ml_collections.ConfigDict) -> Derived:
  """Computes what more than one module needs, so that all agree."""
  data = config.data
  rows = data.batch_episodes * data.train_chunks * config.rollout.group_size
  updates = -(-rows // config.rl.minibatch_rows)
  return Derived(
    rows=rows,
    updates_per_step=updates,
    total_updates=config.num_steps * updates,
    eval_chunks=tuple(data.train_chunks * n for n in config.eval.lengths),
    chunk_tokens=config.rollout.prefix_buckets[-1] - view_tokens(config),
  )
