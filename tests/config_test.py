import pytest

from configs import (
  babi,
  babi_qa2,
  jsonl,
  labels,
  smollm2,
  tiny,
  tiny_paper,
  tiny_siblings,
  tpu_v4,
)
from mem_alpha_jax.config import compare, sizes
from mem_alpha_jax.config import validate as validate_lib
from mem_alpha_jax.run import build

# The numbers that the messages below depend on, whatever tiny.py has.
BASE = (
  'data.source=synthetic,data.batch_episodes=32,data.train_chunks=8,'
  'tokenizer.vocab_size=800,eval.lengths=1;4,'
  'memory.slots=32,memory.max_slots=1024,memory.entry_tokens=12,'
  'memory.view_entries=3,memory.fixed_width=True,'
  'memory.prompt_format=compact,memory.embedding_size=0,'
  'reading.retrieval=bm25,'
  'model.heads=4,model.kv_heads=2,model.copy_head=True,'
  'model.value_head=False,'
  'rollout.group_size=8,rollout.groups=state,rollout.prefix_buckets=72,'
  'rollout.response_buckets=16,rollout.forced=1,'
  'rl.advantage=grpo,rl.group_by=chunk,rl.minibatch_rows=512,'
  'rl.microbatches=1,'
)

CONFIGS = {
  'tiny': tiny,
  'babi': babi,
  'babi_qa2': babi_qa2,
  'labels': labels,
  'jsonl': jsonl,
  'smollm2': smollm2,
  'tiny_paper': tiny_paper,
  'tiny_siblings': tiny_siblings,
  'tpu_v4': tpu_v4,
}


@pytest.mark.parametrize('name', CONFIGS)
def test_shipped_configs_are_valid(name):
  validate_lib.validate(CONFIGS[name].get_config())


def make_config(arg=''):
  return tiny.get_config(BASE + arg)


