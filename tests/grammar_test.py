"""The grammar of calls: its table, and sampling and training by it."""

import functools
import pathlib
import tempfile

import jax
import numpy as np
import pytest
import small_calls
import small_models
import small_tokenizers
import tiny_config
from small_rollouts import episodes_of, full_start

from mem_alpha_jax.memory import grammar as calls_lib
from mem_alpha_jax.memory import notations
from mem_alpha_jax.memory import state as state_lib
from mem_alpha_jax.model import grammar
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.rl import packing
from mem_alpha_jax.rl import update as update_lib
from mem_alpha_jax.rollout import assemble, collector
from mem_alpha_jax.rollout import samples as samples_lib
from mem_alpha_jax.run import build, learning
from mem_alpha_jax.sampling import sampler
from mem_alpha_jax.text import chat_template

VIEW = (
  state_lib.Entry(7, 'semantic', 'a', 0, 0, 0),
  state_lib.Entry(71, 'episodic', 'b', 0, 0, 0),
  None,
)
CALLS = 2
LENGTH = {'compact': 14, 'chat': 150, 'reference': 160}


@functools.cache
def tokenizer(name):
  if name == 'compact':
    return small_calls.tokenizer()
  pytest.importorskip('tokenizers')
  from mem_alpha_jax.pretrained import hf_tokenizer

  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'model'
    small_tokenizers.write_folder(path, small_tokenizers.tiny_json())
    return hf_tokenizer.from_folder(path)


@functools.cache
def table(name, thinks=False, opens=False):
  found = tokenizer(name)
  return notations.table(
    name, found, vocab=found.vocab_size + 2, entries=len(VIEW), calls=CALLS,
    thinks=thinks, opens=opens,
  )  # fmt: skip


@functools.cache
def units(name):
  notation, found = notations.NOTATIONS[name], tokenizer(name)
  pieces = [p and tuple(p) for p in found.pieces()]
  for i, symbol in enumerate(notation.symbols(), calls_lib.SYMBOL):
    pieces[found.symbol(symbol)] = (i,)
  size = calls_lib.SYMBOL + len(notation.symbols())
  return calls_lib.automaton(notation.language(), size), pieces


def walk(found, said):
  at = found.start
  for unit in said:
    at = found.step[at, unit]
  return at


@pytest.mark.parametrize('name', LENGTH)
def test_every_rendered_call_is_in_the_language(name):
  found, pieces = units(name)
  notation, tok = notations.NOTATIONS[name], tokenizer(name)
  ops = [
    state_lib.Op('insert', 'semantic', 'Ana "ha\\ha" \n in Wien, 北京 \u3000'),
    state_lib.Op('update', 'core', '\u2003x'),
    state_lib.Op('delete', 'core'),
  ]  # fmt: skip
  for op in ops:
    ids = notation.encode(tok, op, VIEW)
    assert found.accepts[walk(found, [u for i in ids for u in pieces[i]])], op
  nothing = [u for i in notation.nothing(tok) for u in pieces[i]]
  assert found.accepts[walk(found, nothing)]
  assert not walk(found, [*nothing, *nothing])
  blank = notation.encode(tok, ops[0]._replace(text='\u3000'), VIEW)
  assert not found.accepts[walk(found, [u for i in blank for u in pieces[i]])]


@pytest.mark.parametrize('name', LENGTH)
def test_the_table_is_the_automaton_over_strings(name):
  """What a token may do in a state is what its bytes do, one by one."""
  found, pieces = units(name)
  made = table(name)
  ends = set(tokenizer(name).eos_ids)
  for state in range(1, len(found.step)):
    row = made.step[state + 1]
    for token, piece in enumerate(pieces):
      at, wanted = state, 0
      if token in ends:
        wanted = grammar.END if found.accepts[state] else 0
      elif piece:
        for n, unit in enumerate(piece):
          new = found.step[at, unit]
          past = found.accepts[at] and not found.accepts[new]
          at = 0 if n and past else new
        wanted = at and at + 1
      assert row[made.classes[token]] == wanted, (state, token)
  # Ids of the model that the tokenizer does not have are never allowed.
  assert not made.step[1:, made.classes[len(pieces) :]].any()


@functools.cache
def policy(name, kind='off', thinks=False, opens=False):
  size = tokenizer(name).vocab_size + 2
  shape = small_models.config(kind, vocab_size=size)
  return policy_lib.make_policy(shape, table=table(name, thinks, opens))


@functools.cache
def params(name, kind='off'):
  start = policy(name, kind).init(jax.random.key(0))
  rng = np.random.default_rng(1)
  noise = lambda x: x + np.float32(0.3 * rng.standard_normal(x.shape))
  return jax.tree.map(noise, start)


