"""The trained writer behind `Memory`: the same as in evaluation, batched."""

import threading

import pytest

from mem_alpha_jax.data import synthetic
from mem_alpha_jax.methods import policy
from mem_alpha_jax.methods.protocol import Given
from mem_alpha_jax.serve import events
from mem_alpha_jax.serve import model as model_lib
from mem_alpha_jax.serve.memory import Memory
from mem_alpha_jax.serve.service import Service
from mem_alpha_jax.serve.store import Store

BATCH = 3  # the one shape of this file's sampler, beside 1


@pytest.fixture(scope='module')
def run():
  """The policy of the package before RL, whose calls are valid."""
  return model_lib.open_run('configs/tiny.py', 'reading.budget=30')


@pytest.fixture(scope='module')
def model(run):
  return model_lib.Model(*run, BATCH)


@pytest.fixture
def service(model, tmp_path):
  made = Service(Store(str(tmp_path / 'm.db')), model)
  yield made
  made.close()


def episodes():
  world = synthetic.WorldConfig()
  return [synthetic.episode(world, 'test', n, 6, seed=3) for n in range(BATCH)]


@pytest.mark.slow
def test_chunk_by_chunk_it_is_the_memory_of_evaluation(run, service):
  """Three namespaces at once; calls, answers and what was shown agree."""
  found, (parts, params) = episodes(), run
  method = policy.method(
    Given(parts, parts.config, params, found, range(BATCH))
  )
  for t in range(6):
    steps = method.observe([episode.chunks[t] for episode in found])
    threads = [
      threading.Thread(target=memory.add, args=[episode.chunks[t]])
      for memory, episode in zip(memories(service), found, strict=True)
    ]
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join()
  questions = [[q.text for q in e.questions[:3]] for e in found]
  requests = method.requests(questions)
  for memory, step, asked in zip(
    memories(service), steps, requests, strict=True
  ):
    assert events.fold(
      events.Position(), service.store.events(memory.namespace)
    ).state == step.state._replace(log=events.Position().state.log)
    assert memory.all()
    for request in asked:
      (answer,) = parts.eval_setup.reader([request])
      told = memory.answer(request.question)
      assert told['answer'] == answer
      assert [n['text'] for n in told['notes']] == [
        n.text for n in request.notes
      ]
      shown = memory.search(request.question, parts.config.reading.top_k)
      assert told['notes'] == shown[: len(told['notes'])]
  counts = service.queue.counts
  assert counts['write', 'jobs'] == 6 * BATCH > counts['write', 'batches']


def memories(service):
  return [Memory(service, f'n{n}') for n in range(BATCH)]


def test_texts_become_chunks_that_the_prompt_has_room_for(model):
  text = 'Ana has a dog. On 3 May she went home.'
  assert model.chunks(text) == ['Ana has a dog.', 'On 3 May she went home.']
  assert model.chunks([{'role': 'user', 'content': 'I am Ana.'}], '3 May') == [
    '3 May, user: I am Ana.'
  ]
  long = ' '.join(f'word{n}' for n in range(60))
  parts = model.chunks(long, '3 May')
  assert all(model.count(part) <= 30 for part in parts)
  assert ' '.join(p.removeprefix('3 May: ') for p in parts) == long
  assert model.chunks('\ud800 a') == ['?', 'a']
  for nothing in ('', ' \n', []):
    with pytest.raises(ValueError, match='no word'):
      model.chunks(nothing)


def test_what_cannot_be_opened_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match='no run there'):
    Memory.open(str(tmp_path / 'm.db'), run=str(tmp_path / 'none'))
  with pytest.raises(ValueError, match='config.warm_start'):
    model_lib.open_run('configs/tiny.py', 'warm_start.checkpoint=')