# Each line: what --config=configs/tiny.py:<this> is told.
FORKS = 'rollout.forks=2;4,rollout.groups=trajectory,rl.advantage=siblings,'
BAD = {
  'seed=-1': r'config\.seed=-1: use an integer, 0 to 2147483647',
  'num_steps=-2': r'config\.num_steps=-2: use an integer, 0 or more',
  'stream.methods=a;a': r'config\.stream\.methods=.*different names',
  'data.babi_tasks=qa21': r'qa21.*different names of qa1 to qa20',
  'data.babi_tasks=qa1;qa1': 'different names',
  'data.batch_episodes=31,mesh.fsdp=2': r'multiple of .*mesh\.fsdp=2',
  'memory.slots=2048': r'memory\.max_slots=1024',
  'memory.entry_tokens=40': r'prefix_buckets.*memory\.entry_tokens=40',
  'memory.entry_tokens=14': r'response_buckets.*at least 17',
  'memory.embedder=minilm,memory.embedding_size=64': 'vectors of 384',
  'reading.reader=lm': r"reading\.model='': .*needs a model",
  'reading.reader=remote': r"reading\.url='', .* needs both",
  'reading.judge=remote': r"reading\.judge='remote' needs both",
  'reading.reader=lm,reading.judge=remote,reading.model=m,'
  'reading.url=http://h/v1': r"use '', or reader='remote'",
  'reading.extra=top': r"reading\.extra='top': use JSON such as",
  'reward.content_judge=remote': r"reward\.content_judge='remote' needs both",
  'reading.url=localhost': r"url='localhost': use an address such as http",
  'reading.timeout=0.0': 'a finite number above 0',
  'reading.max_missing=1.5': 'a finite number, 0 to 1',
  'optim.max_skipped=0': 'an integer, 1 or more',
  'reading.top_k=0': r'reading\.top_k=0',
  'model.heads=3': r'kv_heads=2: must divide model\.heads=3',
  'model.head_size=15': 'must be even',
  'memory.prompt_format=chat': r'needs a chat model in model\.source',
  'model.source=smollm2': r'no compact symbols; use chat',
  'model.source=smollm2,memory.prompt_format=chat,rollout.forced=0': (
    r"warm_start\.checkpoint='tiny_base': is of another model"
  ),
  'model.source=x,memory.prompt_format=chat,warm_start.checkpoint=': (
    r'copy_head.*False with a model\.source'
  ),
  'tokenizer.vocab_size=8000': r'copy_head=True.*8000 is above 4096',
  'model.dtype=float16': r"\['float32', 'bfloat16'\]",
  'rollout.temperature=0.0': 'a finite number above 0',
  'rollout.prefix_buckets=72;60': 'growing integers, 1 or more',
  'rollout.response_buckets=0': 'growing integers, 1 or more',
  'model.remat=some': r"\['none', 'full', 'dots'\]",
  'rollout.forced_words=0.5,model.source=smollm2,memory.prompt_format=chat,'
  'model.copy_head=False,model.match_bias=False,warm_start.checkpoint=': (
    r"forced_words=0\.5: .*memory\.prompt_format='compact' alone; use 0"
  ),
  'rollout.clauses=1,rollout.expert=0.5': r'clauses=1: a perfect writer',
  'rollout.forced=8': r'must be below rollout\.group_size=8',
  'rollout.forced=0,rollout.group_size=1': 'use 2 or more',
  'rollout.own_memory=1.5': 'a finite number, 0 to 1',
  'rl.advantage=gae': r'needs model\.value_head=True',
  'rl.advantage=gae,model.value_head=True': r"groups='trajectory'",
  'rl.group_by=episode': r"rollout\.groups='state' needs 'chunk'",
  'reward.evidence=0.5': r"reward\.evidence=0\.5: .*reward\.when='end'",
  'reward.evidence=0.5,reward.when=end,rollout.groups=trajectory,'
  'rl.group_by=trajectory': r"undoes it; use rl\.group_by='chunk'",
  'reward.memq=1': r"reward\.memq=1\.0: .*reward\.when='end'",
  'reward.memq=0.5,reward.evidence=0.5,rollout.groups=trajectory,'
  'reward.when=end': r'memq=0\.5: reward\.evidence=0\.5 shares the same',
  'data.horizon=2;4': r'horizon=\(2, 4\): must end with data\.train_chunks=8',
  'data.horizon=4;8': r'promote=\(\): data\.horizon=\(4, 8\) needs one step',
  'data.horizon=8;4': r'use \(\) \(off\) or growing integers',
  'data.promote_at=0.5': r'promote_at=0\.5: there are no stages; give data\.ho',
  'rollout.expert=1,rollout.groups=trajectory': r"expert=1\.0: .*s='state'",
  'rollout.rerolls=4': r"rerolls=4: .*rollout\.groups='trajectory'",
  'rollout.rerolls=1,rollout.groups=trajectory': 'use 2 or more',
  'rollout.rerolls=2,rollout.rerolled=0,rollout.groups=trajectory': (
    r'rerolled=0.*no episode'
  ),
  'rl.advantage=mem_t': r"'mem_t', rollout\.forks=\(\): .* compared by one of",
  'rollout.forks=2': r"advantage='grpo', rollout\.forks=\(2,\): .*'siblings'",
  f'{FORKS}rollout.groups=state': r"forks=\(2, 4\): .*groups='trajectory'",
  f'{FORKS}rollout.rerolls=2': r'forks=\(2, 4\): .*rerolls=0',
  f'{FORKS}reward.evidence=0.5,reward.when=end,rl.group_by=chunk': (
    r'forks=\(2, 4\): .*evidence=0'
  ),
  f'{FORKS}data.train_chunks=4': r'forks=\(2, 4\): .*below the 4 chunks',
  f'{FORKS}rollout.branches=3': r'group_size=8: must be a multiple of 9',
  f'{FORKS}rollout.group_size=4,rl.advantage=tree': 'two or more times',
  'rl.advantage=uma': r"answers=0: rl\.advantage='uma', .*let it answer some",
  'rollout.answers=2,reward.answerer=policy': r"policy': .*reward\.when='end'",
  'rollout.answers=2,rl.advantage=agree': r"agree': .*answerer='policy'",
  'rollout.answers=2,rollout.grammar=calls': r'answers=2: .*a grammar knows no',
  'eval.answerer=policy': r"eval\.answerer='policy': rollout\.answers=0",
  'rollout.answers=2,eval.answerer=policy,reading.top_k=2': (
    r"eval\.answerer='policy': .*top_k=2 .*view_entries=3"
  ),
  'eval.answerer=oracle': r"config\.eval\.answerer='oracle': use one of",
  'rollout.answers=2,rollout.expert=0.5': r'answers=2: rollout\.expert',
  'rl.cut_responses=drop': r"\['keep', 'mask'\]",
  'rl.minibatch_rows=100': r'multiple of rollout\.group_size=8',
  'rl.packed_groups=0,rl.minibatch_rows=24,rl.microbatches=2': (
    r'its 3 groups.*microbatches=2'
  ),
  'rl.packed_rows=4': 'must be at least 5, the samples of a group',
  'model.match_bias=False,model.attention=cudnn': "needs model.attention='xla'",
  'rl.std_floor=0.0': 'a finite number above 0',
  'rl.dual_clip=0.5': r'0 \(off\) or a finite number above 1',
  'rl.importance_cap=0.5': r'0 \(off\) or a finite number, 1 or more',
  'rl.clip_low=1.5': 'a finite number above 0, at most 1',
  'optim.learning_rate=1e400': r'learning_rate=.*above 0',
  'eval.lengths=2;2': 'growing integers',
  'checkpoint.keep=0': 'an integer, 1 or more',
}


