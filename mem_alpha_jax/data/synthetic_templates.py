"""Templates of the synthetic world's 'varied' wording: seen, and held out.

A line of clauses or decoys is 'of a person | of the user'; {n} is the name, {v}
the value, {o} somebody else, {d} a date, {c} any clause. A clause holds its
attribute's cue and, of the user, the attribute's user_word.
"""

from typing import NamedTuple

Pair = tuple[str, str]  # of a person, of the user


class Templates(NamedTuple):
  """What sentences are made of."""

  clauses: dict[str, tuple[Pair, ...]]  # cue -> facts
  relatives: dict[str, tuple[Pair, ...]]  # the same words, but no fact
  events: tuple[str, ...]  # with {n} as the subject, 'I' for the user
  unhappened: tuple[str, ...]  # events that did not happen
  openings: tuple[str, ...]  # before a clause that stays true, or untrue
  lately: tuple[str, ...]  # the same, of facts alone
  endings: tuple[str, ...]  # behind such a clause
  doubts: tuple[str, ...]  # forms that make a clause untrue
  small_talk: tuple[str, ...]


def _lines(text: str) -> tuple[str, ...]:
  return tuple(line.strip() for line in text.strip().splitlines())


def _pairs(texts: dict[str, str]) -> dict[str, tuple[Pair, ...]]:
  return {
    cue: tuple(tuple(line.split(' | ')) for line in _lines(text))
    for cue, text in texts.items()
  }


