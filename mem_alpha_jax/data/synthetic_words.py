"""Words and sentence forms of the synthetic world.

Every value is one word, no word has two kinds, and the splits share none:
240/60/80 names and 24/8/10 values of each other kind go to train, validation
and test, in the order of a stable hash so that no split is alphabetical. The
splits 'validation_pairs' and 'test_pairs' have the train words in pairs of name
and value that 'train' never states. Of the user, who has no name, the plain
wording says the same in all splits of train words (17% of the questions that
are asked); in others train keeps two thirds of the values of a kind, validation
and test have a sixth each: four of 24, enough to overwrite one. The splits
'validation_templates' and 'test_templates' have the same pairs in sentences of
templates that 'train' never uses.
"""

import functools
from typing import NamedTuple

from mem_alpha_jax.data.worlds import vocabulary
from mem_alpha_jax.text import english

_SIZES = {'person': (240, 60, 80)}
_VALUE_SIZES = (24, 8, 10)
USER = 'i'  # the user as the subject of a fact

_TEXT = {
  'person': """
    Aaron Abel Abigail Adam Adele Adrian Agnes Ahmed Aiko Aisha Alan Albert
    Alejandro Alexei Alfred Alice Alina Alma Amanda Amara Amelia Amir Amy
    Ana Anders Andrea Andrew Anita Anna Anton Antonio Anya Arjun Arnold
    Arthur Arturo Astrid Audrey Barbara Beatrice Bella Benjamin Bernard
    Bianca Bianka Boris Brenda Brian Bridget Bruno Camila Carla Carlos
    Carmen Caroline Cecilia Chloe Christian Clara Claudia Colin Conrad
    Cyril Dalia Damian Daniel Daphne Daria David Deborah Denis Derek Diana
    Diego Dmitri Dolores Dominic Donald Dora Doris Edgar Edith Eduardo Edwin
    Eileen Elena Eliza Ella Elsa Emil Emily Emma Enrico Eric Ernest Esteban
    Esther Ethan Eugene Eva Evelyn Fabian Farid Fatima Felipe Felix Fernando
    Fiona Flora Francesca Francis Frank Freya Frida Gabriel Gareth Gemma
    George Gerald Gilbert Gina Giulia Gloria Gordon Greta Gustav Hannah
    Hans Harold Harriet Harry Hassan Hector Helen Helga Henrik Henry Herman
    Hilda Hiro Hugo Ian Ibrahim Ida Igor Ilse Imani Ines Ingrid Irene Iris
    Isaac Isabel Ivan Jacob Jamal James Jane Janina Jasper Javier Jelena
    Jennifer Jeremy Jerome Jessica Joanna Joel Johan Jonas Jorge Joseph
    Juan Judith Julia Julian Julius Kamal Karen Karim Karl Katarina Kathleen
    Keiko Kenji Kevin Khalid Kirsten Klara Klaus Kofi Lars Laura Lea Leila
    Lena Leo Leonard Leonie Lidia Liam Lina Linda Linus Livia Liza Lorenzo
    Louis Louise Lucas Lucia Ludwig Luis Luna Lydia Magda Magnus Maja
    Malcolm Malik Manuel Marcel Marco Margaret Maria Marianne Marie Marina
    Mario Marlene Marta Martin Mathilda Matteo Matthew Maurice Max Maya
    Melissa Mercedes Michael Miguel Mila Mina Miranda Miriam Mohamed Mona
    Monica Morgan Muriel Nadia Naomi Natalia Nathan Neil Nelson Nicolas
    Niels Nikita Nina Nora Norman Octavia Olaf Oleg Olga Oliver Olivia Omar
    Ophelia Oscar Osman Otto Pablo Pamela Patricia Patrick Paula Pauline
    Pavel Pedro Penelope Peter Philip Pierre Priya Rachel Rafael Rahul Ramon
    Raquel Raymond Rebecca Regina Renata Ricardo Richard Rita Robert Roberta
    Rodrigo Roger Roland Roman Ronald Rosalind Rosa Ruben Rudolf Rufus Ruth
    Sabine Salma Samir Samuel Sandra Sanjay Sara Sebastian Selma Serena
    Sergei Sheila Sigrid Silvia Simon Sonia Stanley Stefan Stella Stephen
    Susan Svetlana Tamara Tanya Tariq Tatiana Teresa Theodore Thomas Tobias
    Tom Tomoko Ulrich Ursula Valentina Valeria Vanessa Vera Victor Viktoria
    Vincent Violeta Vivian Vladimir Walter Wanda Wendy Wilhelm Wilma Xavier
    Yasmin Yolanda Yuki Yusuf Yvonne Zainab Zara Zelda Zoe Alba Benita Celia
    Dario Elias Fritz Gwen Hedda Imre
  """,
  'job': """
    baker banker barber biologist blacksmith butcher carpenter cashier
    chemist clerk dancer dentist detective diplomat doctor driver farmer
    florist gardener geologist historian jeweller journalist judge lawyer
    librarian locksmith mechanic midwife miner nurse painter pharmacist pilot
    plumber poet potter sailor sculptor surgeon tailor teacher
  """,
  'city': """
    Athens Auckland Bergen Berlin Bogota Boston Brisbane Budapest Cairo
    Chicago Delhi Denver Dublin Geneva Hamburg Helsinki Krakow Kyoto Lagos
    Lima Lisbon London Lyon Madrid Milan Montreal Mumbai Munich Nairobi Oslo
    Paris Porto Prague Quito Riga Rome Seattle Seoul Seville Tallinn Tokyo
    Warsaw
  """,
  'hobby': """
    archery astronomy badminton baseball basketball birdwatching bowling
    boxing calligraphy chess climbing cricket cycling darts drawing
    embroidery fencing fishing golf hiking hockey judo juggling karate
    knitting origami photography poker pottery rowing rugby sailing sewing
    singing skating skiing surfing swimming tennis volleyball woodcarving
    yoga
  """,
  'food': """
    almonds apples bananas beans butter carrots cashews celery cheese
    cherries chickpeas chocolate curry dumplings eggs garlic grapes hazelnuts
    honey lentils lobster mangoes mushrooms mussels noodles onions pancakes
    pasta peaches peanuts pears pizza plums rice salmon sesame shrimp spinach
    strawberries tofu tomatoes walnuts
  """,
  'venue': """
    airport aquarium bakery bazaar beach bookshop cafe castle cathedral
    church cinema circus farm forest fountain gallery garden gym harbour
    hospital lake library lighthouse market monastery museum observatory
    opera palace park planetarium pool restaurant school stadium station
    temple theatre tower university vineyard zoo
  """,
}
DATES = tuple(
  f'{day} {month}' for month in english.MONTHS for day in range(1, 29)
)


