"""Workflow: what is to be known of sites, their forms and their requests.

After LongMemEval-V2 (arXiv 2605.12493), whose agents learn the sites that they
work on: where a form is, which steps it takes, its gotcha, and the state of a
request, which changes. The types of questions are the published ones. Those
that end with -abs take something for granted that is not so: a form, a step or
a request that is not there. As published the answer must name that flaw, and
to say that one does not know is wrong; where there is a judge, it decides.

Of the three pools that are read there, events are the episodic list here, and
procedures and hints the semantic one; raw pages are what RAG reads. The world
is ours.
"""

import dataclasses
from collections.abc import Iterator

from mem_alpha_jax.data.worlds import core, streams
from mem_alpha_jax.data.worlds.core import Ask, Cast, Effect, Facts, Key
from mem_alpha_jax.data.worlds.questions import Read
from mem_alpha_jax.data.worlds.workflow_words import (
  DELETED,
  ENGLISH,
  FLAWS,
  MISSING,
  ORDERS,
)

_TYPES = {
  'menu': 'static-environment',
  'state': 'dynamic-environment',
  'gotcha': 'errors-gotchas',
  **dict.fromkeys(ORDERS, 'procedure'),
}
_FALSE = '-abs'  # ends the type of a question whose premise is false


def _form(cast: Cast, facts: Facts, *attributes: str) -> dict[str, str] | None:
  """A form of a site that has it: at times one of which this is known."""
  known = [key for key in facts if key[2] in attributes]
  if known and cast.rng.random() < cast.overwrite:
    site, form, _ = cast.rng.choice(known)
  else:  # often one of another site
    site, forms = cast.rng.choice(cast.people()), [key[1] for key in facts]
    again = forms and cast.rng.random() < 0.5
    form = cast.rng.choice(forms) if again else cast.word('form')
  if 'menu' not in attributes and facts.get((site, form, 'menu')) == MISSING:
    return None
  return {'site': site, 'form': form}


def _held(facts: Facts, attribute: str) -> list[Key]:
  return [k for k in facts if k[2] == attribute and facts[k] not in FLAWS]


def _sets(attribute: str, kind: str) -> core.Maker:
  """A new value of a form's attribute."""

  def make(cast: Cast, facts: Facts):
    if (fields := _form(cast, facts, attribute)) is None:
      return None
    now = facts.get((*fields.values(), attribute), '')
    return fields | {kind: cast.word(kind, fields['site'], now)}

  return make


def _lacks(cast: Cast, facts: Facts):
  """A form that is not there; of such nothing else is known."""
  site, form = (fields := _form(cast, facts, 'menu')).values()
  known = [key[2] for key in facts if key[:2] == (site, form)]
  menu = facts.get((site, form, 'menu'))
  return None if set(known) - {'menu'} or menu == MISSING else fields


def _steps(facts: Facts, site: str, form: str) -> list[str]:
  """The steps that are known, from the first on."""
  steps = [facts.get((site, form, order), MISSING) for order in ORDERS]
  return [*steps, MISSING][: [*steps, MISSING].index(MISSING)]


def _step(cast: Cast, facts: Facts):
  """The next step of a form, or another one in the place of one."""
  if (fields := _form(cast, facts, *ORDERS)) is None:
    return None
  steps = _steps(facts, **fields)
  order = cast.rng.choice(ORDERS[: len(steps) + 1][-2:])
  step = cast.word('step', fields['site'], *steps)
  return fields | {'order': order, 'step': step}


def _skips(cast: Cast, facts: Facts):
  """The end of the steps, or the last of them when it goes."""
  if not (known := _held(facts, 'first')):
    return None
  site, form, _ = cast.rng.choice(known)
  number = len(_steps(facts, site, form))
  orders = ORDERS[max(number - 1, 1) : number + 1]
  orders = [o for o in orders if facts.get((site, form, o)) != MISSING]
  order = cast.rng.choice(orders) if orders else None
  return {'site': site, 'form': form, 'order': order}


def _ends(attribute: str) -> core.Maker:
  def make(cast: Cast, facts: Facts):
    if not (known := _held(facts, attribute)):
      return None
    site, form, _ = cast.rng.choice(known)
    return {'site': site, 'form': form}

  return make


def _begins(cast: Cast, facts: Facts):
  """A request where there is none."""
  if (fields := _form(cast, facts, 'state')) is None:
    return None
  if facts.get((*fields.values(), 'state'), DELETED) != DELETED:
    return None
  return fields | {'state': cast.word('state', fields['site'])}


def _moves(cast: Cast, facts: Facts):
  if (fields := _ends('state')(cast, facts)) is None:
    return None
  now = facts[(*fields.values(), 'state')]
  return fields | {'state': cast.word('state', fields['site'], now)}


def _noise(*attributes: str) -> core.Maker:
  """Words about a form that state nothing of it."""

  def make(cast: Cast, facts: Facts):
    fields = _form(cast, facts, *attributes)
    if fields is None:
      fields = {
        'site': cast.rng.choice(cast.people()),
        'form': cast.word('form'),
      }
    return fields | {
      kind: cast.word(kind) for kind in ('person', 'menu', 'state')
    }

  return make


def _asks(cast: Cast, facts: Facts, key: Key) -> Iterator[Ask]:
  del cast, facts
  site, form, attribute = key
  fields = {'site': site, 'form': form, 'order': attribute}
  now = lambda facts: facts.get(key, '')
  kind = lambda facts, again: _TYPES[attribute] + _FALSE * (now(facts) in FLAWS)
  asked = 'step' if attribute in ORDERS else attribute
  yield Ask(asked, fields, kind, (key,), now)


def _key(attribute: str) -> Key:
  return '{site}', '{form}', attribute


WORKFLOW = core.World(
  'workflow',
  told={
    'menu': (0.17, _sets('menu', 'menu')),
    'lacks': (0.08, _lacks),
    'step': (0.22, _step),
    'skips': (0.1, _skips),
    'gotcha': (0.11, _sets('gotcha', 'trick')),
    'cured': (0.04, _ends('gotcha')),
    'state': (0.09, _begins),
    'moves': (0.07, _moves),
    'deletes': (0.05, _ends('state')),
    'vain': (0.03, _noise('menu')),
    'copy': (0.03, _noise('state')),
    'talk': (0.06, _noise(*ORDERS)),
  },
  effects={
    'menu': (Effect(_key('menu'), '{menu}'),),
    'lacks': (Effect(_key('menu'), MISSING),),
    'step': (Effect(_key('{order}'), '{step}'),),
    'skips': (Effect(_key('{order}'), MISSING),),
    'gotcha': (Effect(_key('gotcha'), '{trick}'),),
    'cured': (Effect(_key('gotcha')),),
    'state': (Effect(_key('state'), '{state}'),),
    'moves': (Effect(_key('state'), '{state}'),),
    'deletes': (Effect(_key('state'), DELETED),),
  },
  asks=_asks,
  read={
    'menu': Read('menu+flaw', ('menu',), needs=('form',), without=('vain',)),
    'step': Read('step+flaw', needs=('form', 'order')),
    'gotcha': Read('trick', ('gotcha',), needs=('form',)),
    'state': Read('state+flaw', ('state',), needs=('form',), without=('copy',)),
  },
  talk='talk',
  dated=frozenset(('state',)),
  entity='site',
)
SOURCES = (
  dataclasses.replace(
    streams.source(WORKFLOW, ENGLISH),
    rules=dict.fromkeys(_TYPES.values(), 'exact'),
    judged=True,
  ),
)
