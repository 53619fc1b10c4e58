"""Fuzzed requests to the service: none breaks it, none reads what is not its.

  python -m experiments.serve_fuzz.run [--requests=10000] [--seed=0]

Requests to all routes and MCP tools by one key, which opens one namespace of
two (tests/small_requests.py). The notes are written by rules, for what is
tested is all before the model. Writes results.json: statuses, and what was
seen that may not be. More requests add to what is there.
"""

import argparse
import collections
import io
import json
import logging
import pathlib
import tempfile

import hypothesis
from fastapi.testclient import TestClient

from experiments import results
from mem_alpha_jax.serve import rest
from mem_alpha_jax.serve.memory import Memory
from mem_alpha_jax.system import files, machine
from tests import small_requests, small_serving

KNOWN = 'zebra is here'  # to eve alone
PART = 500  # requests that are made, kept and shown at once
LIMITS = rest.Limits(body_bytes=4096, per_second=1e9, burst=1e9)
HEADERS = {
  'Content-Type': 'application/json',
  'Accept': 'application/json, text/event-stream',
}


def fuzz(requests: int, seed: int) -> dict:
  """Statuses of so many requests, and what went wrong."""
  statuses, wrong = collections.Counter(), []
  log = io.StringIO()
  logging.basicConfig(stream=log, level=logging.DEBUG, force=True)
  with tempfile.TemporaryDirectory() as folder:
    service = small_serving.service(f'{folder}/m.db')
    keys = [
      service.store.make_key(name, [name], True) for name in ('ana', 'eve')
    ]
    eve = Memory(service, 'eve')
    eve.add(KNOWN)
    client = TestClient(
      rest.make(service, LIMITS),
      raise_server_exceptions=False,
      headers=HEADERS | {'Authorization': f'Bearer {keys[0]}'},
    )
    routes = small_requests.routes(client)

    @hypothesis.seed(seed)
    @hypothesis.settings(
      max_examples=requests, deadline=None, database=None,
      phases=[hypothesis.Phase.generate],
      suppress_health_check=[*hypothesis.HealthCheck],
    )  # fmt: skip
    @hypothesis.given(small_requests.asked(routes))
    def one(asked):
      method, _, path, body = asked
      answer = client.request(method, path, content=body)
      statuses[answer.status_code] += 1
      if answer.status_code >= 500 or KNOWN in answer.text:
        wrong.append([method, path, repr(body), answer.status_code])

    with client:
      one()
    if [note['text'] for note in eve.all()] != [KNOWN]:
      wrong.append('the memory of eve has changed')
    service.close()
    kept = b''.join(p.read_bytes() for p in pathlib.Path(folder).iterdir())
  for key in keys:
    if key.encode() in kept or key in log.getvalue():
      wrong.append('a key is in clear in the store or the log')
  return {'statuses': statuses, 'wrong': wrong}


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--requests', type=int, default=10_000)
  parser.add_argument('--seed', type=int, default=0)
  default = pathlib.Path(__file__).with_name('results.json')
  parser.add_argument('--out', type=pathlib.Path, default=default)
  options = results.parse(parser)
  found = {'seed': options.seed, 'requests': 0, 'statuses': {}, 'wrong': []}
  if options.out.exists():
    found = json.loads(options.out.read_text())
  while found['requests'] < options.requests:
    part = fuzz(PART, options.seed + found['requests'])
    for status, count in part['statuses'].items():
      total = found['statuses'].get(str(status), 0)
      found['statuses'][str(status)] = total + count
    found['requests'] = sum(found['statuses'].values())
    found['wrong'] += part['wrong']
    found['versions'] = machine.versions()
    files.write_json(options.out, found)
    print(json.dumps({k: found[k] for k in ('requests', 'statuses', 'wrong')}))


if __name__ == '__main__':
  main()
