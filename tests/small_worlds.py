"""What tests of worlds know of each: its truth, computed anew from its lines.

Nothing here is the package's: a world's lines are replayed by plain code, and
its questions are read with other expressions than the reader's.
"""

import json
import re


def traps_facts(lines, stored):
  """(attribute, whom) -> value, after lines of (form, fields)."""
  assert not stored
  facts = {}
  for form, f in lines:
    person = f.get('person')
    if form in ('allergic', 'relative allergic'):
      facts['allergic', person, f.get('relation')] = f['food']
    elif form in ('takes', 'relative takes'):
      facts['takes', person, f.get('relation')] = f['drug']
      if form == 'takes':
        facts.pop(('plans', person, None), None)
    elif form == 'plans':
      facts['plans', person, None] = f['drug']
    elif form == 'stopped':
      assert facts.pop(('takes', person, None)) == f['drug']
      facts['stopped', person, None] = f['drug']
    elif form == 'doctor':
      facts['doctor', person, None] = f['person2']
    elif form == 'clinic':
      facts['clinic', person, None] = f['city']
    elif form == 'found':
      facts['found', person, f['illness']] = f['month']
    else:
      assert form in ('denied', 'refused', 'talk')
  return facts


def _relative(name):
  return tuple(name.split("'s ")) if "'s " in name else (name, None)


def traps_answer(text, facts):
  """The answer to a question by the facts, '' if they do not tell."""
  if m := re.fullmatch(r'What is (.+) allergic to\?', text):
    return facts.get(('allergic', *_relative(m[1])), '')
  if m := re.fullmatch(r'Which drug is it that (.+) (takes|stopped)\?', text):
    return facts.get((m[2], *_relative(m[1])), '')
  if m := re.fullmatch(r'Which drug is it that (\w+) plans to try\?', text):
    return facts.get(('plans', m[1], None), '')
  if m := re.fullmatch(r'Which of (.+) is it that (\w+) takes\?', text):
    drug = facts.get(('takes', m[2], None), '')
    return drug if drug in re.split(', | and ', m[1]) else ''
  if m := re.fullmatch(r"Where is the clinic of (\w+)'s doctor\?", text):
    doctor = facts.get(('doctor', m[1], None))
    return facts.get(('clinic', doctor, None), '')
  if m := re.fullmatch(r"W(?:ho|here) is (\w+)'s (doctor|clinic)\?", text):
    return facts.get((m[2], m[1], None), '')
  if m := re.fullmatch(r'When was (\w+) found to have (\w+)\?', text):
    return facts.get(('found', *m.groups()), '')
  m = re.fullmatch(r'Does (\w+), .+ away from (\w+)\?', text)
  food = facts.get(('allergic', m[1], None))
  return ('yes' if food == m[2] else 'no') if food else ''


def traps_answer_in(language):
  """The same of another language, whose questions are read by their forms."""
  forms = []
  for form, template in language.asked.items():
    pattern = re.escape(template)
    for field in re.findall(r'{(\w+)}', template):
      dealt = language.words[field.rstrip('23')]
      words = {word for some in dealt.values() for word in some}
      words = '|'.join(sorted(words, key=len, reverse=True))
      pattern = pattern.replace(
        re.escape(f'{{{field}}}'), f'(?P<{field}>{words})'
      )
    forms.append((form, re.compile(pattern)))

  def answer(text, facts):
    ((form, f),) = (
      (form, m.groupdict())
      for form, pattern in forms
      if (m := pattern.fullmatch(text))
    )
    person, relation = f['person'], f.get('relation')
    get = lambda attribute, *whose: facts.get((attribute, *whose), '')
    if form == 'hops':
      return get('clinic', get('doctor', person, None), None)
    if form == 'found':
      return get('found', person, f['illness'])
    if form == 'infer':
      food = get('allergic', person, None)
      return food and language.spoken[food != f['food']]
    if form == 'choice':
      drug = get('takes', person, None)
      return drug if drug in (f['drug'], f['drug2'], f['drug3']) else ''
    return get(form.removeprefix('relative '), person, relation)

  return answer


