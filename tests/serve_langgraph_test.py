"""LangGraph's store over a memory: it does what LangGraph's own one does.

Its conformance tests (langgraph-checkpoint-conformance) are of checkpointers;
of stores there are none.
"""

import random

import anyio
import numpy as np
import pytest
import small_serving

from mem_alpha_jax.memory import slots as slots_lib
from mem_alpha_jax.recall import scores

base = pytest.importorskip(
  'langgraph.store.base', reason="pip install -e '.[langgraph]'"
)
from langgraph.store.memory import InMemoryStore  # noqa: E402

from mem_alpha_jax.serve import langgraph_store  # noqa: E402

SPACES = [('a',), ('a', 'x'), ('a', 'y'), ('b', 'x')]


@pytest.fixture
def memory(tmp_path):
  made = small_serving.memory(tmp_path / 'm.db')
  yield made
  made.close()


def drawn(rng):
  """An operation of any kind on few names, so that they meet."""
  space, key = rng.choice(SPACES), f'k{rng.randrange(3)}'
  n = rng.randrange(4)
  value = rng.choice([None, {'n': n}, {'n': n, 'in': {'to': [n, 'é']}}])
  conditions = [
    base.MatchCondition(rng.choice(['prefix', 'suffix']), rng.choice(
      [('a',), ('*', 'x'), ('x',)]))
  ]  # fmt: skip
  return rng.choice(
    [
      base.PutOp(space, key, value),
      base.GetOp(space, key),
      base.SearchOp(space[: rng.randrange(3)], limit=rng.randrange(1, 5)),
      base.SearchOp((), rng.choice([{'n': n}, {'n': {'$gt': 1}}]), offset=1),
      base.ListNamespacesOp(tuple(conditions), rng.choice([None, 1]), 3, 0),
    ]
  )


def plain(found):
  if isinstance(found, list):
    return [plain(one) for one in found]
  if isinstance(found, base.Item):
    return found.namespace, found.key, found.value
  return found


def test_random_operations_give_what_langgraph_gives(memory):
  rng, theirs = random.Random(0), InMemoryStore()
  ours = langgraph_store.LangGraphStore(memory)
  for _ in range(60):
    ops = [drawn(rng) for _ in range(rng.randrange(1, 4))]
    if any(isinstance(op, base.SearchOp) and op.filter for op in ops):
      ops = [op for op in ops if not isinstance(op, base.PutOp)]
    assert plain(ours.batch(ops)) == plain(theirs.batch(ops)), ops
  # The writer's notes and those of other processes do not get in the way.
  memory.add('Ana lives in Rome')
  again = langgraph_store.LangGraphStore(memory)
  # Namespaces are in the order in which each was first asked about.
  everything = lambda store: sorted(plain(store.search((), limit=99)), key=repr)
  assert everything(again) == everything(theirs) != []
  again.put(('a',), 'new', {'n': 1})
  assert ours.get(('a',), 'new').value == {'n': 1}
  memory.undo()
  assert memory.all() == [] and ours.get(('a',), 'new')
  memory.clear()
  assert ours.search(()) == []


def test_a_query_ranks_items_and_keeps_what_is_not_looked_up_last(memory):
  store = langgraph_store.LangGraphStore(memory)

  async def put():
    await store.aput(('m', 'ana'), '1', {'text': 'Ana lives in Rome'})
    await store.aput(('m', 'ana'), '2', {'text': 'Tom has a dog'})
    await store.aput(('m', 'ana'), '3', {'text': 'Ana'}, index=False)
    await store.aput(
      ('m', 'ana'), '4', {'a': 'Ana Ana', 'b': ['cat']}, ['b[*]']
    )

  anyio.run(put)
  keys = lambda query, **given: [
    item.key for item in store.search(('m',), query=query, **given)
  ]
  assert keys('where does Ana live') == ['1', '2', '4', '3']
  assert keys('a cat', limit=1) == ['4'] and keys('dog', limit=1) == ['2']
  assert keys('dog', filter={'text': 'Ana'}) == ['3']
  made = store.get(('m', 'ana'), '1')
  store.put(('m', 'ana'), '1', {'text': 'Ana lives in Oslo'})
  now = store.get(('m', 'ana'), '1')
  assert made.created_at == now.created_at <= now.updated_at
  with pytest.raises(TypeError, match='JSON'):
    store.put(('m',), 'x', {'text': object()})
  assert memory.all() == []


def test_its_bm25_is_that_of_recall():
  texts = ['ana rome baker', 'tom dog', 'ana ana dog cat bird', '']
  query, width = 'what of ana and the dog', 8
  ids = np.zeros((1, len(texts), width), np.int32)
  for row, text in zip(ids[0], texts, strict=True):
    found = slots_lib.encode_terms(text)
    row[: len(found)] = found
  bank = slots_lib.SlotBank(np.zeros((1, 4, 0)), ids, np.ones((1, 4), bool))
  theirs = scores.bm25(bank, scores.encode_queries([[query]]))[0, 0]
  ours = langgraph_store.bm25(query, texts)
  np.testing.assert_allclose(ours, theirs, rtol=1e-5)
