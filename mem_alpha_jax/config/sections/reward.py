"""Fields of the reward: the weight of each part, and how it is paid."""

from mem_alpha_jax.config.rules import (
  NEVER,
  Field,
  fraction,
  section,
)

SECTIONS = (
  section(
    'reward',
    NEVER,
    answers=Field(1.0, 'weight of r1, answers'),
    calls=Field(0.3, 'weight of r2, share of valid calls'),
    size=Field(0.1, 'weight of r3, compression'),
    content=Field(0.1, 'weight of r4, content found in the chunk'),
    gold=Field(
      False, 'whether to compare with a perfect writer: the next three'
    ),
    operation=Field(0.0, 'weight of: the calls are the right ones, by tool'),
    target=Field(0.0, 'weight of: they are about the right entries'),
    wording=Field(0.0, 'weight of: they say what should be stored'),
    content_judge=Field('', "remote: the server says what is found; '': words"),
    noop=Field(1.0, 'r2 and r4 of storing nothing; the reference: 0', fraction),
    repair=Field(
      0.0, 'of a call of r2, if it had slips (rollout/repaired)', fraction
    ),
    when=Field(
      'step',
      'step: gain of answers; session: answers on it; end: the reference',
      'step | session | end',
    ),
    answerer=Field(
      'reader', 'whose answers are r1 of an end', 'reader | policy'
    ),
    evidence=Field(0.0, 'of r1 paid to who wrote what was read', fraction),
    memq=Field(0.0, 'of r1 that is the Q of what a turn wrote', fraction),
    memq_lam=Field(0.4, 'of Q that what it was made of earns', fraction),
  ),
)
