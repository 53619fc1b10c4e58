"""The inspector in a browser: a walk through it, and the times of 10,000 turns.

  python -m experiments.inspector.run [--turns=10000]

Needs `pip install playwright` and a Chromium (--chromium). Two made-up runs are
served with a store beside them; the walk compares them, finds a wrong answer
and why it is wrong, asks the memory and takes a call back, at the width of a
desk and of a phone, with pictures in --shots. Writes results.json.
"""

import argparse
import contextlib
import json
import pathlib
import random
import tempfile
import threading
import time

import uvicorn

from experiments import results
from mem_alpha_jax.report import metrics
from mem_alpha_jax.report import page as page_lib
from mem_alpha_jax.report.page import Trace, TraceAnswer, TraceStep
from mem_alpha_jax.serve import model, page, rest
from mem_alpha_jax.serve.memory import Memory
from mem_alpha_jax.serve.service import Service
from mem_alpha_jax.serve.store import Store
from mem_alpha_jax.system import files, machine

HERE = pathlib.Path(__file__).parent
PORT = 8799
EACH = 50  # turns of an episode
EVIL = '<script>document.title = "broken"</script> said Ana.'
SIZES = {'desk': (1280, 860), 'phone': (390, 844)}
FRAME = 'new Promise((r) => requestAnimationFrame(() => setTimeout(r)))'


def arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--turns', type=int, default=10_000)
  parser.add_argument('--chromium', default='/usr/bin/chromium')
  shots = pathlib.Path('runs/inspector')
  parser.add_argument('--shots', type=pathlib.Path, default=shots)
  parser.add_argument('--out', type=pathlib.Path, default=HERE / 'results.json')
  return results.parse(parser)


def writer(rng: random.Random, title: str, chunks: list, skip: float) -> Trace:
  """Notes each sentence but some, and what a reader makes of it."""
  notes, steps, facts = {}, [], {}
  for chunk in chunks:
    name, _, value = chunk.split(' ')[:3]
    facts[name] = value
    calls, said = [], '<noop>'
    if rng.random() > skip:
      tool = 'update' if name in notes else 'insert'
      number = notes.get(name, (len(notes) + 1,))[0]
      notes[name] = number, f'{name} likes {value}'
      said = f'<{tool}> {name} likes {value}'
      calls = [(f'{tool} semantic {number} {name} likes {value}', True, '')]
    held = [('semantic', *note) for note in notes.values()]
    tokens = [(word, -rng.random()) for word in said.split()]
    steps.append(TraceStep(chunk, said, calls, held, '', held[:3], tokens))
  answers = []
  for name, gold in facts.items():
    found = notes.get(name, (0, ''))[1]
    answer = found.split(' ')[-1]
    answers.append(
      TraceAnswer(
        f'What does {name} like?', 'current', gold, answer, answer == gold,
        (found,),
      )
    )  # fmt: skip
  return Trace(title, steps, answers)


