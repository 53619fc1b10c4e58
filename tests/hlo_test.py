"""Counts of compiled programs against counts by hand."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from mem_alpha_jax.compile import hlo, hlo_text, instructions, kernel_costs


def compiled(function, *shapes):
  arrays = [jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes]
  return jax.jit(function).lower(*arrays).compile().as_text()


def test_a_product_counts_two_for_each_pair():
  cost, loops = hlo.analyze(compiled(jnp.matmul, (32, 64), (64, 16)))
  assert cost.flops == 2 * 32 * 64 * 16
  assert cost.hbm == 4 * (32 * 64 + 64 * 16 + 32 * 16)
  assert cost.collective == 0 and not loops


def test_loops_count_their_turns():
  def body(carry, x):
    return carry @ x, None

  def nested(carry, xs):
    def outer(carry, _):
      return jax.lax.scan(body, carry, xs)[0], None

    return jax.lax.scan(outer, carry, None, length=3)[0]

  once = lambda carry, xs: jax.lax.scan(body, carry, xs)[0]
  shapes = (16, 16), (10, 16, 16)
  assert hlo.analyze(compiled(once, *shapes))[0].flops == 10 * 2 * 16**3
  assert hlo.analyze(compiled(nested, *shapes))[0].flops == 30 * 2 * 16**3


def test_a_loop_that_decides_itself_is_told_apart():
  def run(x):
    done = lambda state: (state[0] < 100) & (state[1].sum() < 1e6)
    turn = lambda state: (state[0] + 1, state[1] @ state[1])
    return jax.lax.while_loop(done, turn, (0, x))[1]

  text = compiled(run, (16, 16))
  cost, (loop,) = hlo.analyze(text, turns=7)
  assert loop.flops == 2 * 16**3
  assert cost.flops == 7 * loop.flops


def test_a_slice_of_a_large_array_is_not_the_array():
  def rows(table, start):
    i = start[0].astype(jnp.int32)
    return jax.lax.dynamic_slice_in_dim(table, i, 8) * 2.0

  cost, _ = hlo.analyze(compiled(rows, (4096, 128), (1,)))
  assert cost.hbm < 4 * 3 * 8 * 128


def collective_of(function, out, *shapes):
  """Cost on four devices; the first argument's rows are spread."""
  mesh = jax.make_mesh((4,), ('x',), axis_types=(jax.sharding.AxisType.Auto,))
  place = lambda *spec: NamedSharding(mesh, PartitionSpec(*spec))
  arrays = [
    jax.ShapeDtypeStruct(s, jnp.float32, sharding=place('x')) for s in shapes
  ]
  run = jax.jit(function, out_shardings=place(*out))
  return hlo.analyze(run.lower(*arrays).compile().as_text())[0]


def test_collectives_count_what_a_device_receives():
  gathered = collective_of(lambda x: x * 1.0, (), (64, 8))
  assert gathered.collective == 3 / 4 * 64 * 8 * 4
  summed = collective_of(lambda x: x.sum(0), (), (64, 8))
  assert summed.collective == 2 * 3 / 4 * 8 * 4


# What the TPU compiler prints, where the CPU's never does. Made by hand.
TPU = """HloModule m

%all-reduce-scatter (input: bf16[64,8]) -> bf16[16,8] {
  %input = bf16[64,8]{1,0:T(8,128)(2,1)} parameter(0)
  %all-reduce = bf16[64,8]{1,0} all-reduce(%input), channel_id=1, \
replica_groups={{0,1,2,3},{4,5,6,7}}, to_apply=%add
  %zero = s32[] constant(0)
  ROOT %cut = bf16[16,8]{1,0} dynamic-slice(%all-reduce, %zero, %zero)
}

%fused (p0: f32[4,256,64], p1: f32[4,64,32]) -> f32[4,256,32] {
  %p0 = f32[4,256,64]{2,1,0} parameter(0)
  %p1 = f32[4,64,32]{2,1,0:S(1)} parameter(1)
  %p0v = f32[4,256,64]{2,1,0} fusion(%p0), kind=kLoop, calls=%view
  ROOT %c = f32[4,256,32]{2,1,0} convolution(%p0v, %p1), \
window={size=4 stride=3 pad=0_0 lhs_dilate=4}, dim_labels=0bf_0io->0bf
}

%view (v: f32[4,256,64]) -> f32[4,256,64] {
  %v = f32[4,256,64]{2,1,0} parameter(0)
  ROOT %same = f32[4,256,64]{2,1,0} bitcast(%v)
}

ENTRY %main (a: f32[4,256,64], b: f32[4,64,32], g: bf16[64,8]) -> f32[4] {
  %a = f32[4,256,64]{2,1,0} parameter(0)
  %b = f32[4,64,32]{2,1,0:S(1)} parameter(1)
  %g = bf16[64,8]{1,0} parameter(2)
  %f = f32[4,256,32]{2,1,0} fusion(%a, %b), kind=kOutput, calls=%fused
  ROOT %s = bf16[16,8]{1,0} fusion(%g), kind=kCustom, calls=%all-reduce-scatter
}
"""


def test_batched_products_written_as_convolutions():
  cost, _ = hlo.analyze(TPU)
  assert cost.flops == 4 * 2 * 256 * 64 * 32
  # The second operand lies in on-chip memory.
  assert cost.hbm == 4 * (4 * 256 * 64 + 4 * 256 * 32) + 2 * (64 * 8 + 16 * 8)
  assert cost.collective == 3 / 4 * 64 * 8 * 2  # reduce-scatter of 4


@pytest.mark.parametrize('text, size', [
  ('replica_groups={{0,1},{2,3}}', 2),
  ('replica_groups=[4,8]<=[32]', 8),
  ("replica_groups=mesh['a'=8,'b'=4], device_ids=([4,8]T(1,0)) {'a'}, x", 8),
  ("replica_groups=mesh['a'=8,'b'=4], device_ids=([32]) {'a','b'}, x", 32),
  ('source_target_pairs={{0,1},{1,0}}', 2),
])  # fmt: skip
def test_group_sizes_in_all_notations(text, size):
  assert instructions.group_size(text) == size


def test_tiles_of_a_causal_kernel():
  # 2048 queries after 2048 keys: rows of 1024 see 3 and 4 tiles of 1024.
  assert kernel_costs._tiles(2048, 4096) == (1024, 1024, 7)
  q = hlo_text.Array('bf16', (2, 4, 2048, 128), 2 * 4 * 2048 * 128 * 2, False)
  k = hlo_text.Array('bf16', (2, 1, 4096, 128), 2 * 4096 * 128 * 2, False)
  cost = kernel_costs.COSTS['splash_mha_fwd']([q, k, k], [q])
  assert cost.flops == 2 * 4 * 7 * 4 * 1024 * 1024 * 128
