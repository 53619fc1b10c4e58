"""Words and templates of the traps world in English.

Every sentence that states a fact holds its cue, names its person before any
other, and its value is one word: a note that keeps these answers a question.
"""

from collections.abc import Mapping

from mem_alpha_jax.data import synthetic_words
from mem_alpha_jax.data.worlds import vocabulary
from mem_alpha_jax.data.worlds.language import Language, said
from mem_alpha_jax.text import english

_SIZES = (24, 8, 8)
_DRUGS = """
  aspirin ibuprofen paracetamol codeine morphine tramadol naproxen diclofenac
  amoxicillin penicillin doxycycline erythromycin metformin insulin glipizide
  atorvastatin simvastatin warfarin heparin clopidogrel ramipril lisinopril
  losartan amlodipine bisoprolol atenolol furosemide digoxin omeprazole
  lansoprazole ranitidine loratadine cetirizine prednisone cortisone
  salbutamol sertraline fluoxetine diazepam lithium
"""
_ILLNESSES = """
  asthma eczema migraine diabetes gout anemia arthritis bronchitis bursitis
  cataract celiac colitis conjunctivitis cystitis dermatitis diphtheria
  emphysema epilepsy fibrosis gallstones gastritis glaucoma hepatitis hernia
  hypertension influenza insomnia jaundice laryngitis malaria measles mumps
  neuralgia osteoporosis pneumonia psoriasis rheumatism sciatica sinusitis
  tonsillitis
"""
_RELATIONS = (
  'sister', 'brother', 'mother', 'father', 'aunt', 'uncle', 'cousin',
  'neighbor',
)  # fmt: skip


def dealt(
  kinds: Mapping[str, str], months: str, relations: str
) -> dict[str, dict[str, tuple[str, ...]]]:
  """The words of a language: of each kind, of each split."""
  sizes = {'person': (24, 6, 6)}
  return {
    kind: vocabulary.deal(words.split(), sizes.get(kind, (16, 4, 4)))
    for kind, words in kinds.items()
  } | {
    'month': vocabulary.shared(months.split()),
    'relation': vocabulary.shared(relations.split()),
  }


SAID = {
  'allergic': said("""
    {person} is allergic to {food}
    tests show that {person} is allergic to {food}
    {person} turned out to be allergic to {food}
    what {person} is allergic to is {food}
    --
    {person} is badly allergic to {food}
    as it seems {person} is allergic to nothing but {food}
  """),
  'relative allergic': said("""
    {person}'s {relation} is allergic to {food}
    the {relation} of {person} is allergic to {food}
    {person} says that a {relation} is allergic to {food}
    tests show that {person}'s {relation} is allergic to {food}
    --
    {person} has a {relation} who is badly allergic to {food}
    as it seems {person}'s {relation} is allergic to {food}
  """),
  'takes': said("""
    {person} takes {drug} now
    every morning {person} takes {drug}
    what {person} takes is {drug}
    since this week {person} takes {drug}
    --
    by now {person} takes {drug} twice a day
    with some water {person} takes {drug}
  """),
  'relative takes': said("""
    {person}'s {relation} takes {drug}
    the {relation} of {person} takes {drug} now
    {person} says that a {relation} takes {drug}
    every morning {person}'s {relation} takes {drug}
    --
    {person} has a {relation} who takes {drug}
    by now {person}'s {relation} takes {drug}
  """),
  'plans': said("""
    {person} plans to try {drug}
    what {person} plans to try is {drug}
    for next week {person} plans a course of {drug}
    {person} plans to begin with {drug}
    --
    {person} plans on {drug} after the holidays
    some day soon {person} plans to use {drug}
  """),
  'stopped': said("""
    {person} stopped {drug}
    after a rash {person} stopped {drug}
    what {person} stopped is {drug}
    {person} stopped using {drug} last night
    --
    {person} has just stopped {drug}
    feeling sick {person} stopped {drug}
  """),
  'doctor': said("""
    {person}'s doctor is {person2}
    {person} has {person2} as doctor
    the doctor of {person} is now {person2}
    {person} went to a new doctor, {person2}
    --
    {person} chose {person2} as doctor
    as doctor {person} trusts {person2}
  """),
  'clinic': said("""
    {person}'s clinic is in {city}
    {person} runs a clinic in {city}
    the clinic of {person} is in {city}
    {person} moved the clinic to {city}
    --
    {person} opened a clinic in {city}
    to visit {person}'s clinic one has to go to {city}
  """),
  'found': said("""
    in {month} {person} was found to have {illness}
    {person} was found to have {illness} in {month}
    it was in {month} that {person} was found to have {illness}
    --
    {person} was found to suffer from {illness} in {month}
    as of {month} {person} was found to have {illness}
  """),
  'denied': said("""
    {person} is not allergic to {food}
    nobody says that {person} is allergic to {food}
    {person} asked who is allergic to {food}
    --
    {person} was never allergic to {food}
    it is a lie that {person} is allergic to {food}
  """),
  'refused': said("""
    {person} never takes {drug}
    nobody says that {person} takes {drug}
    {person} read about {drug}
    --
    it is a lie that {person} takes {drug}
    {person} would not touch {drug}
  """),
  'talk': said("""
    many people are allergic to {food}
    {drug} is said to help against {illness}
    the news spoke of a clinic in {city}
    {illness} is common in {month}
    the weather is lovely today
    the waiting room was full
    --
    children are often allergic to {food}
    {drug} is sold without a recipe
    the bus was late again
  """),
}
ASKED = {
  'allergic': 'What is {person} allergic to?',
  'relative allergic': "What is {person}'s {relation} allergic to?",
  'takes': 'Which drug is it that {person} takes?',
  'relative takes': "Which drug is it that {person}'s {relation} takes?",
  'plans': 'Which drug is it that {person} plans to try?',
  'stopped': 'Which drug is it that {person} stopped?',
  'doctor': "Who is {person}'s doctor?",
  'clinic': "Where is {person}'s clinic?",
  'found': 'When was {person} found to have {illness}?',
  'choice': 'Which of {drug}, {drug2} and {drug3} is it that {person} takes?',
  'infer': 'Does {person}, being allergic, have to keep away from {food}?',
  'hops': "Where is the clinic of {person}'s doctor?",
}
ATTRIBUTES = (
  'allergic', 'takes', 'plans', 'stopped', 'doctor', 'clinic', 'found'
)  # fmt: skip
ENGLISH = Language(
  words={
    **{k: synthetic_words.WORDS[k] for k in ('person', 'food', 'city')},
    'drug': vocabulary.deal(_DRUGS.split(), _SIZES),
    'illness': vocabulary.deal(_ILLNESSES.split(), _SIZES),
    'month': vocabulary.shared(english.MONTHS),
    'relation': vocabulary.shared(_RELATIONS),
  },
  said=SAID,
  asked=ASKED,
  attributes=ATTRIBUTES,
)