def rows_of(name, b=4, g=8, core='c', views=(VIEW, (None,) * 3)):
  rows = small_models.rows(b=b, g=g, r=LENGTH[name])
  targets = [
    notations.targets(name, tokenizer(name), views[i % len(views)], core)
    for i in range(b)
  ]
  targets = np.repeat(np.stack(targets).reshape(b, 1, -1), g, 1)
  return rows.replace(targets=targets)


def sample(
  name, rows, kind='off', forced=None, thoughts=(False, False), **more
):
  b, g = rows.own_length.shape
  tok = tokenizer(name)
  generate = sampler.make_sampler(
    policy(name, kind, *thoughts), LENGTH[name], eos_id=tok.eos_ids,
    pad_id=tok.pad_id, **more,
  )  # fmt: skip
  free = np.full((b, g, 1), -1, np.int32)
  found = generate(
    params(name, kind), rows.prefix, rows.prefix_length, rows.own,
    rows.own_length, free if forced is None else forced,
    small_models.keys(b, g), rows.targets,
  )  # fmt: skip
  return jax.tree.map(np.asarray, found)


def read(name, found, i, j, view, before=''):
  parse = notations.NOTATIONS[name].parse
  ids = found.tokens[i, j][found.mask[i, j]]
  return parse(tokenizer(name), ids.tolist(), view, before)


@pytest.mark.slow
@pytest.mark.parametrize(
  'name, kind, more, thoughts',
  [
    ('compact', 'one', {}, (False, False)),
    ('compact', 'one', dict(greedy=True), (False, False)),
    ('chat', 'off', {}, (False, False)),
    ('chat', 'off', {}, (True, True)),
    ('reference', 'off', dict(temperature=1.5), (False, False)),
  ],
)
def test_what_random_weights_say_is_read_without_failure(
  name, kind, more, thoughts
):
  rows = rows_of(name, core='c' if name == 'chat' else '')
  found = sample(name, rows, kind, thoughts=thoughts, **more)
  assert found.finished.all()
  made = []
  before = chat_template.THINK if thoughts[1] else ''
  for i, j in np.ndindex(found.finished.shape):
    said = read(name, found, i, j, (VIEW, (None,) * 3)[i % 2], before)
    assert all(call.op for call in said.calls), said
    assert said.noop or 0 < len(said.calls) <= CALLS
    assert not any(call.repairs - {'json'} for call in said.calls), said
    made += [call.op for call in said.calls]
  if not more.get('greedy') and not thoughts[0]:
    assert len({(op.tool, op.kind) for op in made}) > 3
    named = {op.entry_id for op in made if op.entry_id is not None}
    assert named == {7, 71}
  if name != 'chat':
    assert ('delete', 'core') not in {(op.tool, op.kind) for op in made}


@pytest.mark.slow
@pytest.mark.parametrize(
  'name, kind, temperature',
  [('compact', 'one', 1.0), ('compact', 'one', 0.7), ('chat', 'off', 1.0)],
)
def test_training_has_the_log_probs_of_sampling(name, kind, temperature):
  rows = rows_of(name)
  forced = np.full((4, 8, 1), -1, np.int32)
  forced[0, 0] = 4  # off the grammar, from there on all is allowed
  found = sample(name, rows, kind, forced, temperature=temperature)
  rows = rows.replace(response=found.tokens, response_mask=found.mask)
  of = policy(name, kind)
  run = jax.jit(lambda p, r: of.logps_and_entropy(p, r, temperature)[:2])
  logps, entropy = run(params(name, kind), rows)
  want = np.where(found.mask, logps, 0)
  np.testing.assert_allclose(found.logps, want, atol=2e-4)
  assert np.isfinite(found.logps).all() and found.logps[0, 0, 0] < -1
  # Where one token is allowed nothing is left to say.
  sure = found.mask & (np.abs(found.logps) < 1e-6)
  assert sure.any() and np.abs(np.where(sure, entropy, 0)).max() < 1e-3
  raw, _ = run(params(name, kind), rows.replace(targets=None))
  assert (np.where(found.mask, logps - raw, 0) > -1e-4).all()
  assert np.abs(np.where(found.mask, logps - raw, 0)).max() > 1
  if temperature == 1.0:
    packed = packing.pack(rows, packing.Shape(4, 32))
    again, _ = run(params(name, kind), packed)
    order = [
      [(x == prefix).all() for x in rows.prefix].index(True)
      for prefix in packed.prefix[:4]
    ]
    np.testing.assert_allclose(
      np.where(found.mask[order], np.asarray(again)[:4], 0), want[order],
      atol=2e-4,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['one', 'off'])