@pytest.mark.parametrize('arg', BAD)
def test_bad_value_is_told_in_one_line(arg):
  config = make_config(arg)
  with pytest.raises(ValueError, match=BAD[arg]) as caught:
    validate_lib.validate(config)
  assert '\n' not in str(caught.value)
  assert str(caught.value).startswith('config.')


def test_more_entries_than_handles_are_refused_before_anything_is_built():
  config = make_config('memory.view_entries=10,rollout.prefix_buckets=200')
  validate_lib.validate(config)
  with pytest.raises(ValueError, match='view_entries=10: use 0 to 9, the hand'):
    build.build(config, 'none')


@pytest.mark.parametrize(
  'arg',
  [
    'rl.advantage=gae,model.value_head=True,rollout.groups=trajectory',
    'rl.group_by=episode,rollout.groups=trajectory,reward.when=end',
    'reward.evidence=1,rollout.groups=trajectory,reward.when=end',
    'reward.memq=1,rollout.groups=trajectory,reward.when=end',
    'data.horizon=2;4;8,data.promote=10;30',
    'data.horizon=4;8,data.promote=10,data.promote_at=0.7',
    'rollout.rerolls=4,rollout.groups=trajectory,rl.group_by=trajectory',
    FORKS,
    f'{FORKS}rl.advantage=tree,reward.when=end,rl.group_by=trajectory',
    'rl.dual_clip=0.0,rl.importance_cap=0.0,memory.cap_rate=0.0',
    'mesh.fsdp=8,rl.minibatch_rows=256,rl.microbatches=2',
    'reading.retrieval=rrf,memory.embedding_size=64,memory.embedder=hashed',
    'num_steps=0,rollout.forced=0',
  ],
)
def test_good_combinations_pass(arg):
  validate_lib.validate(make_config(arg))


