"""What a text is, whatever its case, spacing and punctuation: its digest.

Splits and the check for leakage go by it, so that a text that was copied with
another comma is still the same text.
"""

import hashlib
import re
import unicodedata
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

# Of sources that publish their test set apart; bucket numbers.
SPLITS = {'train': range(90), 'validation': range(90, 100)}
# Of sources whose published training part is split here into all three.
ALL_SPLITS = {
  'train': range(80),
  'validation': range(80, 90),
  'test': range(90, 100),
}
_OTHER = re.compile(r'[\W_]+')

_Item = TypeVar('_Item')


def normalize(text: str) -> str:
  """Letters and digits in lowercase, single spaces for all that is between.

  A text without any, such as '?!', is left as it is but for spaces.
  """
  text = unicodedata.normalize('NFKC', text).casefold()
  return _OTHER.sub(' ', text).strip() or ' '.join(text.split())


def digest(text: str) -> bytes:
  """16 bytes that are equal for texts that are equal when normalised."""
  data = normalize(text).encode('utf-8', 'replace')
  return hashlib.sha256(data).digest()[:16]


def bucket(key: bytes, salt: str) -> int:
  """Stable number from 0 to 99 of a digest.

  Args:
    key: `digest` of what is put into a split or role.
    salt: what is decided; numbers of two salts are independent.
  """
  return int.from_bytes(hashlib.sha256(salt.encode() + key).digest()[:8]) % 100


def keys_of(
  keys: Iterable[str], split: str, splits: Mapping[str, range] = SPLITS
) -> set[str]:
  """Those in the buckets of a split; at least one if there are enough.

  Where a split would get nothing of a small file it gets the text whose bucket
  is nearest to it.
  """
  places = sorted((bucket(digest(key), 'split'), key) for key in set(keys))
  ends, count = [], len(places)
  for k, buckets in enumerate(splits.values(), 1):
    end = sum(place < buckets.stop for place, _ in places)
    if count >= len(splits):
      end = min(max(end, k), count - len(splits) + k)
    ends.append(end)
  k = list(splits).index(split)
  return {key for _, key in places[ends[k - 1] if k else 0 : ends[k]]}


def generator(seed: int, *meaning: str | int) -> np.random.Generator:
  """Random numbers that depend on a seed and on what they are for."""
  words = (zlib.crc32(str(word).encode()) for word in meaning)
  return np.random.default_rng([seed, *words])


def shuffled(items: Sequence[_Item], rng: np.random.Generator) -> list[_Item]:
  return [items[k] for k in rng.permutation(len(items))]