SEEN = Templates(
  clauses=_pairs(
    {
      'job': """
      {n} has a job as a {v} | I have a job as a {v}
      {n} got a job as a {v} | I got a job as a {v}
      the job of {n} is that of a {v} | the job I do is that of a {v}
      a {v}: that is the job {n} has now | a {v}: that is the job I have now
      as for {n}, the job is now {v} | as for what I do, the job is now {v}
      a {v} is what {n} is by job | a {v} is what I am by job
    """,
      'home': """
      {n}'s home is in {v} | my home is in {v}
      {n}'s home is now {v} | my home is now {v}
      {n} made {v} a home | I made {v} my home
      {v} is where the home of {n} is | {v} is where my home is
      it is {v} that {n} calls home | it is {v} that I call my home
      {n} found a home in {v} | I found my home in {v}
    """,
      'hobby': """
      {n}'s hobby is {v} | my hobby is {v}
      the hobby of {n} is now {v} | my hobby is now {v}
      {n} took up {v} as a hobby | I took up {v} as my hobby
      {v} is the hobby of {n} | {v} is my hobby
      {n} spends all week on a hobby: {v} | I spend all week on my hobby: {v}
      {v} is what {n} has as a hobby | {v} is what I have as my hobby
    """,
      'favourite': """
      {n}'s favourite food is {v} | my favourite food is {v}
      the favourite dish of {n} is {v} | my favourite dish is {v}
      {n} eats {v} as a favourite | I eat {v} as my favourite
      {v}: that is the favourite food of {n} | {v}: that is my favourite food
      of all food the favourite of {n} is {v} | of all food my favourite is {v}
      it is {v} that is now {n}'s favourite | it is {v} that is now my favourite
    """,
      'allergic': """
      {n} is allergic to {v} | I am allergic to {v}
      {n} became allergic to {v} | I became allergic to {v}
      {n} turned out to be allergic to {v} | I turned out to be allergic to {v}
      {v}: that is what {n} is allergic to | {v}: that is what I am allergic to
      to {v} {n} is allergic | to {v} I am allergic
      tests show {n} to be allergic to {v} | tests show I am allergic to {v}
    """,
      'boss': """
      {n}'s boss is {v} | my boss is {v}
      {n} has {v} as boss | I have {v} as my boss
      the boss of {n} is now {v} | my boss is now {v}
      {v} is the boss of {n} | {v} is my boss
      {n} works for a new boss, {v} | I work for my new boss, {v}
      {v} became {n}'s boss | {v} became my boss
    """,
      'friend': """
      {n}'s best friend is {v} | my best friend is {v}
      the best friend of {n} is now {v} | my best friend is now {v}
      {n} has {v} as best friend | I have {v} as my best friend
      {v} is the best friend of {n} | {v} is my best friend
      {n} found a best friend in {v} | I found my best friend in {v}
      {v} is who {n} calls a best friend | {v} is who I call my best friend
    """,
    }
  ),
  relatives=_pairs(
    {
      'job': """
      {n} dreams of a job as a {v} | I dream of a job as a {v}
      the job of {n}'s aunt is that of a {v} | my aunt got a job as a {v}
      a {v}: that is the job {n} once wanted | a {v}: the job I once wanted
    """,
      'home': """
      {n} would love a home in {v} | I would love a home in {v}
      {v} is where the home of {n}'s aunt is | {v} is where my aunt has a home
      {n} looked in vain for a home in {v} | I found no home in {v}
    """,
      'hobby': """
      the hobby of {n}'s neighbour is {v} | the hobby of my neighbour is {v}
      {v} is the hobby of {n}'s brother | {v} is the hobby of my brother
      {n} will not take up {v} as a hobby | I will not take up {v} as a hobby
    """,
      'favourite': """
      {n}'s dog has {v} as favourite food | my dog has {v} as favourite food
      {v}: the favourite food of {n}'s sister | {v}: my sister's favourite food
      {n} would not call {v} a favourite | I would not call {v} a favourite
    """,
      'allergic': """
      a cousin of {n} is allergic to {v} | a cousin of mine is allergic to {v}
      {v}: that is what {n}'s dog is allergic to | to {v} my dog is allergic
      {n} is not allergic to {v} | I am not allergic to {v}
    """,
      'boss': """
      {n} would like {v} as boss | I would like {v} as boss
      {v} is the boss of {n}'s brother | {v} is the boss of my brother
      {n} does not have {v} as boss | I do not have {v} as my boss
    """,
      'friend': """
      the best friend of {n}'s sister is {v} | my sister's best friend is {v}
      {v} would be a good friend of {n} | {v} would be a good friend of mine
      {v} is not the best friend of {n} | {v} is not my best friend
    """,
    }
  ),
  events=_lines("""
    on {d} {n} went to the {v}
    {n} went to the {v} on {d}
    on {d} {n} was at the {v}
    the {v} is where {n} was on {d}
    {n} spent {d} at the {v}
    it was the {v} that {n} visited on {d}
  """),
  unhappened=_lines("""
    {n} wants to see the {v} on {d}
    on {d} {n} almost went to the {v}
    nobody saw {n} at the {v} on {d}
    it was not the {v} that {n} visited on {d}
  """),
  openings=_lines("""
    we heard that {c}
    I think {c}
    by the way, {c}
    it turns out that {c}
    {o} says that {c}
    well, {c}
  """),
  lately=_lines("""
    since last week {c}
    these days {c}
  """),
  endings=_lines("""
    {c}, as you know
    {c}, it seems
    {c}, I believe
    {c}, says {o}
  """),
  doubts=_lines("""
    nobody believes that {c}
    it is false that {c}
    {o} asked if {c}
    {o} dreamt that {c}
    I doubt that {c}
    {c}, which is not true
    {c}, or so {o} dreamt
    {c}, but only in a dream
    {c}, says {o}, who is wrong
  """),
  small_talk=_lines("""
    the weather is lovely today
    it rained all night
    the bus was late again
    what a long day it was
    nothing much happened this morning
    let us talk about something else
    I am a bit tired
    the coffee was cold
    {n} said hello
    {n} slept badly
    {n} lost an umbrella
    {n} laughed a lot
    {n} called {o} yesterday
    {n} and {o} had a chat
    {n} likes the new job
    {n} walked home, as you know
    we heard that {n} needs a hobby
  """),
)

