"""The laptop run: a synthetic world, minutes on two cores, no downloads.

python -m mem_alpha_jax.main --config=configs/tiny.py --workdir=runs/tiny
"""

import ml_collections

from configs import common


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = ml_collections.ConfigDict()
  c.seed = 0  # of data, initial weights, sampling and shuffling
  c.num_steps = 250  # collected batches; each makes several updates

  c.data = ml_collections.ConfigDict()
  # synthetic | babi | locomo | longmemeval | mixture | memalpha |
  # memoryagentbench | banking77 | clinc150 | clinc150_oos | trec_coarse |
  # trec_fine | nlu | pubmed_rct; several by turns: 'babi+nlu'
  c.data.source = 'synthetic'
  c.data.root = '../shared/data'  # folder of the real data sets
  c.data.babi_tasks = ('qa1',)  # bAbI tasks, used by source=babi
  c.data.mixture = 'mixture'  # built in data.root, used by source=mixture
  c.data.labels = 6  # that a labelled episode teaches; 0: all of the source
  c.data.per_label = 3  # examples of each
  c.data.label_questions = 24  # texts that must be labelled at its end
  c.data.label_words = 12  # longest text of an example; 0 is no limit
  c.data.turns = 1  # of a chunk, of locomo and longmemeval; 0: whole sessions
  c.data.turn_words = 0  # longer turns are split, source=locomo; 0: no limit
  c.data.batch_episodes = 24  # episodes of one batch, over all processes
  c.data.train_chunks = 8  # chunks of a training episode
  c.data.chunk_sentences = 1  # sentences of one chunk
  c.data.overwrite = 0.65  # share of fact sentences that change a fact
  c.data.asked_rate = 0.45  # questions asked for every sentence
  c.data.eval_episodes = 128  # held-out episodes at train length
  c.data.shuffle = True  # order of the training episodes

  c.tokenizer = ml_collections.ConfigDict()
  c.tokenizer.source = ''  # whose train texts it is made of; '': data.source
  c.tokenizer.vocab_size = 900  # pieces, 256 bytes and control tokens included
  c.tokenizer.known_words = 0.4  # share of names and values it may see
  c.tokenizer.train_episodes = 3000  # episodes of the train split it reads

  c.memory = ml_collections.ConfigDict()
  c.memory.slots = 32  # slots at first; doubles when full
  c.memory.max_slots = 1024  # entries a memory may hold
  c.memory.core_tokens = 32  # token limit of the core text
  c.memory.entry_tokens = 14  # token limit of one entry
  c.memory.cap_base = 20  # tokens a memory may hold before reading
  c.memory.cap_rate = 0.35  # tokens more for every token read; 0 is no cap
  c.memory.slot_terms = 12  # distinct words of an entry that are indexed
  c.memory.embedding_size = 0  # floats of an entry's vector; 0 with 'none'
  c.memory.embedder = 'none'  # none | hashed | minilm | policy
  c.memory.prompt_format = 'compact'  # compact | chat | reference
  c.memory.prompt_order = 'chunk_first'  # chunk_first | memory_first
  c.memory.view = 'retrieved'  # retrieved | newest
  c.memory.view_entries = 3  # entries the writer sees
  c.memory.fixed_width = True  # pad each viewed entry to entry_tokens
  c.memory.instructions = 'full'  # full | brief, of chat models
  c.memory.thinking = False  # chat models may think before they call tools

  c.reading = ml_collections.ConfigDict()
  c.reading.reader = 'extractive'  # extractive | lm | remote
  c.reading.model = ''  # lm: smollm2, a folder, a .gguf file; remote: its name
  c.reading.answer_tokens = 24  # longest answer of reader=lm and remote
  c.reading.batch = 16  # questions that reader=lm answers in one call
  c.reading.buckets = (128, 256, 512, 1024)  # padded lengths of its prompts
  c.reading.judge = ''  # remote: the server judges in evaluations; '' rules
  c.reading.url = ''  # of reader=remote, without /chat/completions
  c.reading.key_env = ''  # environment variable with its key; '' needs none
  c.reading.extra = ''  # JSON object: further fields of a request to it
  c.reading.price_prompt = 0.0  # USD of a million tokens; 0: unknown
  c.reading.price_completion = 0.0  # the same, of replies
  c.reading.cache = ''  # file of its replies, asked once for all runs; '' none
  c.reading.timeout = 60.0  # seconds that one request to it may take
  c.reading.retries = 4  # further requests after one that failed
  c.reading.backoff = 0.5  # longest wait before the first retry, s; doubles
  c.reading.concurrency = 16  # requests at a time, of each process
  c.reading.breaker_limit = 20  # failures in a row that break off; 0: never
  c.reading.breaker_pause = 30.0  # seconds until it is tried again
  c.reading.max_missing = 0.1  # share of missing answers that pauses the run
  c.reading.strict = True  # abstain where retrieved notes contradict
  c.reading.top_k = 5  # entries retrieved for a question
  c.reading.budget = 0  # tokens of notes a reader is shown; 0 is no limit
  c.reading.hops = 1  # look-ups; later ones add the entries found before
  c.reading.retrieval = 'bm25'  # bm25 | cosine | rrf

  c.model = ml_collections.ConfigDict()
  c.model.source = ''  # '' born here; smollm2, a folder, or a .gguf file
  c.model.layers = 3  # decoder blocks
  c.model.width = 64  # residual stream
  c.model.heads = 4  # query heads
  c.model.kv_heads = 2  # key/value heads
  c.model.head_size = 16  # width of one head
  c.model.ffn = 160  # SwiGLU hidden width
  c.model.rope_theta = 10000.0  # RoPE base
  c.model.norm_eps = 1e-6  # RMSNorm epsilon
  c.model.qk_norm = False  # RMSNorm on queries and keys (Qwen3)
  c.model.qkv_bias = False  # biases on q, k, v (Qwen2.5)
  c.model.tied = True  # head shares the embedding
  c.model.copy_head = True  # pointer mixture over the prefix (tiny models)
  c.model.match_bias = True  # learned bias to equal tokens (tiny models)
  c.model.value_head = False  # needed by rl.advantage=gae
  c.model.dtype = 'float32'  # of activations: float32 | bfloat16
  c.model.param_dtype = 'float32'  # of stored parameters
  c.model.remat = 'none'  # none | full | dots
  c.model.block_logits = 2**25  # that exist at once, all devices together
  c.model.attention = 'xla'  # xla | splash (TPU) | cudnn (GPU)

  c.lora = ml_collections.ConfigDict()
  c.lora.rank = 0  # of the trained low-rank updates; 0 trains all parameters
  c.lora.alpha = 16.0  # updates are scaled by alpha / rank

  c.mesh = ml_collections.ConfigDict()
  c.mesh.data = 1  # devices that share the batch, parameters whole on each
  c.mesh.fsdp = 1  # devices that share the batch and shard parameters
  c.mesh.tensor = 1  # devices that shard heads, ffn and vocabulary
  c.mesh.decode = 'same'  # layout of decode loops: same | tensor, where fsdp
  # devices shard heads, too, instead of collecting the weights for each token
  c.mesh.topology = ''  # that --mode=compile compiles for; '' is what is here

  c.rollout = ml_collections.ConfigDict()
  c.rollout.group_size = 8  # samples of a group
  c.rollout.groups = 'state'  # state | trajectory
  c.rollout.temperature = 1.0  # of sampling in training
  c.rollout.prefix_buckets = (80,)  # padded prefix lengths, tokens
  c.rollout.own_buckets = (1,)  # padded own-context lengths, tokens
  c.rollout.response_buckets = (18,)  # padded response lengths, tokens
  c.rollout.forced = 4  # samples of a group whose first tokens are forced
  c.rollout.own_memory = 0.8  # share of streams that keep an old memory
  c.rollout.chain = 5  # earlier episodes such a memory may have read
  c.rollout.max_calls = 4  # calls of a response that are carried out
  c.rollout.probes = 8  # most questions that grade one step
  c.rollout.retain = True  # ask what earlier episodes told, too

  c.reward = ml_collections.ConfigDict()
  c.reward.answers = 1.0  # weight of r1, answers
  c.reward.calls = 0.3  # weight of r2, share of valid calls
  c.reward.size = 0.1  # weight of r3, compression
  c.reward.content = 0.1  # weight of r4, content found in the chunk
  c.reward.content_judge = ''  # remote: the server says what is found; '' words
  c.reward.noop = 1.0  # r2 and r4 of storing nothing; the reference: 0
  c.reward.when = 'step'  # step: dense credit | end: as the reference

  c.rl = ml_collections.ConfigDict()
  c.rl.advantage = 'grpo'  # grpo | dr_grpo | rloo | gae
  c.rl.group_by = 'chunk'  # chunk | trajectory | episode (the reference)
  c.rl.std_floor = 0.02  # smallest standard deviation a group divides by
  c.rl.min_gap = 0.02  # groups whose rewards differ less are left out; 0: off
  c.rl.train_samples = 5  # of a group, those that pull most; 0: all
  c.rl.minibatch_rows = 512  # samples of one update; a batch makes several
  c.rl.microbatches = 1  # gradient accumulation inside one update
  c.rl.clip_low = 0.2  # ratio clip below 1
  c.rl.clip_high = 0.28  # ratio clip above 1
  c.rl.dual_clip = 3.0  # bound of the loss at negative advantage; 0 is off
  c.rl.ratio_level = 'token'  # token | sequence
  c.rl.aggregate = 'token_mean'  # token_mean | sequence_mean | sequence_sum
  c.rl.kl_coef = 0.0  # weight of the KL to the start policy
  c.rl.kl_kind = 'k3'  # k1 | k2 | k3
  c.rl.entropy_coef = 0.0  # weight of the entropy bonus
  c.rl.importance_cap = 0.0  # truncated importance correction; 0 is off
  c.rl.value_coef = 0.5  # weight of the value loss (gae)
  c.rl.gamma = 1.0  # discount over chunks (gae)
  c.rl.lam = 0.95  # GAE lambda

  c.optim = ml_collections.ConfigDict()
  c.optim.learning_rate = 7e-4  # peak
  c.optim.warmup_steps = 10  # updates of linear warm-up
  c.optim.schedule = 'linear'  # constant | linear | cosine
  c.optim.final_fraction = 0.1  # of the peak, at the last update
  c.optim.weight_decay = 0.01  # AdamW
  c.optim.b1 = 0.9  # AdamW first moment
  c.optim.b2 = 0.98  # AdamW second moment
  c.optim.clip_norm = 1.0  # global gradient norm; 0 is off
  c.optim.skip_norm = 0.0  # gradients of a larger norm are skipped; 0 is off
  c.optim.max_skipped = 10  # updates skipped in a row that stop the run

  c.warm_start = ml_collections.ConfigDict()
  c.warm_start.checkpoint = 'tiny_base'  # to start from; '' warms up anew
  c.warm_start.steps = 600  # supervised updates on poor demonstrations
  c.warm_start.batch = 128  # demonstrations of one update
  c.warm_start.learning_rate = 4e-3  # peak, cosine to a tenth
  c.warm_start.prompt_loss = 0.3  # weight of the loss on prompt tokens

  c.eval = ml_collections.ConfigDict()
  c.eval.every = 50  # steps between evaluations at train length
  c.eval.lengths = (1, 2, 4, 13, 64)  # multiples of the train length
  c.eval.length_episodes = 16  # episodes of each longer length
  c.eval.bootstrap = 1000  # resamples of an interval, over episodes
  c.eval.html_episodes = 4  # episodes shown in episodes.html

  c.stream = ml_collections.ConfigDict()
  c.stream.methods = ('policy', 'oracle', 'keep_newest', 'long_context')
  # names of mem_alpha_jax/methods/registry.py that --mode=stream compares
  c.stream.multiple = 13  # length of a stream in train lengths (synthetic)
  c.stream.episodes = 8  # streams
  c.stream.every = 8  # sessions between two checkpoints
  c.stream.questions = 64  # most of a stream at one checkpoint; 0: all
  c.stream.lag = 16  # sessions, of the fixed-lag curve
  c.stream.drop = 0.05  # fall of accuracy that counts as saturation

  c.checkpoint = ml_collections.ConfigDict()
  c.checkpoint.every = 50  # steps between saves
  c.checkpoint.grace = 0.0  # seconds from SIGTERM to the end; 0 is no bound
  c.checkpoint.keep = 2  # newest checkpoints kept, beside the best

  c.log = ml_collections.ConfigDict()
  c.log.tensorboard = True  # write TensorBoard events beside metrics.jsonl
  c.log.progress = True  # progress bar on the terminal
  c.log.watchdog = 0.0  # seconds without a sign of life that end a run; 0: none

  return common.parse_arg(c, arg)
