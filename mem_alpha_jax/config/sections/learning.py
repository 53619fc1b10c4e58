"""Fields of losses, of the optimizer, and of the warm start before them."""

from mem_alpha_jax.config import rules
from mem_alpha_jax.config.rules import (
  NEVER,
  RESUME,
  Field,
  fraction,
  integer,
  natural,
  positive,
  section,
)

SECTIONS = (
  section(
    'rl',
    NEVER,
    advantage=Field(
      'grpo',
      'grpo, dr_grpo, rloo, gdpo or gae; with forks siblings, siblings_grpo, '
      'tree or mem_t; with answers uma, agree or agree_spearman',
      rules.text,
    ),
    group_by=Field(
      'chunk',
      'samples compared; the reference: episode',
      'chunk | trajectory | episode',
    ),
    std_floor=Field(0.02, 'least deviation a group divides by', positive),
    min_gap=Field(0.02, 'groups of closer rewards are left out; 0: off'),
    train_samples=Field(5, 'of a group that are trained; 0: all', natural),
    train_draw=Field(
      'heaviest',
      'heaviest: those that pull most, biased; pull: drawn by it, weighted',
      'heaviest | pull',
    ),
    cut_responses=Field('keep', 'those without an end', 'keep | mask'),
    minibatch_rows=Field(512, 'samples of one update; a batch makes several'),
    clip_low=Field(0.2, 'ratio clip below 1', rules.number(0, 1, above=True)),
    clip_high=Field(0.28, 'ratio clip above 1', positive),
    dual_clip=Field(
      3.0,
      'bound of the loss at negative advantage',
      rules.zero_or(rules.number(1, above=True)),
    ),
    ratio_level=Field('token', 'of importance ratios', 'token | sequence'),
    aggregate=Field(
      'token_mean',
      'how terms of tokens are averaged',
      'token_mean | sequence_mean | sequence_sum',
    ),
    kl_coef=Field(0.0, 'weight of the KL to the start policy'),
    kl_kind=Field(
      'k3',
      'k2 trains KL(pi || start), k3 KL(start || pi), k1 nothing',
      'k2 | k3',
    ),
    entropy_coef=Field(0.0, 'weight of the entropy bonus'),
    importance_cap=Field(
      0.0, 'truncated importance correction', rules.zero_or(rules.number(1))
    ),
    max_row_gap=Field(
      4.0, 'of trainer to sampler, nats; 0: off (with importance_cap)'
    ),
    value_coef=Field(0.5, 'weight of the value loss (gae)'),
    gamma=Field(1.0, 'discount over chunks (gae)', fraction),
    lam=Field(0.95, 'GAE lambda', fraction),
  ),
  section(
    'rl',
    RESUME,
    microbatches=Field(1, 'of an update that is not packed'),
    packed_groups=Field(8, 'of a packed micro-batch; 0: none is', natural),
    packed_rows=Field(28, 'into which it packs responses, on a device'),
  ),
  section(
    'optim',
    NEVER,
    learning_rate=Field(7e-4, 'at its peak', positive),
    warmup_steps=Field(10, 'updates of linear warm-up', natural),
    schedule=Field('linear', 'after the warm-up', 'constant | linear | cosine'),
    final_fraction=Field(0.1, 'of the peak, at the last update', fraction),
    weight_decay=Field(0.01, 'of AdamW'),
    b1=Field(0.9, 'AdamW first moment', rules.number(0, 0.999999)),
    b2=Field(0.98, 'AdamW second moment', rules.number(0, 0.999999)),
    clip_norm=Field(1.0, 'global gradient norm; 0: off'),
    skip_norm=Field(0.0, 'gradients of a larger norm are skipped; 0: off'),
  ),
  section(
    'optim',
    RESUME,
    max_skipped=Field(10, 'updates skipped in a row that stop the run'),
  ),
  section(
    'warm_start',
    NEVER,
    checkpoint=Field(
      'tiny_base',
      "to start from, shipped or a run's workdir; '': a warm start of its own",
    ),
    steps=Field(600, 'supervised updates on poor demonstrations', natural),
    answers=Field(
      0, 'further ones, half of them on poor answers to questions', natural
    ),
    reordered=Field(0.0, 'share of notes with words in any order', fraction),
    from_view=Field(
      0.0, 'share of notes that end with a word of an entry in view', fraction
    ),
    batch=Field(128, 'demonstrations of one update', integer(4)),
    learning_rate=Field(4e-3, 'peak, cosine to a tenth', positive),
    prompt_loss=Field(0.3, 'weight of the loss on prompt tokens'),
  ),
)
