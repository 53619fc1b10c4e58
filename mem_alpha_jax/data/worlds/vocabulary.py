"""Words dealt to splits, and the pairs of name and value that a split states.

The splits of words share none. Those of pairs, 'validation_pairs' and the like,
have the words of 'train' in pairs that 'train' never states; those of templates
have the same pairs in sentences of templates that 'train' never uses.
"""

import zlib
from collections.abc import Iterable, Sequence

_WORD_SPLITS = ('train', 'validation', 'test')
# Splits of train words, by the tenths of all pairs that they may state.
PAIR_TENTHS = {
  'train': range(2, 10),
  'validation_pairs': (1,),
  'test_pairs': (0,),
  'validation_templates': (1,),
  'test_templates': (0,),
}
SPLITS = (*_WORD_SPLITS, *list(PAIR_TENTHS)[1:])


def stable_hash(text: str) -> int:
  """CRC-32 of the text: the same in every process and Python version."""
  return zlib.crc32(text.encode())


def deal(
  words: Iterable[str], sizes: Sequence[int]
) -> dict[str, tuple[str, ...]]:
  """So many words for train, validation and test, by hash: not by alphabet."""
  words, start, dealt = sorted(words, key=stable_hash), 0, {}
  for split, size in zip(_WORD_SPLITS, sizes, strict=True):
    dealt[split] = tuple(words[start : start + size])
    start += size
  return dealt


def shared(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
  """The same words for every split, as of months."""
  return dict.fromkeys(_WORD_SPLITS, tuple(words))


def base_split(split: str) -> str:
  """The split whose words `split` uses."""
  if split not in SPLITS:
    raise ValueError(f'unknown split {split!r}; use one of {SPLITS}')
  return 'train' if split in PAIR_TENTHS else split


def tenth(name: str, value: str) -> int:
  return stable_hash(f'{name} {value}'.lower()) % 10


def hidden(words: Iterable[str], share: float) -> set[str]:
  """The words that a tokenizer is not made of, all but a share.

  It spells them in pieces, as it will those of held-out worlds, so that
  training sees both.
  """
  return {w for w in words if stable_hash(w) % 100 >= 100 * share}