# WORDS[kind][split] is a tuple of words as they are written in a sentence.
WORDS = {
  kind: vocabulary.deal(text.split(), _SIZES.get(kind, _VALUE_SIZES))
  for kind, text in _TEXT.items()
}
# LEXICON[kind] holds the lowercase words of all splits, for the reader.
LEXICON = {
  kind: frozenset(w.lower() for words in dealt.values() for w in words)
  for kind, dealt in WORDS.items()
}


class Attribute(NamedTuple):
  """A fact that a person (or the user) has: clauses, questions, its cue."""

  cue: str  # the word that statement, question and note share
  kind: str  # kind of the value
  clause: str  # {n}: name, {v}: value
  user_clause: str
  question: str
  user_question: str
  user_word: str  # how the user names themselves in clause and question
  decoy: str  # holds name and value, states no fact


# What a form says of {n}, and what the user says in its place.
_AS_USER = {
  "{n}'s": 'my',
  '{n} has': 'I have',
  '{n} is': 'I am',
  'does {n}': 'do I',
  'is {n}': 'am I',
}


def _as_user(form: str) -> str:
  for said, mine in _AS_USER.items():
    form = form.replace(said, mine)
  return form


def _attribute(cue, kind, clause, question, decoy) -> Attribute:
  word = 'my' if "{n}'s" in clause else 'I'
  asked = question, _as_user(question)
  return Attribute(cue, kind, clause, _as_user(clause), *asked, word, decoy)


