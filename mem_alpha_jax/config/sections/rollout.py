"""Fields of what is sampled in training."""

from mem_alpha_jax.config.rules import (
  NEVER,
  Field,
  fraction,
  integer,
  natural,
  positive,
  section,
  stages,
)

SECTIONS = (
  section(
    'rollout',
    NEVER,
    group_size=Field(8, 'samples of a group'),
    groups=Field('state', 'what its samples share', 'state | trajectory'),
    temperature=Field(1.0, 'of sampling in training', positive),
    prefix_buckets=Field((80,), 'padded prefix lengths, tokens'),
    own_buckets=Field((1,), 'padded own-context lengths, tokens'),
    response_buckets=Field((18,), 'padded response lengths, tokens'),
    grammar=Field(
      'off', 'calls: of tokens that go on to valid calls', 'off | calls'
    ),
    forced=Field(4, 'samples of a group with forced first tokens', natural),
    forced_deletes=Field(
      0.0, 'share of those about an entry that delete it', fraction
    ),
    forced_words=Field(
      0.0,
      'share of those that insert whose text begins with a random word read',
      fraction,
    ),
    forced_subjects=Field(
      0.0,
      'share of forced updates whose text begins as the entry does',
      fraction,
    ),
    own_memory=Field(0.8, 'share of streams that keep an old memory', fraction),
    chain=Field(5, 'earlier episodes such a memory may have read', natural),
    expert=Field(
      0.0, 'share of turns whose memory goes on as the oracle writes', fraction
    ),
    ahead=Field(
      0, 'chunks the oracle reads on, at most, to grade a step again', natural
    ),
    rerolls=Field(0, 'of a turn, from the memory of one trajectory', natural),
    rerolled=Field(0.5, 'share of episodes whose turn has them', fraction),
    forks=Field((), 'turns at which each memory branches; (): none', stages),
    branches=Field(2, 'memories that one becomes there', integer(2)),
    shuffled=Field(0.0, 'share of turns that see entries unranked', fraction),
    clauses=Field(
      0,
      'of a chunk that one turn reads, the next after its calls; 0: all',
      natural,
    ),
    max_calls=Field(4, 'calls of a response that are carried out'),
    answers=Field(
      0, 'most questions of an episode that the policy answers', natural
    ),
    probes=Field(8, 'most questions that grade one step'),
    retain=Field(True, 'ask what earlier episodes told, too'),
  ),
)
