"""The rule of each config field, and what rules are made of."""

import itertools
import json
import math
import re
from collections.abc import Callable
from typing import Any

# A rule returns '' for a value that is allowed, else what is allowed.
Rule = Callable[[Any], str]


def integer(low: int, high: float = math.inf) -> Rule:
  """An int in [low, high]."""
  allowed = f'an integer, {_range(low, high)}'

  def rule(value: Any) -> str:
    fits = isinstance(value, int) and not isinstance(value, bool)
    return '' if fits and low <= value <= high else allowed

  return rule


def number(low: float, high: float = math.inf, above: bool = False) -> Rule:
  """A finite number in [low, high], or in (low, high] if `above`."""
  allowed = f'a number, {_range(low, high)}'
  if above:
    allowed = f'a number above {low}'
    allowed += '' if high == math.inf else f', at most {high}'

  def rule(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
      return allowed
    fits = low < value <= high if above else low <= value <= high
    return '' if fits and math.isfinite(value) else allowed

  return rule


def zero_or(rule: Rule) -> Rule:
  """0 switches something off; else the rule holds."""

  def either(value: Any) -> str:
    allowed = rule(value)
    is_off = not isinstance(value, bool) and value == 0
    return '' if is_off or not allowed else f'0 (off) or {allowed}'

  return either


def choice(*names: str) -> Rule:
  """One of some strings."""
  return lambda value: '' if value in names else f'one of {list(names)}'


def flag(value: Any) -> str:
  """True or False."""
  return '' if isinstance(value, bool) else 'True or False'


def string(value: Any) -> str:
  """A string, empty too."""
  return '' if isinstance(value, str) else 'a string'


def text(value: Any) -> str:
  """A string with something in it."""
  return '' if isinstance(value, str) and value else 'a string, not empty'


def address(value: Any) -> str:
  """A web address, or ''."""
  fits = isinstance(value, str) and re.fullmatch(r'(https?://\S+)?', value)
  return '' if fits else "an address such as http://host:8000/v1, or ''"


def json_object(value: Any) -> str:
  """The text of a JSON object, or ''."""
  try:
    fits = isinstance(value, str) and isinstance(
      json.loads(value or '{}'), dict
    )
  except ValueError:
    fits = False
  return '' if fits else """JSON such as '{"top_k": 1}', or ''"""


def ascending(low: int) -> Rule:
  """Integers that grow, each at least `low`, at least one of them."""

  def rule(value: Any) -> str:
    allowed = f'growing integers, {_range(low, math.inf)}'
    if not isinstance(value, list | tuple) or not value:
      return allowed
    if any(integer(low)(item) for item in value):
      return allowed
    grows = all(a < b for a, b in itertools.pairwise(value))
    return '' if grows else allowed

  return rule


def names(value: Any) -> str:
  """Different names, at least one."""
  fits = isinstance(value, list | tuple) and value
  fits = fits and all(isinstance(item, str) and item for item in value)
  different = fits and len(set(value)) == len(value)
  return '' if different else 'different names, at least one'


def tasks(value: Any) -> str:
  """Different bAbI tasks."""
  known = [f'qa{i}' for i in range(1, 21)]
  fits = isinstance(value, list | tuple) and 0 < len(value) == len(set(value))
  if fits and all(item in known for item in value):
    return ''
  return 'different names of qa1 to qa20'


def _range(low: float, high: float) -> str:
  return f'{low} or more' if high == math.inf else f'{low} to {high}'


_FRACTION, _POSITIVE, _WEIGHT = (
  number(0, 1),
  number(0, above=True),
  number(0),
)

RULES: dict[str, Rule] = {
  'seed': integer(0, 2**31 - 1),
  'num_steps': integer(0),
  'data.source': text,
  'data.root': text,
  'data.babi_tasks': tasks,
  'data.turns': integer(0),
  'data.turn_words': integer(0),
  'data.mixture': text,
  'data.labels': integer(0),
  'data.per_label': integer(1),
  'data.label_questions': integer(1),
  'data.label_words': integer(0),
  'data.batch_episodes': integer(1),
  'data.train_chunks': integer(1),
  'data.chunk_sentences': integer(1),
  'data.overwrite': _FRACTION,
  'data.asked_rate': _WEIGHT,
  'data.eval_episodes': integer(1),
  'data.shuffle': flag,
  'tokenizer.source': string,
  'tokenizer.vocab_size': integer(300),
  'tokenizer.known_words': _FRACTION,
  'tokenizer.train_episodes': integer(1),
  'memory.slots': integer(1),
  'memory.max_slots': integer(1),
  'memory.core_tokens': integer(0),
  'memory.entry_tokens': integer(1),
  'memory.cap_base': integer(0),
  'memory.cap_rate': number(0),
  'memory.slot_terms': integer(1),
  'memory.embedding_size': integer(0),
  'memory.embedder': choice('none', 'hashed', 'minilm', 'policy'),
  'memory.prompt_format': choice('compact', 'chat', 'reference'),
  'memory.prompt_order': choice('chunk_first', 'memory_first'),
  'memory.view': choice('retrieved', 'newest'),
  'memory.view_entries': integer(0),
  'memory.fixed_width': flag,
  'memory.instructions': choice('full', 'brief'),
  'memory.thinking': flag,
  'reading.reader': string,
  'reading.model': string,
  'reading.answer_tokens': integer(1),
  'reading.batch': integer(1),
  'reading.buckets': ascending(1),
  'reading.judge': string,
  'reading.url': address,
  'reading.key_env': string,
  'reading.extra': json_object,
  'reading.price_prompt': _WEIGHT,
  'reading.price_completion': _WEIGHT,
  'reading.cache': string,
  'reading.timeout': _POSITIVE,
  'reading.retries': integer(0, 20),
  'reading.backoff': _WEIGHT,
  'reading.concurrency': integer(1, 256),
  'reading.breaker_limit': integer(0),
  'reading.breaker_pause': _POSITIVE,
  'reading.max_missing': _FRACTION,
  'reading.strict': flag,
  'reading.top_k': integer(1),
  'reading.hops': integer(1),
  'reading.budget': integer(0),
  'reading.retrieval': text,
  'model.source': string,
  'model.layers': integer(1),
  'model.width': integer(1),
  'model.heads': integer(1),
  'model.kv_heads': integer(1),
  'model.head_size': integer(2),
  'model.ffn': integer(1),
  'model.rope_theta': _POSITIVE,
  'model.norm_eps': _POSITIVE,
  'model.qk_norm': flag,
  'model.qkv_bias': flag,
  'model.tied': flag,
  'model.copy_head': flag,
  'model.match_bias': flag,
  'model.value_head': flag,
  'model.dtype': choice('float32', 'bfloat16'),
  'model.param_dtype': choice('float32', 'bfloat16'),
  'model.remat': choice('none', 'full', 'dots'),
  'model.block_logits': integer(1),
  'model.attention': choice('xla', 'splash', 'cudnn'),
  'lora.rank': integer(0),
  'lora.alpha': _POSITIVE,
  'mesh.data': integer(1),
  'mesh.fsdp': integer(1),
  'mesh.tensor': integer(1),
  'mesh.decode': choice('same', 'tensor'),
  'mesh.topology': string,
  'rollout.group_size': integer(1),
  'rollout.groups': choice('state', 'trajectory'),
  'rollout.temperature': _POSITIVE,
  'rollout.prefix_buckets': ascending(1),
  'rollout.own_buckets': ascending(1),
  'rollout.response_buckets': ascending(1),
  'rollout.forced': integer(0),
  'rollout.own_memory': _FRACTION,
  'rollout.chain': integer(0),
  'rollout.max_calls': integer(1),
  'rollout.probes': integer(1),
  'rollout.retain': flag,
  'reward.answers': _WEIGHT,
  'reward.calls': _WEIGHT,
  'reward.size': _WEIGHT,
  'reward.content': _WEIGHT,
  'reward.content_judge': string,
  'reward.noop': _FRACTION,
  'reward.when': choice('step', 'end'),
  'rl.advantage': text,  # checked by credit.advantages
  'rl.group_by': choice('chunk', 'trajectory', 'episode'),
  'rl.std_floor': _POSITIVE,
  'rl.min_gap': _WEIGHT,
  'rl.train_samples': integer(0),
  'rl.minibatch_rows': integer(1),
  'rl.microbatches': integer(1),
  'rl.clip_low': number(0, 1, above=True),
  'rl.clip_high': _POSITIVE,
  'rl.dual_clip': zero_or(number(1, above=True)),
  'rl.ratio_level': choice('token', 'sequence'),
  'rl.aggregate': choice('token_mean', 'sequence_mean', 'sequence_sum'),
  'rl.kl_coef': _WEIGHT,
  'rl.kl_kind': choice('k1', 'k2', 'k3'),
  'rl.entropy_coef': _WEIGHT,
  'rl.importance_cap': zero_or(number(1)),
  'rl.value_coef': _WEIGHT,
  'rl.gamma': _FRACTION,
  'rl.lam': _FRACTION,
  'optim.learning_rate': _POSITIVE,
  'optim.warmup_steps': integer(0),
  'optim.schedule': choice('constant', 'linear', 'cosine'),
  'optim.final_fraction': _FRACTION,
  'optim.weight_decay': _WEIGHT,
  'optim.b1': number(0, 0.999999),
  'optim.b2': number(0, 0.999999),
  'optim.clip_norm': _WEIGHT,
  'optim.skip_norm': _WEIGHT,
  'optim.max_skipped': integer(1),
  'warm_start.checkpoint': string,
  'warm_start.steps': integer(0),
  'warm_start.batch': integer(1),
  'warm_start.learning_rate': _POSITIVE,
  'warm_start.prompt_loss': _WEIGHT,
  'eval.every': integer(1),
  'eval.lengths': ascending(1),
  'eval.length_episodes': integer(1),
  'eval.bootstrap': integer(1),
  'eval.html_episodes': integer(0),
  'stream.methods': names,
  'stream.multiple': integer(1),
  'stream.episodes': integer(1),
  'stream.every': integer(1),
  'stream.questions': integer(0),
  'stream.lag': integer(0),
  'stream.drop': _FRACTION,
  'checkpoint.every': integer(1),
  'checkpoint.grace': number(0.0),
  'checkpoint.keep': integer(1),
  'log.tensorboard': flag,
  'log.progress': flag,
  'log.watchdog': number(0.0),
}