def test_what_is_allowed_sums_to_one_and_greedy_takes_the_most_likely(kind):
  rows = rows_of('compact', b=1, g=1)
  size = tokenizer('compact').vocab_size + 2
  wide = lambda x: np.repeat(x, size, axis=1)
  many = rows.replace(
    own=wide(rows.own), own_length=wide(rows.own_length),
    targets=wide(rows.targets),
  )  # fmt: skip
  every = np.arange(size, dtype=np.int32)[None, :, None]
  logps = sample('compact', many, kind, every).logps[0, :, 0]
  made = table('compact')
  allowed = made.step[made.start, made.classes] > 0
  assert 1 < allowed.sum() < 6
  np.testing.assert_allclose(np.exp(logps[allowed]).sum(), 1, atol=1e-4)
  best = sample('compact', rows, kind, greedy=True).tokens[0, 0, 0]
  assert best == np.where(allowed, logps, -np.inf).argmax()


@pytest.mark.slow
def test_without_targets_a_policy_with_a_table_is_as_one_without():
  name, kind = 'compact', 'one'
  rows = rows_of(name, b=2, g=2).replace(targets=None)
  plain = policy_lib.make_policy(policy(name, kind).config)
  tok = tokenizer(name)
  outs = [
    sampler.make_sampler(p, 6, eos_id=tok.eos_ids, pad_id=tok.pad_id)(
      params(name, kind), rows.prefix, rows.prefix_length, rows.own,
      rows.own_length, np.full((2, 2, 1), -1, np.int32),
      small_models.keys(2, 2),
    )
    for p in (plain, policy(name, kind))
  ]  # fmt: skip
  jax.tree.map(np.testing.assert_array_equal, *outs)


@pytest.mark.slow
def test_a_large_vocabulary_is_masked_block_by_block():
  """The statistics of blocks, and their gradients, are those of all at once."""
  from mem_alpha_jax.model import blockwise_softmax as softmax

  rng = np.random.default_rng(0)
  hidden = np.float32(rng.standard_normal((2, 1, 3, 4)))
  table = np.float32(rng.standard_normal((5003, 4)))
  bits = rng.integers(0, 2**32, (2, 1, 3, 157), dtype=np.uint32)
  bits[0, 0, 0] = 0
  bits[0, 0, 0, 60] = 1 << 7

  def blocked(hidden, table, block):
    log_z, mean = softmax.stats(hidden, table, block, 0.8, bits)
    return (log_z * mean).sum()

  def plain(hidden, table):
    values = softmax.barred(hidden @ table.T / 0.8, bits)
    log_z, mean = softmax.stats_of(values)
    return (log_z * mean).sum()

  want = jax.value_and_grad(plain, (0, 1))(hidden, table)
  for block in (2**25, 9000):
    found = jax.value_and_grad(lambda h, t, b=block: blocked(h, t, b), (0, 1))
    jax.tree.map(
      lambda x, y: np.testing.assert_allclose(x, y, atol=2e-3, rtol=1e-3),
      found(hidden, table), want,
    )  # fmt: skip


@pytest.mark.slow
def test_a_run_by_the_grammar_has_valid_calls_and_one_distribution(tmp_path):
  config = tiny_config.get_config(
    'rollout.grammar=calls,rollout.response_buckets=16,rl.min_gap=0,'
    'rl.train_samples=0,rl.packed_groups=2,rl.packed_rows=8'
  )
  built = build.build(config, str(tmp_path))
  setup = built.train_setup
  params = built.policy.init(jax.random.key(3))
  starts = [full_start(setup.tokenizer)] * 4
  rollout = collector.collect(setup, params, episodes_of(2, 2, 1, 2), starts, 0)
  counted = rollout.samples.counts.sum(0).tolist()
  sums = dict(zip(samples_lib.count_names(), counted, strict=True))
  free = rollout.samples.forced.tokens[:, 0] < 0
  assert free.any() and not sums['unread'] and sums['update'] and sums['insert']
  rows, _ = assemble.to_rows(rollout.samples, config)
  learner = learning.create(config, built.policy, built.mesh)
  logps = learner.logps(params, rows)
  gap = np.where(rows.response_mask, logps - rows.rollout_logps, 0)
  assert np.abs(gap).max() < 1e-3
  state = update_lib.init_state(params, learner.tx, built.mesh)
  _, metrics, _ = learning.learn(learner, config, state, rows)
  assert metrics['rl/logp_gap_abs_max'] < 1e-3
