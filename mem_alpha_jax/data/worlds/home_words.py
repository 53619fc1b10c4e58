"""Words and templates of the home world in English."""

from mem_alpha_jax.data import synthetic_words
from mem_alpha_jax.data.worlds import vocabulary
from mem_alpha_jax.data.worlds.language import Language, said

_SIZES = (24, 8, 8)
_WORDS = {
  'device': """
    lamp heater blinds speaker fan kettle television radio oven toaster
    humidifier projector curtains shutters fireplace dishwasher freezer fridge
    boiler thermostat chandelier lantern stove grill purifier diffuser piano
    aquarium sprinkler doorbell intercom monitor sauna shower bathtub blanket
    mattress skylight awning ventilator
  """,
  'setting': """
    warm cool dim bright soft loud quiet slow fast low high steady gentle
    strong mild deep clear calm full half red blue green yellow white amber
    violet pink orange golden silver turquoise crimson scarlet purple brown
    gray beige maroon teal
  """,
  'activity': """
    reading dinner breakfast lunch cooking working studying painting yoga
    sleeping chess drawing knitting dancing singing homework gaming cleaning
    ironing prayer meditation gardening sewing writing baking training
    stretching boxing karaoke poker bridge laundry shaving packing tea coffee
    movies cartoons concerts parties
  """,
}
SAID = {
  'wants': said("""
    {person} wants the {device} {setting} for {activity}
    for {activity} {person} wants the {device} {setting}
    {person} likes the {device} {setting} during {activity}
    when it is time for {activity} {person} likes the {device} {setting}
    --
    {person} enjoys {activity} with the {device} {setting}
    {activity} is best for {person} when the {device} is {setting}
  """),
  'changes': said("""
    {person} would rather have the {device} {setting} for {activity}
    from now on {person} wants the {device} {setting} for {activity}
    for {activity} {person} now prefers the {device} {setting}
    --
    {person} changed {activity} to the {device} being {setting}
    better have the {device} {setting} when {person} begins {activity}
  """),
  'revokes': said("""
    {person} has no more wishes for {activity}
    forget what {person} wanted for {activity}
    for {activity} {person} no longer wants anything special
    --
    {person} takes back the wish for {activity}
    nothing special any more when {person} begins {activity}
  """),
  'rules': said("""
    the house has the {device} {setting} for {activity}
    for {activity} the house keeps the {device} {setting}
    in this house the {device} is {setting} for {activity}
    --
    the house goes with the {device} {setting} at {activity}
    by default this house has {activity} with the {device} {setting}
  """),
  'once': said("""
    just today {person} wants the {device} {setting} for {activity}
    {person} wants the {device} {setting} for {activity}, but only today
    --
    for {activity} today, and never again, {person} has the {device} {setting}
  """),
  'guest': said("""
    a guest of {person} wants the {device} {setting} for {activity}
    {person} has a guest who likes the {device} {setting} for {activity}
    --
    for {activity} the guest of {person} asked for the {device} {setting}
  """),
  'talk': said("""
    {person} asked if the {device} can be {setting}
    {person} cleaned the {device}
    the {device} was out of order all day
    {person} talked about {activity}
    --
    {person} paid for the {device}
    the {device} came back from repair
  """),
}
ENGLISH = Language(
  words={
    'person': synthetic_words.WORDS['person'],
    **{k: vocabulary.deal(w.split(), _SIZES) for k, w in _WORDS.items()},
  },
  said=SAID,
  asked={'command': '{person} begins {activity}: what is the command?'},
  attributes=('house', 'guest', 'today'),
)