HELD_OUT = Templates(
  clauses=_pairs(
    {
      'job': """
      {n} lives off a job as {v} | I live off a job as {v}
      {n} took a new job, that of a {v} | I took a new job, that of a {v}
      being a {v} is the job {n} found | being a {v} is the job I found
    """,
      'home': """
      the home of {n} has moved to {v} | my home has moved to {v}
      in {v} stands the home of {n} | in {v} stands my home
      {n} chose {v} and has a home there | I chose {v} and have my home there
    """,
      'hobby': """
      for a hobby {n} goes in for {v} | for my hobby I go in for {v}
      {n} has found a new hobby in {v} | I have found my new hobby in {v}
      nothing but {v} counts as {n}'s hobby | nothing but {v} counts as my hobby
    """,
      'favourite': """
      {n} named {v} as the favourite | I named {v} as my favourite
      what {n} likes most, the favourite, is {v} | by far my favourite is {v}
      nothing beats {v}, the favourite of {n} | nothing beats {v}, my favourite
    """,
      'allergic': """
      {n} takes care, being allergic to {v} | I take care, being allergic to {v}
      {n} is so allergic that {v} can kill | I am so allergic that {v} can kill
      it is {v} that {n} is allergic to | it is {v} that I am allergic to
    """,
      'boss': """
      {n} got {v} for a boss | I got {v} for my boss
      the one {n} calls boss is {v} | the one I call my boss is {v}
      {v} took over as boss of {n} | {v} took over as my boss
    """,
      'friend': """
      {n} chose {v} as a best friend | I chose {v} as my best friend
      the closest friend of {n} is {v} | my closest friend is {v}
      {v} turned into the best friend of {n} | {v} turned into my best friend
    """,
    }
  ),
  relatives=_pairs(
    {
      'job': """
      {n} turned down a job as a {v} | I turned down a job as a {v}
      being a {v} is the job {n}'s uncle found | my uncle lives off a job as {v}
    """,
      'home': """
      the home of {n}'s uncle has moved to {v} | my uncle's home moved to {v}
      in {v} {n} could not buy a home | in {v} I could not buy a home
    """,
      'hobby': """
      for a hobby {n}'s uncle goes in for {v} | my uncle has a hobby: {v}
      {n} calls {v} a silly hobby | I call {v} a silly hobby
    """,
      'favourite': """
      {n}'s uncle named {v} as the favourite | my uncle named {v} as favourite
      {v} is no favourite of {n} | {v} is no favourite of mine
    """,
      'allergic': """
      {n}'s uncle has to care, allergic to {v} | my uncle is allergic to {v}
      it is not {v} that {n} is allergic to | it is not {v} I am allergic to
    """,
      'boss': """
      {v} took over as boss of {n}'s uncle | {v} took over as my uncle's boss
      {n} does not want {v} for a boss | I do not want {v} for a boss
    """,
      'friend': """
      {v} turned into {n}'s uncle's friend | {v} turned into my uncle's friend
      {n} did not choose {v} as a best friend | my best friend is not {v}
    """,
    }
  ),
  events=_lines("""
    {n} paid a visit to the {v} on {d}
    at the {v} {n} passed the time on {d}
    {d} was the day when {n} went to the {v}
  """),
  unhappened=_lines("""
    {n} forgot to pay a visit to the {v} on {d}
    {d} was the day when {n} missed the {v}
  """),
  openings=_lines("""
    I was told that {c}
    guess what, {c}
    word has it that {c}
    {o} told me that {c}
  """),
  lately=_lines("""
    for some time now {c}
    as of this month {c}
  """),
  endings=_lines("""
    {c}, as everyone knows
    {c}, if I am right
    {c}, from what we hear
  """),
  doubts=_lines("""
    no one can say whether {c}
    {o} wrongly thought that {c}
    I wonder whether {c}
    {c}, which turned out to be false
    {c}, {o} imagined
    {c}, a thing that nobody believes
  """),
  small_talk=_lines("""
    it has been windy for days
    I could use a cup of tea
    the train was full
    {n} told a joke
    {n} has a cold
    {n} wrote to {o} last night
    {n} is tired of the job, from what we hear
  """),
)
BOTH = (SEEN, HELD_OUT)
