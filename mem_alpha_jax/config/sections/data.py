"""Fields of episodes and of the tokenizer that is made of them."""

from mem_alpha_jax.config import rules
from mem_alpha_jax.config.rules import (
  EVALUATION,
  NEVER,
  RESUME,
  Field,
  fraction,
  integer,
  natural,
  section,
)

SECTIONS = (
  section(
    'data',
    EVALUATION,
    source=Field('synthetic', "of episodes; 'babi+nlu': by turns", rules.text),
    babi_tasks=Field(('qa1',), 'of source=babi', rules.tasks),
    unasked=Field(
      False, 'of babi qa1, qa2: what could have been asked grades, too'
    ),
    mixture=Field('mixture', 'in data.root, of source=mixture', rules.text),
    file=Field(
      '', "of source=jsonl; of longmemeval*, personamem, '': in data.root"
    ),
    clean=Field(
      True, 'of source=memalpha: train shares no text with test and validation'
    ),
    errata=Field(
      'marked', 'golds known to be wrong, in their types', 'marked | dropped'
    ),
    labels=Field(6, 'of a labelled episode; 0: all of the source', natural),
    per_label=Field(3, 'examples of each'),
    label_questions=Field(24, 'texts to label at its end'),
    label_words=Field(12, 'longest text of an example; 0: no limit', natural),
    turns=Field(1, 'of a chunk, of dialogues; 0: whole sessions', natural),
    turn_words=Field(0, 'longer turns are split, of locomo; 0: none', natural),
    batch_episodes=Field(24, 'of one batch, over all processes'),
    train_chunks=Field(8, 'chunks of a training episode'),
    horizon=Field((), 'chunks by stage; (): train_chunks', rules.stages),
    promote=Field((), 'steps at which the next stage begins', rules.stages),
    promote_at=Field(
      0.0, 'validation accuracy at which it begins sooner; 0: off', fraction
    ),
    wording=Field('plain', 'of source=synthetic', 'plain | varied'),
    chunk_sentences=Field(1, 'sentences of one chunk; of varied: the most'),
    scrambled=Field(
      0.0, 'share of clauses in any order, of varied training', fraction
    ),
    shared=Field(
      0.0,
      'share of values that somebody else has, too, of varied training',
      fraction,
    ),
    overwrite=Field(0.65, 'share of facts that change a fact', fraction),
    asked_rate=Field(0.45, 'questions asked for every sentence'),
    eval_episodes=Field(128, 'held-out episodes at train length'),
    shuffle=Field(True, 'order of the training episodes'),
  ),
  section(
    'data',
    RESUME,
    root=Field('../shared/data', 'folder of the real data sets', rules.text),
  ),
  section(
    'tokenizer',
    NEVER,
    source=Field('', "whose texts it is made of; '': data.source"),
    vocab_size=Field(
      900, 'pieces, 256 bytes and symbols included', integer(300)
    ),
    known_words=Field(0.4, 'share of names and values it may see', fraction),
    train_episodes=Field(3000, 'episodes of the train split it reads'),
  ),
)