ATTRIBUTES = {
  row[0]: _attribute(*row)
  for row in (
    ('job', 'job', '{n} has a job as a {v}', 'What job does {n} have?',
     '{n} dreams of a job as a {v}.'),
    ('home', 'city', "{n}'s home is in {v}", "Where is {n}'s home?",
     '{n} would love a home in {v}.'),
    ('hobby', 'hobby', "{n}'s hobby is {v}", "What is {n}'s hobby?",
     "The hobby of {n}'s neighbour is {v}."),
    ('favourite', 'food', "{n}'s favourite food is {v}",
     "What is {n}'s favourite food?", "{n}'s dog has {v} as favourite food."),
    ('allergic', 'food', '{n} is allergic to {v}',
     'What is {n} allergic to?', 'A cousin of {n} is allergic to {v}.'),
    ('boss', 'person', "{n}'s boss is {v}", "Who is {n}'s boss?",
     '{n} would like {v} as boss.'),
    ('friend', 'person', "{n}'s best friend is {v}",
     "Who is {n}'s best friend?", "The best friend of {n}'s sister is {v}."),
  )
}  # fmt: skip


def _forms(text: str) -> tuple[str, ...]:
  return tuple(english.sentences(text.strip()))


# One pool for first statements and overwrites: the wording never tells which.
FACT_FORMS = _forms(
  '{c}. We heard that {c}. Since last week {c}. These days {c}.'
)
EVENT_FORMS = _forms("""
  On {d} {n} went to the {v}. {n} went to the {v} on {d}.
  On {d} {n} was at the {v}.
""")
EVENT_QUESTIONS = {
  'who': 'Who went to the {v} on {d}?',
  'where': 'Where did {n} go on {d}?',
  'when': 'When did {n} go to the {v}?',
}
# Sentences with the world's names, cues and values that state no fact of it.
DECOY_FORMS = _forms("""
  Nobody believes that {c}. It is false that {c}. {o} asked if {c}.
  {o} dreamt that {c}.
""")
EVENT_DECOYS = _forms("""
  {n} wants to see the {v} on {d}. On {d} {n} almost went to the {v}.
  Nobody saw {n} at the {v} on {d}.
""")
SMALL_TALK = _forms("""
  The weather is lovely today. It rained all night. The bus was late again.
  What a long day it was. Nothing much happened this morning.
  Let us talk about something else. I am a bit tired. The coffee was cold.
  {n} said hello. {n} slept badly. {n} lost an umbrella. {n} laughed a lot.
  {n} called {o} yesterday. {n} and {o} had a chat.
""")


def held_out(name: str, value: str) -> bool:
  """Whether a pair of train words is kept from the split 'train'."""
  tenth = vocabulary.tenth(name, value)
  return tenth not in vocabulary.PAIR_TENTHS['train']


@functools.cache
def allowed(
  split: str, name: str, kind: str, user_pairs: bool
) -> tuple[str, ...]:
  """Values of a kind that may be said of a name (or USER) in this split.

  Without `user_pairs` all splits of train words say the same of the user.
  """
  values = WORDS[kind][vocabulary.base_split(split)]
  if split in vocabulary.PAIR_TENTHS:
    tenths = vocabulary.PAIR_TENTHS[split]
    if name != USER:
      values = [v for v in values if vocabulary.tenth(name, v) in tenths]
    elif user_pairs:
      sixths = {0: (0,), 1: (1,)}.get(tenths[0], range(2, 6))
      by_hash = lambda value: vocabulary.stable_hash(f'{USER} {value}'.lower())
      place = {v: i for i, v in enumerate(sorted(values, key=by_hash))}
      values = [v for v in values if place[v] * 6 // len(place) in sixths]
  return tuple(v for v in values if v != name)


def subject(name: str) -> str:
  """The name as the subject of a sentence."""
  return 'I' if name == USER else name


def clause(name: str, cue: str, value: str) -> str:
  """The fact in words, e.g. "Marta's home is in Lisbon"."""
  attribute = ATTRIBUTES[cue]
  if name == USER:
    return attribute.user_clause.format(v=value)
  return attribute.clause.format(n=name, v=value)


def sentence(form: str, **parts: str) -> str:
  """Fills a form and capitalises its first letter."""
  text = form.format(**parts)
  return text[0].upper() + text[1:]
