"""What a memory is exported as, and what of others it can take in.

Ours is all events, so that history and undo come along. Of mem0 (get_all, or
its list alone) and OpenMemory (memories.json) each memory becomes a note.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic

from mem_alpha_jax.memory.state import Op
from mem_alpha_jax.serve import events as events_lib
from mem_alpha_jax.serve.events import Event, Position

FORMAT = 'mem_alpha_jax memory 1'
_LISTS = ('results', 'memories')  # names of a list of memories
_TEXTS = ('memory', 'content', 'text')  # names of the text of one
_GONE = ('deleted', 'archived')  # states of those that are left out


def export(namespace: str, memories: Sequence, events: Sequence[Event]) -> dict:
  return {
    'format': FORMAT,
    'namespace': namespace,
    'memories': list(memories),
    'events': [
      e.model_dump(mode='json', exclude_defaults=True) for e in events
    ],
  }


def is_ours(value: Any) -> bool:
  return isinstance(value, Mapping) and value.get('format') == FORMAT


def events(value: Mapping, first: int) -> list[Event]:
  """The events of an export of ours, numbered from `first` on.

  Raises:
    ValueError: if it is not what `export` made, or does not replay.
  """
  try:
    found = [Event.model_validate_json(json.dumps(e)) for e in value['events']]
    places = {event.seq: i for i, event in enumerate(found, first)}
    found = [
      event.model_copy(
        update={
          'seq': first + i,
          'undone': tuple(places[seq] for seq in event.undone),
        }
      )
      for i, event in enumerate(found)
    ]
  except (KeyError, TypeError, pydantic.ValidationError) as error:
    raise ValueError(
      f'import: events are not those of an export ({type(error).__name__})'
    ) from error
  events_lib.fold(Position(), found, events_lib.taken_back(found))
  return found


def inserts(value: Any) -> list[Op]:
  """A call for each memory of an export of mem0 or OpenMemory.

  Raises:
    ValueError: if it is neither.
  """
  if isinstance(value, Mapping):
    value = next((value[k] for k in _LISTS if k in value), None)
  if not isinstance(value, list):
    raise ValueError(f'import: no list of memories; give one, or {_LISTS}')
  ops = []
  for i, item in enumerate(value):
    item = item if isinstance(item, Mapping) else {}
    text = next((item[k] for k in _TEXTS if k in item), None)
    if not isinstance(text, str):
      raise ValueError(f'import: memory {i} has no text; use one of {_TEXTS}')
    kind = 'episodic' if item.get('kind') == 'episodic' else 'semantic'
    if item.get('state') not in _GONE:
      ops.append(Op('insert', kind, text))
  return ops
