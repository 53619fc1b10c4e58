"""Fields of what a run measures, keeps and shows."""

from mem_alpha_jax.config import rules
from mem_alpha_jax.config.rules import (
  EVALUATION,
  RESUME,
  Field,
  fraction,
  natural,
  section,
)

SECTIONS = (
  section(
    'eval',
    EVALUATION,
    every=Field(50, 'steps between evaluations at train length'),
    lengths=Field((1, 2, 4, 13, 64), 'multiples of the train length'),
    length_episodes=Field(16, 'episodes of each longer length'),
    answerer=Field(
      'reader',
      'who answers; policy: the policy beside the reader',
      'reader | policy',
    ),
  ),
  section(
    'eval',
    RESUME,
    checkpoint=Field(
      'newest',
      'of a run; best: by accuracy on validation',
      'newest | best',
    ),
    html_episodes=Field(4, 'episodes shown in episodes.html', natural),
  ),
  section(
    'stream',
    RESUME,
    methods=Field(
      ('policy', 'oracle', 'keep_newest', 'long_context', 'no_memory'),
      'names in methods/registry.py',
      rules.names,
    ),
    multiple=Field(13, 'length of a stream in train lengths'),
    episodes=Field(8, 'streams'),
    every=Field(8, 'sessions between two checkpoints'),
    questions=Field(64, 'most of a stream at one checkpoint; 0: all', natural),
    lag=Field(16, 'sessions, of the fixed-lag curve', natural),
    drop=Field(0.05, 'fall of accuracy that counts as saturation', fraction),
  ),
  section(
    'checkpoint',
    RESUME,
    every=Field(50, 'steps between saves'),
    grace=Field(4.0, 'seconds to save in when asked to stop; 0: no bound'),
    keep=Field(2, 'newest checkpoints kept, beside the best'),
  ),
  section(
    'log',
    RESUME,
    tensorboard=Field(True, 'events beside metrics.jsonl'),
    service=Field('none', 'that has the numbers, too', 'none | wandb | mlflow'),
    progress=Field(True, 'a bar on the terminal'),
    watchdog=Field(
      0.0, 'seconds without a sign of life that end a run; 0: none'
    ),
  ),
)