def home_facts(lines, stored):
  """(person or None for the house, activity) -> (device, setting)."""
  assert not stored
  facts = {}
  for form, f in lines:
    if form in ('wants', 'changes'):
      facts[f['person'], f['activity']] = f['device'], f['setting']
    elif form == 'revokes':
      del facts[f['person'], f['activity']]
    elif form == 'rules':
      facts[None, f['activity']] = f['device'], f['setting']
    else:
      assert form in ('once', 'guest', 'talk')
  return facts


def home_answer(text, facts):
  name, activity = re.fullmatch(r'(\w+) begins (\w+): .*', text).groups()
  for whose in (name, None):
    if found := facts.get((whose, activity)):
      return json.dumps({'device': found[0], 'setting': found[1]})
  return ''


def conflict_facts(lines, stored):
  """(project, role or stage) -> value; of a store, where it says one thing."""
  said = {}
  for text in stored:
    project, attribute, *value = text.replace(' has ', ' ').split()
    said.setdefault((project, attribute), set()).update(value)
  facts = {key: min(v) for key, v in said.items() if len(v) == 1}
  for form, f in lines:
    if form in ('names', 'still', 'fills', 'replaces', 'settles'):
      facts[f['project'], f['role']] = f['person']
    elif form == 'copies':
      facts[f['project'], f['role']] = facts[f['project2'], f['role']]
    elif form == 'advances':
      stages = ['draft', 'review', 'trial', 'release', 'archive']
      now = stages.index(facts[f['project'], 'stage'])
      facts[f['project'], 'stage'] = stages[now + 1]
    else:
      assert form == 'talk'
  return facts


def conflict_answer(text, facts):
  if m := re.fullmatch(r'Who is the (\w+) of (\w+)\?', text):
    return facts.get((m[2], m[1]), '')
  m = re.fullmatch(r'In which stage is (\w+)\?', text)
  return facts.get((m[1], 'stage'), '')


def workflow_facts(lines, stored):
  """(site, form, attribute) -> value; attributes are menu, state and so on."""
  assert not stored
  facts, orders = {}, ['first', 'second', 'third']
  for form, f in lines:
    place = f['site'], f['form']
    steps = [facts.get((*place, order), 'missing') for order in orders]
    there = facts.get((*place, 'menu')) != 'missing'
    assert there or form in ('menu', 'vain', 'talk'), form
    if form == 'menu':
      facts[*place, 'menu'] = f['menu']
    elif form == 'lacks':
      assert not {key for key in facts if key[:2] == place and key[2] != 'menu'}
      facts[*place, 'menu'] = 'missing'
    elif form in ('step', 'skips'):
      at = orders.index(f['order'])
      assert 'missing' not in steps[:at] and f.get('step') not in steps
      assert form == 'step' or at and 'missing' in [*steps, 'missing'][at + 1]
      facts[*place, f['order']] = f.get('step', 'missing')
    elif form == 'gotcha':
      facts[*place, 'gotcha'] = f['trick']
    elif form == 'cured':
      del facts[*place, 'gotcha']
    elif form in ('state', 'moves', 'deletes'):
      held = facts.get((*place, 'state'), 'deleted') != 'deleted'
      assert held == (form != 'state')
      facts[*place, 'state'] = f.get('state', 'deleted')
    else:
      assert form in ('vain', 'copy', 'talk')
  return facts


def workflow_answer(text, facts):
  if m := re.fullmatch(r'In which (menu) of (\w+) is the (\w+) form\?', text):
    return facts.get((m[2], m[3], m[1]), '')
  if m := re.fullmatch(r'What is the (\w+) step of the (\w+) .* (\w+)\?', text):
    return facts.get((m[3], m[2], m[1]), '')
  if m := re.fullmatch(r'Which (gotcha) has the (\w+) form of (\w+)\?', text):
    return facts.get((m[3], m[2], m[1]), '')
  m = re.fullmatch(r'What is the (state) of the (\w+) request of (\w+)\?', text)
  return facts.get((m[3], m[2], m[1]), '')
