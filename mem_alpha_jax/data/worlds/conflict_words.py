"""Words and templates of the conflict world in English."""

from mem_alpha_jax.data import synthetic_words
from mem_alpha_jax.data.worlds import vocabulary
from mem_alpha_jax.data.worlds.language import Language, said

_PROJECTS = """
  Atlas Orion Vega Titan Apollo Zephyr Falcon Osprey Cobalt Quartz Basalt
  Granite Nimbus Cirrus Stratus Meteor Comet Nebula Pulsar Quasar Saturn Neptune
  Pluto Mercury Phoenix Griffin Pegasus Hydra Kraken Dragon Sphinx Minotaur
  Juniper Cedar Willow Maple Acacia Lotus Orchid Thistle
"""
ROLES = ('owner', 'tester', 'sponsor', 'editor', 'auditor')
STAGES = ('draft', 'review', 'trial', 'release', 'archive')

ENGLISH = Language(
  words={
    'project': vocabulary.deal(_PROJECTS.split(), (24, 8, 8)),
    'person': synthetic_words.WORDS['person'],
    'role': vocabulary.shared(ROLES),
    'stage': vocabulary.shared(STAGES),
  },
  said={
    'names': said("""
      {project} got {person} as {role}
      the {role} of {project} is {person}
      {project}'s {role} is {person}
      --
      {project} has found its {role} in {person}
      for {project} the {role} will be {person}
    """),
    'still': said("""
      {project} still has {person} as {role}
      the {role} of {project} is still {person}
      as before {project}'s {role} is {person}
      --
      {project} goes on with {person} as {role}
      nothing new: for {project} the {role} is {person}
    """),
    'fills': said("""
      {project} was without {role}, which is {person}
      the missing {role} of {project} is {person}
      {project}'s {role} was left open, and is {person}
      --
      {project} had no {role} on file: it is {person}
      to complete {project}: its {role} is {person}
    """),
    'replaces': said("""
      {project} has a new {role}, {person} instead of {person2}
      {person} took over from {person2} as {role} of {project}
      {project}'s {role} is {person}, no longer {person2}
      --
      {project} let {person2} go and made {person} its {role}
      {person2} left, and {person} is {role} of {project}
    """),
    'settles': said("""
      {project} has one {role} only, and that is {person}
      of the two named as {role} of {project} it is {person}
      {project}'s {role} was checked: {person} is right
      --
      {project} confirmed that its {role} is {person}
      there was doubt about the {role} of {project}: it is {person}
    """),
    'copies': said("""
      {project} has the same {role} as {project2}
      the {role} of {project} is now the one of {project2}
      {project}'s {role} is that of {project2} as well
      --
      {project} shares its {role} with {project2}
      what holds for the {role} of {project} is that of {project2}
    """),
    'advances': said("""
      {project} went on to the next stage
      the stage of {project} is the next one
      {project} is one stage further
      --
      {project} passed its stage and begins the next
      by now {project} is a stage ahead
    """),
    'talk': said("""
      {person} asked for the {role} of {project}
      nobody knows if {person} likes {project}
      {person} read about {project} and {project2}
      the meeting was long
      --
      {person} dreams of {project}
      the coffee was cold
    """),
  },
  asked={
    'role': 'Who is the {role} of {project}?',
    'stage': 'In which stage is {project}?',
  },
  attributes=('stage',),
)
