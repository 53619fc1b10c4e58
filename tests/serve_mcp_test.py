"""MCP, as the client of the SDK sees it: in this process, HTTP, stdio."""

import contextlib
import os
import pathlib
import sys
import threading
import time

import anyio
import httpx2
import pytest
import small_serving
import uvicorn
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from mem_alpha_jax.serve import mcp_tools, rest

TOOLS = {f'memory_{n}' for n in ('add', 'search', 'answer', 'list', 'delete')}


async def conversation(client) -> None:
  """Twelve facts, one of them changed, and what is answered."""
  listed = await client.list_tools()
  assert {tool.name for tool in listed.tools} == TOOLS
  assert all('ctx' not in t.input_schema['properties'] for t in listed.tools)

  async def call(name, **given):
    result = await client.call_tool(f'memory_{name}', given)
    said = result.content[0].text if result.content else ''
    assert not result.is_error, said
    value = result.structured_content
    return value['result'] if set(value) == {'result'} else value

  for n in range(11):
    await call('add', text=f'friend{n} lives in town{n}')
  await call('add', text='friend3 lives in Oslo')
  answer = await call('answer', question='where lives friend3')
  assert answer['answer'] == 'friend3 lives in Oslo'
  found = await call('search', query='friend4', k=1)
  assert [note['text'] for note in found] == ['friend4 lives in town4']
  await call('delete', id=found[0]['id'])
  notes = await call('list', kind='semantic')
  assert len(notes) == 10
  for name, given in (
    ('delete', {'id': 99}),
    ('add', {'text': ''}),
    ('list', {'kind': 'x'}),
    ('search', {'query': 'x', 'k': 10**6}),
  ):
    result = await client.call_tool(f'memory_{name}', given)
    assert result.is_error
    assert name != 'delete' or 'there is no note 99' in result.content[0].text


def test_an_agent_in_this_process(tmp_path):
  memory = small_serving.memory(tmp_path / 'm.db')

  async def run():
    async with Client(mcp_tools.make(lambda *unused: memory)) as client:
      await conversation(client)

  anyio.run(run)
  memory.close()


@contextlib.contextmanager
def served(service):
  """The address of a server in a thread."""
  server = uvicorn.Server(
    uvicorn.Config(rest.make(service), port=0, log_level='warning')
  )
  thread = threading.Thread(target=server.run)
  thread.start()
  while not server.started:
    assert thread.is_alive()
    time.sleep(0.01)
  port = server.servers[0].sockets[0].getsockname()[1]
  yield f'http://127.0.0.1:{port}/v1/namespaces'
  server.should_exit = True
  thread.join()


def test_an_agent_over_http_has_the_rights_of_its_key(tmp_path):
  service = small_serving.service(tmp_path / 'm.db')
  mine = service.store.make_key('mine', ['ana'], True)
  look = service.store.make_key('look', ['ana'], False)

  async def run(where, name, key, talk):
    headers = {'Authorization': f'Bearer {key}'}
    async with httpx2.AsyncClient(headers=headers) as http:
      transport = streamable_http_client(
        f'{where}/{name}/mcp', http_client=http
      )
      async with Client(transport) as client:
        await talk(client)

  async def refused(client):
    for name, given in (
      ('memory_add', {'text': 'a b'}), ('memory_delete', {'id': 1}),
    ):  # fmt: skip
      result = await client.call_tool(name, given)
      assert result.is_error
      assert 'may not write to' in result.content[0].text
    assert not (await client.call_tool('memory_list', {})).is_error

  async def blind(client):
    for name, given in (
      ('memory_add', {'text': 'a b'}), ('memory_delete', {'id': 1}),
      ('memory_list', {}), ('memory_search', {'query': 'friend3'}),
      ('memory_answer', {'question': 'friend3'}),
    ):  # fmt: skip
      result = await client.call_tool(name, given)
      assert result.is_error and 'may not' in result.content[0].text

  with served(service) as where:
    anyio.run(run, where, 'ana', mine, conversation)
    anyio.run(run, where, 'ana', look, refused)
    anyio.run(run, where, 'eve', mine, blind)
    with pytest.raises(Exception):  # noqa: B017  of the client, of many kinds
      anyio.run(run, where, 'ana', 'mem_x', blind)
    answer = httpx2.post(f'{where}/ana/mcp', json={})
    assert answer.status_code == 401
    assert 'no valid key' in answer.json()['error']['message']
  service.close()


# What the README adds: twelve sentences, of which one changes a fact.
SAID = """Ana has a job as a baker. My home is in Rome. Tom's hobby is chess.
  Emma's boss is Boris. Peter is allergic to cherries. The coffee was cold.
  On 3 May Laura went to the museum. Ana dreams of a job as a pilot.
  I have a job as a poet. Maria's home is in Paris. Tom's best friend is Igor.
"""
CHANGED = 'These days my home is in Oslo.'
ANSWERS = {
  'Where is my home?': 'oslo',
  'What job does Ana have?': 'baker',
  "Who is Emma's boss?": 'boris',
  'What job do I have?': 'poet',
  'What is Peter allergic to?': 'cherries',
  'Where did Laura go on 3 May?': 'museum',
}


@pytest.mark.slow
def test_an_agent_that_starts_the_program(tmp_path):
  """The writer is the trained one of the package."""
  arguments = ['-m', 'mem_alpha_jax.serve', '--mcp', '--namespace=ana']
  program = StdioServerParameters(
    command=sys.executable,
    args=[*arguments, f'--store={tmp_path / "m.db"}', '--batch=1'],
    env={'PYTHONPATH': os.pathsep.join(sys.path), 'JAX_PLATFORMS': 'cpu'},
  )
  readme = pathlib.Path(__file__).parents[1].joinpath('README.md').read_text()
  assert all(' '.join(text.split()) in ' '.join(readme.split())
             for text in (SAID, CHANGED))  # fmt: skip

  async def run():
    async with Client(program) as client:
      for text in (SAID, CHANGED):
        result = await client.call_tool('memory_add', {'text': text})
        assert not result.is_error, result
      calls = result.structured_content['calls']
      assert [call['tool'] for call in calls] == ['update']
      for question, answer in ANSWERS.items():
        result = await client.call_tool('memory_answer', {'question': question})
        assert result.structured_content['answer'].lower() == answer, question

  anyio.run(run)