def make_runs(root: pathlib.Path, turns: int) -> int:
  """Two runs of so many turns each; returns the bytes of one's episodes."""
  rng, episodes = random.Random(0), []
  people = [f'{a}{b}' for a in ('An', 'Be', 'Le', 'To') for b in 'aeiou']
  for k in range(turns // EACH):
    chunks = [
      f'{rng.choice(people)} likes {rng.choice(("chess", "tea", "rain"))} now.'
      for _ in range(EACH)
    ]
    if not k:
      chunks[3] = EVIL
    made = [
      writer(random.Random(k), name, chunks, skip)
      for name, skip in (('before RL', 0.5), ('after RL', 0.05))
    ]
    episodes.append(page_lib.episode(f'world {k}', made))
  text = json.dumps(files.plain(episodes))
  for name, lam in (('a', 0.9), ('b', 1.0)):
    folder = root / name
    files.write_json(folder / 'config.json', {'rl': {'lam': lam}})
    files.write_text(folder / page_lib.EPISODES, text)
    with metrics.Writer(folder, 500, 0, False, False) as to:
      for step in range(1, 501):
        reward = step / (step + 100 * lam) + rng.gauss(0, 0.02)
        to.write(step, {'reward/total': reward, 'rl/loss': -reward})
  page_lib.write(root / 'episodes.html', episodes)
  return len(text)


@contextlib.contextmanager
def served(root: pathlib.Path, out: pathlib.Path):
  """The page with the runs and a store of three notes; gives a key."""
  service = Service(Store(str(root / 'm.db')), model.Model(*model.open_run()))
  memory = Memory(service, 'ana')
  memory.import_({'results': [{'memory': 'Ana home Rome'}, {'memory': EVIL}]})
  memory.update(1, 'Ana home Oslo')
  app = rest.make(service)
  app.router.routes += page.routes(str(out), store=True)
  server = uvicorn.Server(
    uvicorn.Config(app, port=PORT, log_level='warning', access_log=False)
  )
  thread = threading.Thread(target=server.run)
  thread.start()
  while not server.started:
    time.sleep(0.05)
  try:
    yield service.store.make_key('walk', ['ana'], True)
  finally:
    server.should_exit = True
    thread.join()
    service.close()


def walk(tab, key: str, shot, phone: bool, run: pathlib.Path) -> list[str]:
  """What a user does; raises where the page does not follow."""
  done, back = [], lambda: phone and tab.click('.back')
  tab.goto(f'http://127.0.0.1:{PORT}/')
  tab.wait_for_selector('text=rl.lam')
  assert tab.locator('.chart path').count() >= 2
  shot('runs')
  done.append('two runs compared: curves, and the field that differs')
  if not phone:
    with open(run / metrics.FILE, 'a', encoding='utf-8') as file:
      file.write('{"step": 501, "reward/total": 0.9}\n')
    tab.wait_for_selector('text=step 501')
    done.append('what a run writes shows up')
  tab.get_by_role('button', name='Episodes').click()
  tab.wait_for_selector('[role=option]')
  tab.select_option('[aria-label=which]', 'wrong')
  tab.locator('[role=option]').first.click()
  tab.wait_for_selector('text=Where the text speaks of it')
  shot('wrong')
  tab.locator('.detail li button').last.click()
  tab.wait_for_selector('text=Sampled')
  shot('why')
  done.append('a wrong answer found, and the turn that did not note it')
  back()
  tab.select_option('[aria-label=which]', '')
  tab.fill('[type=search]', 'document.title')
  tab.locator('[role=option]').first.click()
  assert tab.locator('.said').first.inner_text() == EVIL
  assert tab.title() == 'mem_alpha_jax'
  done.append('a script in a chunk stays text')
  tab.get_by_role('button', name='Store').click()
  tab.fill('[name=space]', 'ana')
  tab.fill('[name=key]', key)
  tab.get_by_role('button', name='Open').click()
  tab.wait_for_selector('text=Undo the last')
  assert tab.title() == 'mem_alpha_jax'
  if not phone:
    tab.get_by_role('button', name='Undo the last').click()
    shot('undo')
    tab.locator('dialog').get_by_role('button', name='Undo').click()
    tab.wait_for_selector('text=Undone: 1 event')
    assert tab.locator('.store li', has_text='Ana home Rome').count()
    done.append('a call undone, after a question')
  shot('store')
  kept = tab.evaluate('localStorage.length + sessionStorage.length')
  assert not kept and not tab.context.cookies() and key not in tab.url
  return done


def times(tab, address: str) -> dict:
  """Milliseconds until something is painted, rows are there, filters done.

  `cpu` is what the page's thread ran for it, whatever else the machine did.
  """
  tools = tab.context.new_cdp_session(tab)
  tools.send('Performance.enable', {'timeDomain': 'threadTicks'})

  def ran() -> float:
    told = tools.send('Performance.getMetrics')['metrics']
    return 1e3 * next(x['value'] for x in told if x['name'] == 'TaskDuration')

  tab.goto(address)
  tab.wait_for_selector('[role=option]')
  paint = 'performance.getEntriesByName("first-contentful-paint")[0].startTime'
  listed = 'performance.getEntriesByName("filter")[0]'
  found = {
    'first_paint': tab.evaluate(paint),
    'rows': tab.evaluate(f'{listed}.startTime + {listed}.duration'),
    'rows, cpu': ran(),
  }
  for name, change in {
    'text': 'e("[type=search]", "tea now", "input")',
    'wrong': 'e("[aria-label=which]", "wrong", "change")',
    'all': 'e("[aria-label=which]", "", "change")',
    'no text': 'e("[type=search]", "", "input")',
    'tool': 'e("[aria-label=tool]", "update", "change")',
    'scroll': 'document.getElementById("list").scrollTop = 2e5',
  }.items():  # fmt: skip
    began = ran()
    found[name] = tab.evaluate(f"""async () => {{
      const e = (q, value, kind) => {{
        const one = document.querySelector(q);
        one.value = value;
        one.dispatchEvent(new Event(kind));
      }};
      const began = performance.now(); {change}; await {FRAME};
      return performance.now() - began; }}""")
    found[f'{name}, cpu'] = ran() - began
  return {name: round(value, 1) for name, value in found.items()}


def main() -> None:
  options = arguments()
  from playwright.sync_api import sync_playwright  # not needed by a run

  with contextlib.ExitStack() as held:
    root = pathlib.Path(held.enter_context(tempfile.TemporaryDirectory()))
    size = make_runs(root / 'runs', options.turns)
    key = held.enter_context(served(root, root / 'runs'))
    browser = held.enter_context(sync_playwright()).chromium.launch(
      executable_path=options.chromium, args=['--no-sandbox']
    )
    version, walked, measured = browser.version, {}, {}
    for name, (width, height) in SIZES.items():
      tab = browser.new_page(viewport={'width': width, 'height': height})
      wrong = []
      tab.on('pageerror', lambda error, wrong=wrong: wrong.append(str(error)))
      shot = lambda of, name=name, tab=tab: tab.screenshot(
        path=options.shots / f'{name}_{of}.png'
      )
      walked[name] = walk(tab, key, shot, name == 'phone', root / 'runs' / 'b')
      assert not wrong, wrong
    for name, address in {
      'served': f'http://127.0.0.1:{PORT}/#tab=episodes',
      'static': (root / 'runs' / 'episodes.html').as_uri(),
    }.items():
      tab = browser.new_page(viewport={'width': 1280, 'height': 860})
      measured[name] = times(tab, address)
    browser.close()
  found = {
    'turns': options.turns,
    'bytes': size,
    'milliseconds': measured,
    'walk': walked,
    'chromium': version,
    'versions': machine.versions(),
  }
  files.write_json(options.out, found)
  print(json.dumps(measured, indent=2))


if __name__ == '__main__':
  main()
