"""Every config field: its default, meaning, rule, and when it may change.

The defaults are the laptop run's, configs/tiny.py; other configs say what
differs from it. A field without a rule has that of its type, rules.KINDS.
"""

import ml_collections

from mem_alpha_jax.config import rules
from mem_alpha_jax.config.rules import (
  EVALUATION,
  NEVER,
  RESUME,
  Field,
  fraction,
  integer,
  natural,
  positive,
)

FIELDS: dict[str, Field] = {}


def defaults() -> ml_collections.ConfigDict:
  """A config of all defaults, not locked."""
  tree = {}
  for name, field in FIELDS.items():
    section, _, key = name.rpartition('.')
    tree.setdefault(section, {})[key] = field.default
  return ml_collections.ConfigDict(tree.pop('') | tree)


def _section(name: str, may_differ: str, **fields: Field) -> None:
  FIELDS.update(rules.section(name, may_differ, fields))


_section(
  '',
  NEVER,
  seed=Field(0, 'of data, weights, sampling, shuffling', integer(0, 2**31 - 1)),
  num_steps=Field(250, 'collected batches', natural),
)
_section(
  'data',
  EVALUATION,
  source=Field('synthetic', "of episodes; 'babi+nlu': by turns", rules.text),
  babi_tasks=Field(('qa1',), 'of source=babi', rules.tasks),
  mixture=Field('mixture', 'in data.root, of source=mixture', rules.text),
  file=Field('', "of source=jsonl; of longmemeval, '': its folder"),
  clean=Field(
    True, 'of source=memalpha: train shares no text with test and validation'
  ),
  labels=Field(6, 'of a labelled episode; 0: all of the source', natural),
  per_label=Field(3, 'examples of each'),
  label_questions=Field(24, 'texts to label at its end'),
  label_words=Field(12, 'longest text of an example; 0: no limit', natural),
  turns=Field(1, 'of a chunk, of dialogues; 0: whole sessions', natural),
  turn_words=Field(0, 'longer turns are split, of locomo; 0: none', natural),
  batch_episodes=Field(24, 'of one batch, over all processes'),
  train_chunks=Field(8, 'chunks of a training episode'),
  horizon=Field((), 'chunks by stage; (): train_chunks', rules.stages),
  promote=Field((), 'steps at which the next stage begins', rules.stages),
  wording=Field('plain', 'of source=synthetic', 'plain | varied'),
  chunk_sentences=Field(1, 'sentences of one chunk; of varied: the most'),
  overwrite=Field(0.65, 'share of facts that change a fact', fraction),
  asked_rate=Field(0.45, 'questions asked for every sentence'),
  eval_episodes=Field(128, 'held-out episodes at train length'),
  shuffle=Field(True, 'order of the training episodes'),
)
_section(
  'data',
  RESUME,
  root=Field('../shared/data', 'folder of the real data sets', rules.text),
)
_section(
  'tokenizer',
  NEVER,
  source=Field('', "whose texts it is made of; '': data.source"),
  vocab_size=Field(900, 'pieces, 256 bytes and symbols included', integer(300)),
  known_words=Field(0.4, 'share of names and values it may see', fraction),
  train_episodes=Field(3000, 'episodes of the train split it reads'),
)
_section(
  'memory',
  NEVER,
  slots=Field(64, 'slots at first; doubles when full: compiles again'),
  max_slots=Field(1024, 'entries a memory may hold'),
  core_tokens=Field(32, 'token limit of the core text', natural),
  entry_tokens=Field(14, 'token limit of one entry'),
  cap_base=Field(20, 'tokens a memory may hold at first', natural),
  cap_rate=Field(0.35, 'more for every token read; 0: no cap'),
  embedding_size=Field(0, "floats of an entry's vector", natural),
  embedder=Field('none', 'of entries', 'none | hashed | minilm | policy'),
  prompt_format=Field('compact', 'of prompts', 'compact | chat | reference'),
  prompt_order=Field(
    'chunk_first', 'of chunk and memory in it', 'chunk_first | memory_first'
  ),
  view=Field('covered', 'shown to the writer', 'covered | retrieved | newest'),
  view_entries=Field(3, 'how many of them', natural),
  fixed_width=Field(True, 'pad each viewed entry to entry_tokens'),
  instructions=Field('full', 'of chat models', 'full | brief'),
  thinking=Field(False, 'chat models may think before they call tools'),
)
_section(
  'reading',
  EVALUATION,
  reader=Field('extractive', 'who answers the questions'),
  model=Field('', 'smollm2, a folder, a .gguf file; or its name at url'),
  answer_tokens=Field(24, 'longest answer of a language model'),
  batch=Field(16, 'questions that reader=lm answers in one call'),
  buckets=Field((128, 256, 512, 1024), 'padded lengths of its prompts'),
  judge=Field('', "remote: the server judges evaluations; '': rules"),
  temperature=Field(
    'zero', 'sent to it; none: of models that refuse one', 'zero | none'
  ),
  extra=Field('', 'further fields of a request to it', rules.json_object),
  strict=Field(True, 'abstain where retrieved notes contradict'),
  top_k=Field(5, 'entries retrieved for a question'),
  budget=Field(0, 'tokens of notes a reader is shown; 0: no limit', natural),
  hops=Field(1, 'look-ups; later ones add what was found before'),
  retrieval=Field('bm25', 'how entries are ranked for a question', rules.text),
)
_section(
  'reading',
  RESUME,
  url=Field('', 'of the server, without /chat/completions', rules.address),
  key_env=Field('', "environment variable with its key; '': none"),
  reply_limit=Field(
    'max_tokens',
    'what it calls the longest reply; newer models the other',
    'max_tokens | max_completion_tokens',
  ),
  price_prompt=Field(0.0, 'USD of a million tokens; 0: unknown'),
  price_completion=Field(0.0, 'the same, of replies'),
  cache=Field('', "file of its replies, for all runs; '': none"),
  timeout=Field(60.0, 'seconds that one request to it may take', positive),
  retries=Field(4, 'further requests after one that failed', integer(0, 20)),
  backoff=Field(0.5, 'longest wait before the first retry, s; doubles'),
  concurrency=Field(16, 'requests at a time, of each process', integer(1, 256)),
  breaker_limit=Field(20, 'failures in a row to pause at; 0: never', natural),
  breaker_pause=Field(30.0, 'seconds until it is tried again', positive),
  max_missing=Field(0.1, 'share of answers, missing, that pauses', fraction),
)
_section(
  'model',
  NEVER,
  source=Field('', "'': born here; smollm2, a folder, a .gguf file"),
  layers=Field(3, 'decoder blocks'),
  width=Field(64, 'residual stream'),
  heads=Field(4, 'query heads'),
  kv_heads=Field(2, 'key/value heads'),
  head_size=Field(16, 'width of one head', integer(2)),
  ffn=Field(160, 'SwiGLU hidden width'),
  rope_theta=Field(10000.0, 'RoPE base', positive),
  norm_eps=Field(1e-6, 'RMSNorm epsilon', positive),
  qk_norm=Field(False, 'RMSNorm on queries and keys (Qwen3)'),
  qkv_bias=Field(False, 'biases on q, k, v (Qwen2.5)'),
  tied=Field(True, 'head shares the embedding'),
  copy_head=Field(True, 'pointer mixture over the prefix (tiny models)'),
  match_bias=Field(True, 'learned bias to equal tokens (tiny models)'),
  value_head=Field(False, 'needed by rl.advantage=gae'),
  dtype=Field('float32', 'of activations', 'float32 | bfloat16'),
  param_dtype=Field('float32', 'of stored parameters', 'float32 | bfloat16'),
)
_section(
  'model',
  RESUME,
  remat=Field('none', 'what backward computes again', 'none | full | dots'),
  block_logits=Field(2**25, 'that exist at once, all devices together'),
  attention=Field('xla', 'splash: TPU, cudnn: GPU', 'xla | splash | cudnn'),
)
_section(
  'lora',
  NEVER,
  rank=Field(0, 'of the trained updates; 0: all parameters move', natural),
  alpha=Field(16.0, 'updates are scaled by alpha / rank', positive),
)
_section(
  'mesh',
  RESUME,
  data=Field(1, 'devices that share the batch, parameters whole on each'),
  fsdp=Field(1, 'devices that share batch and parameters'),
  tensor=Field(1, 'devices that shard heads, ffn and vocabulary'),
  decode=Field(
    'same',
    'of decode loops; tensor: fsdp devices shard heads, too',
    'same | tensor',
  ),
  topology=Field('', "of --mode=compile; '': what is here"),
)
_section(
  'rollout',
  NEVER,
  group_size=Field(8, 'samples of a group'),
  groups=Field('state', 'what its samples share', 'state | trajectory'),
  temperature=Field(1.0, 'of sampling in training', positive),
  prefix_buckets=Field((80,), 'padded prefix lengths, tokens'),
  own_buckets=Field((1,), 'padded own-context lengths, tokens'),
  response_buckets=Field((18,), 'padded response lengths, tokens'),
  forced=Field(4, 'samples of a group with forced first tokens', natural),
  forced_deletes=Field(
    0.0, 'share of those about an entry that delete it', fraction
  ),
  own_memory=Field(0.8, 'share of streams that keep an old memory', fraction),
  chain=Field(5, 'earlier episodes such a memory may have read', natural),
  rerolls=Field(0, 'of a turn, from the memory of one trajectory', natural),
  rerolled=Field(0.5, 'share of episodes whose turn has them', fraction),
  shuffled=Field(0.0, 'share of turns that see entries unranked', fraction),
  max_calls=Field(4, 'calls of a response that are carried out'),
  probes=Field(8, 'most questions that grade one step'),
  retain=Field(True, 'ask what earlier episodes told, too'),
)
_section(
  'reward',
  NEVER,
  answers=Field(1.0, 'weight of r1, answers'),
  calls=Field(0.3, 'weight of r2, share of valid calls'),
  size=Field(0.1, 'weight of r3, compression'),
  content=Field(0.1, 'weight of r4, content found in the chunk'),
  content_judge=Field('', "remote: the server says what is found; '': words"),
  noop=Field(1.0, 'r2 and r4 of storing nothing; the reference: 0', fraction),
  repair=Field(
    0.0, 'of a call of r2, if it had slips (rollout/repaired)', fraction
  ),
  when=Field('step', 'step: dense credit; end: the reference', 'step | end'),
  evidence=Field(0.0, 'of r1 paid to who wrote what was read', fraction),
)
_section(
  'rl',
  NEVER,
  advantage=Field('grpo', 'grpo, dr_grpo, rloo, gdpo or gae', rules.text),
  group_by=Field(
    'chunk',
    'samples compared; the reference: episode',
    'chunk | trajectory | episode',
  ),
  std_floor=Field(0.02, 'least deviation a group divides by', positive),
  min_gap=Field(0.02, 'groups of closer rewards are left out; 0: off'),
  train_samples=Field(5, 'of a group that are trained; 0: all', natural),
  train_draw=Field(
    'heaviest',
    'heaviest: those that pull most, biased; pull: drawn by it, weighted',
    'heaviest | pull',
  ),
  cut_responses=Field('keep', 'those without an end', 'keep | mask'),
  minibatch_rows=Field(512, 'samples of one update; a batch makes several'),
  clip_low=Field(0.2, 'ratio clip below 1', rules.number(0, 1, above=True)),
  clip_high=Field(0.28, 'ratio clip above 1', positive),
  dual_clip=Field(
    3.0,
    'bound of the loss at negative advantage',
    rules.zero_or(rules.number(1, above=True)),
  ),
  ratio_level=Field('token', 'of importance ratios', 'token | sequence'),
  aggregate=Field(
    'token_mean',
    'how terms of tokens are averaged',
    'token_mean | sequence_mean | sequence_sum',
  ),
  kl_coef=Field(0.0, 'weight of the KL to the start policy'),
  kl_kind=Field(
    'k3', 'k2 trains KL(pi || start), k3 KL(start || pi), k1 nothing', 'k2 | k3'
  ),
  entropy_coef=Field(0.0, 'weight of the entropy bonus'),
  importance_cap=Field(
    0.0, 'truncated importance correction', rules.zero_or(rules.number(1))
  ),
  max_row_gap=Field(
    4.0, 'of trainer to sampler, nats; 0: off (with importance_cap)'
  ),
  value_coef=Field(0.5, 'weight of the value loss (gae)'),
  gamma=Field(1.0, 'discount over chunks (gae)', fraction),
  lam=Field(0.95, 'GAE lambda', fraction),
)
_section(
  'rl',
  RESUME,
  microbatches=Field(1, 'of an update that is not packed'),
  packed_groups=Field(8, 'of a packed micro-batch; 0: none is', natural),
  packed_rows=Field(28, 'into which it packs responses, on a device'),
)
_section(
  'optim',
  NEVER,
  learning_rate=Field(7e-4, 'at its peak', positive),
  warmup_steps=Field(10, 'updates of linear warm-up', natural),
  schedule=Field('linear', 'after the warm-up', 'constant | linear | cosine'),
  final_fraction=Field(0.1, 'of the peak, at the last update', fraction),
  weight_decay=Field(0.01, 'of AdamW'),
  b1=Field(0.9, 'AdamW first moment', rules.number(0, 0.999999)),
  b2=Field(0.98, 'AdamW second moment', rules.number(0, 0.999999)),
  clip_norm=Field(1.0, 'global gradient norm; 0: off'),
  skip_norm=Field(0.0, 'gradients of a larger norm are skipped; 0: off'),
)
_section(
  'optim',
  RESUME,
  max_skipped=Field(10, 'updates skipped in a row that stop the run'),
)
_section(
  'warm_start',
  NEVER,
  checkpoint=Field('tiny_base', "to start from; '': a warm start of its own"),
  steps=Field(600, 'supervised updates on poor demonstrations', natural),
  batch=Field(128, 'demonstrations of one update', integer(4)),
  learning_rate=Field(4e-3, 'peak, cosine to a tenth', positive),
  prompt_loss=Field(0.3, 'weight of the loss on prompt tokens'),
)
_section(
  'eval',
  EVALUATION,
  every=Field(50, 'steps between evaluations at train length'),
  lengths=Field((1, 2, 4, 13, 64), 'multiples of the train length'),
  length_episodes=Field(16, 'episodes of each longer length'),
)
_section(
  'eval',
  RESUME,
  html_episodes=Field(4, 'episodes shown in episodes.html', natural),
)
_section(
  'stream',
  RESUME,
  methods=Field(
    ('policy', 'oracle', 'keep_newest', 'long_context', 'no_memory'),
    'names in methods/registry.py',
    rules.names,
  ),
  multiple=Field(13, 'length of a stream in train lengths'),
  episodes=Field(8, 'streams'),
  every=Field(8, 'sessions between two checkpoints'),
  questions=Field(64, 'most of a stream at one checkpoint; 0: all', natural),
  lag=Field(16, 'sessions, of the fixed-lag curve', natural),
  drop=Field(0.05, 'fall of accuracy that counts as saturation', fraction),
)
_section(
  'checkpoint',
  RESUME,
  every=Field(50, 'steps between saves'),
  grace=Field(4.0, 'seconds to save in when asked to stop; 0: no bound'),
  keep=Field(2, 'newest checkpoints kept, beside the best'),
)
_section(
  'log',
  RESUME,
  tensorboard=Field(True, 'events beside metrics.jsonl'),
  service=Field('none', 'that has the numbers, too', 'none | wandb | mlflow'),
  progress=Field(True, 'a bar on the terminal'),
  watchdog=Field(0.0, 'seconds without a sign of life that end a run; 0: none'),
)
