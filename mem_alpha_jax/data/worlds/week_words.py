"""Words and templates of the week world in English."""

from mem_alpha_jax.data import synthetic_words
from mem_alpha_jax.data.worlds import vocabulary
from mem_alpha_jax.data.worlds.language import Language, said

DAYS = (
  'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'
)  # fmt: skip
PARTS = ('dawn', 'noon', 'teatime', 'dusk', 'midnight')
NUMBERS = (
  'zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'
)  # fmt: skip
ORDINALS = (
  'first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth',
  'ninth',
)  # fmt: skip

ENGLISH = Language(
  words={
    'person': synthetic_words.WORDS['person'],
    'place': synthetic_words.WORDS['venue'],
    'activity': synthetic_words.WORDS['hobby'],
    'item': synthetic_words.WORDS['food'],
    'day': vocabulary.shared(DAYS),
    'part': vocabulary.shared(PARTS),
    'number': vocabulary.shared(NUMBERS),
    'ordinal': vocabulary.shared(ORDINALS),
  },
  said={
    'visits': said("""
      on {day} {person} was at the {place}
      {person} went to the {place} on {day}
      {day}: {person} is at the {place}
      on {day} we saw {person} at the {place}
      --
      {person} spent some of {day} at the {place}
      the {place} is where {person} was on {day}
    """),
    'does': said("""
      on {day} {person} had time for {activity} at {part}
      it was {part} on {day} and {person} was busy with {activity}
      {day}, {part}: {person} enjoys {activity}
      {activity} is what {person} did on {day} at {part}
      --
      {person} came home from {activity} on {day} at {part}
      at {part} on {day} it was {activity} for {person}
    """),
    'takes up': said("""
      on {day} {person} took up {activity}
      {person} began with {activity} on {day}
      {activity} is new for {person} since {day}
      --
      {person} signed up for {activity} on {day}
      since {day} {person} has one more hobby, {activity}
    """),
    'buys': said("""
      on {day} {person} bought {number} packs of {item}
      {person} came back with {number} packs of {item} on {day}
      {number} packs of {item} were brought to {person} on {day}
      --
      {person} got {number} more packs of {item} on {day}
      {day} gave {person} {number} packs of {item}
    """),
    'uses': said("""
      on {day} {person} used {number} of the packs of {item}
      {person} opened and finished {number} of the packs of {item} on {day}
      {number} of the packs of {item} that {person} had are gone since {day}
      --
      {person} ate up {number} of the packs of {item} on {day}
      on {day} {number} of the packs of {item} were emptied by {person}
    """),
    'meets': said("""
      on {day} {person} met {person2}
      {person} ran into {person2} on {day}
      {person2} was met by {person} on {day}
      --
      {day} brought {person} together with {person2}
      {person} had a talk with {person2} on {day}
    """),
    'talk': said("""
      {person} wanted to see the {place} on {day}, but it was closed
      {person} has never tried {activity}
      the shop ran out of {item} on {day}
      the sky was clear on {day} at {part}
      --
      {person} dreams of {activity} at {part}
      on {day} the {place} was full of people
    """),
  },
  asked={
    'visits': 'How many times was {person} at the {place}?',
    'times': 'How many times did {person} enjoy {activity} at {part}?',
    'left': 'How many packs of {item} does {person} have left?',
    'favorite': 'Where was {person} most of the times?',
    'usually': 'When does {person} mostly enjoy {activity}?',
    'order': 'Which was the {ordinal} hobby that {person} took up?',
    'link': 'Where was the person whom {person} met last most of the times?',
  },
  attributes=('visits', 'times', 'left', 'favorite', 'usually', 'took', 'met'),
)