def test_wrong_types_missing_and_unknown_fields():
  config = make_config().unlock()
  with config.ignore_type():
    config.model.tied = 1
  with pytest.raises(ValueError, match=r'model\.tied=1: use True or False'):
    validate_lib.validate(config)
  config.model.tied = True
  config.rl.typo = 3
  with pytest.raises(ValueError, match=r'rl\.typo=3: there is no such field'):
    validate_lib.validate(config)
  del config.rl.typo
  del config.rl.clip_low
  with pytest.raises(ValueError, match=r'config\.rl\.clip_low is missing'):
    validate_lib.validate(config)


def test_updates_of_a_run():
  config = make_config(
    'num_steps=10,data.batch_episodes=4,data.train_chunks=5,'
    'rollout.group_size=8,rl.minibatch_rows=64'
  )
  # 160 rows in parts of 64 make 3 updates a step.
  assert sizes.total_updates(config) == 30
  # 2 chunks, 64 rows, until step 4: one update; then 5 chunks, three.
  with config.unlocked():
    config.data.horizon, config.data.promote = (2, 5), (4,)
  assert sizes.total_updates(config) == 4 * 1 + 6 * 3
  # Two of the four episodes have 8 re-rolls a turn: 80 rows more of 160.
  with config.unlocked():
    config.data.horizon = config.data.promote = ()
    config.rollout.rerolls = 8
  assert sizes.total_updates(config) == 10 * 4
  # Three answers a trajectory: 96 rows more of 160.
  with config.unlocked():
    config.rollout.rerolls, config.rollout.answers = 0, 3
  assert sizes.total_updates(config) == 10 * 4
  # At turns 0 to 4 there are 2 2 4 4 8 memories of each: 80 rows.
  config = make_config(
    f'{FORKS}num_steps=10,data.batch_episodes=4,data.train_chunks=5,'
    'rl.minibatch_rows=64'
  )
  assert sizes.total_updates(config) == 10 * 2


# Of the recipe these alone are sizes, or the machine's.
SIZED = {
  'rollout.prefix_buckets', 'rollout.own_buckets', 'rollout.response_buckets',
  'rollout.max_calls', 'rollout.probes', 'rl.minibatch_rows',
  'rl.packed_groups',
}  # fmt: skip


def test_the_laptop_paper_run_is_that_of_the_slice_but_for_what_it_names():
  mine, theirs = (
    compare.flatten(module.get_config().to_dict())
    for module in (tiny_paper, tpu_v4)
  )
  differ = {name for name in mine if mine[name] != theirs[name]}
  section = lambda name: name.partition('.')[0]
  sizes = {
    name
    for name in differ
    if {name, section(name)} & {*tiny_paper.SMALLER, *tiny_paper.SIZES}
  }
  # Nothing that is not named, and nothing that is named and does not differ.
  assert differ - sizes == set(tiny_paper.OTHERWISE)
  assert all(why for _, why in tiny_paper.OTHERWISE.values())
  recipe = {'rollout', 'reward', 'rl', 'optim', 'warm_start', 'lora'}
  assert {name for name in sizes if section(name) in recipe} <= SIZED
  paper = 'rollout.groups', 'reward.when', 'rl.advantage', 'rl.group_by'
  assert [mine[name] for name in paper] == [
    'trajectory', 'end', 'grpo', 'trajectory',
  ]  # fmt: skip


def test_qwen3_4b_has_its_parameters():
  m, vocabulary = tpu_v4.get_config().model, 151936
  attention = m.width * m.head_size * (2 * m.heads + 2 * m.kv_heads)
  norms = 2 * m.width + 2 * m.head_size
  layer = attention + 3 * m.width * m.ffn + norms
  total = vocabulary * m.width + m.layers * layer + m.width
  assert total == 4_022_468_096  # as Qwen3-4B's model card: 4.0B


def test_trial_a_model_in_this_process_has_no_address():
  fields = 'reading.reader=lm,reading.model=smollm2'
  validate_lib.validate(make_config(fields))
  with pytest.raises(
    ValueError, match=r"reading\.url='http://h/v1': with .*lm"
  ):
    validate_lib.validate(make_config(f'{fields},reading.url=http://h/v1'))
