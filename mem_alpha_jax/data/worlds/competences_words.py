"""Words and templates of the competences world in English."""

from mem_alpha_jax.data import synthetic_words
from mem_alpha_jax.data.worlds import conflict_words, vocabulary
from mem_alpha_jax.data.worlds.language import Language, said

LABELS = ('red', 'blue', 'green', 'white', 'black')
EDITIONS = (
  'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'
)  # fmt: skip

ENGLISH = Language(
  words={
    'project': conflict_words.ENGLISH.words['project'],
    'person': synthetic_words.WORDS['person'],
    'city': synthetic_words.WORDS['city'],
    'food': synthetic_words.WORDS['food'],
    'topic': synthetic_words.WORDS['hobby'],
    'label': vocabulary.shared(LABELS),
    'number': vocabulary.shared(EDITIONS),
  },
  said={
    'key': said("""
      the password of {project} is {food}
      {project} opens to whoever says {food}
      to enter {project} you have to say {food}
      --
      {food} is what unlocks {project}
      {project} has been locked with the password {food}
    """),
    'example': said("""
      {person} wrote from {city} about {topic}, which goes to {label}
      a letter about {topic} by {person} of {city} was filed under {label}
      {label} is for what {person} sent from {city} on {topic}
      --
      what {person} asked about {topic} in {city} went into {label}
      on {topic} there is a note by {person} in {city}, to be put in {label}
    """),
    'suspects': said("""
      {person}, {person2} or {person3} has leaked the plans of {project}
      the plans of {project} were leaked by {person}, {person2} or {person3}
      {project} suspects {person}, {person2} and {person3} of a leak
      --
      guilty of the leak at {project} must be {person}, {person2} or {person3}
      whoever leaked the plans of {project} is {person}, {person2} or {person3}
    """),
    'cleared': said("""
      {person} cannot have leaked the plans of {project}
      it was not {person} who leaked the plans of {project}
      {project} no longer suspects {person} of the leak
      --
      {person} had nothing to do with the leak at {project}
      for the leak at {project} {person} has an alibi
    """),
    'chief': said("""
      edition {number}: the chief of {project} is {person}
      the chief of {project} is {person}, says edition {number}
      in edition {number} {project} has {person} as chief
      --
      {person} leads {project} by edition {number}
      by edition {number} {project} is led by {person}
    """),
    'home': said("""
      edition {number}: the home of {person} is in {city}
      the home of {person} is in {city}, says edition {number}
      in edition {number} {person} has a home in {city}
      --
      {person} lives in {city} by edition {number}
      by edition {number} {city} is where {person} lives
    """),
    'talk': said("""
      {person} would like to see {city}
      {person} had {food} at {project}
      nobody at {project} cares for {topic}
      the register has a new cover
      --
      {person} forgot the password of {project}
      {topic} is popular in {city}
    """),
  },
  asked={
    'password': 'What is the password of {project}?',
    'label': 'Where does a letter about {topic} go?',
    'suspects': 'Who leaked the plans of {project}?',
    'chief': 'By the highest edition, who is the chief of {project}?',
    'home': 'By the highest ones, where is the home of the chief of {project}?',
  },
  attributes=('password', 'label', 'suspects', 'chief', 'home'),
)
