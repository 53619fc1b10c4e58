"""SentencePiece tokenizer, trained on the texts of a run.

Three choices make the pieces of a word the same wherever it stands, so that
a copied note has exactly the ids of the sentence it was copied from:

* a word carries its leading space, and nothing is put before the text: the
  first word of a text gets its space from `encode_text`, not from the model,
  so no stray space token follows a control symbol;
* pieces never cross whitespace or the border of word and punctuation;
* normalisation is the identity: no case folding, no NFKC, no collapsing of
  spaces. What is decoded is what was encoded, character by character.

Characters that were not in the training texts become bytes (byte fallback),
so every text has an encoding and the unknown id is never produced.
"""

import functools
import hashlib
import io
import pathlib
import re
from collections.abc import Iterable, Sequence

import sentencepiece

PAD, BOS, EOS, UNK = range(4)
_SPACE = '\u2581'  # what SentencePiece writes for a space
_LONGEST_LINE = 1 << 20  # bytes; the trainer skips longer ones
_CACHED = 1 << 16  # texts whose ids are remembered


def train(
  texts: Iterable[str], vocab_size: int, symbols: Sequence[str]
) -> bytes:
  """Trains a BPE model; returns the content of its file.

  Byte-pair encoding, Sennrich et al. 2016 (arXiv 1508.07909): a unigram model
  spells the words it never saw in letters, BPE in the syllables it knows, so
  that held-out names look like the rarer ones of training. The same texts in
  the same order give the same file: one thread, no sampling of sentences.

  Args:
    texts: sentences, without control symbols.
    vocab_size: upper limit of the pieces; 4 special ids, the symbols, 256
      bytes and every character of the texts are among them.
    symbols: control symbols, each one piece; their ids follow the four
      special ids in this order.

  Raises:
    ValueError: if there are no texts or `vocab_size` is too small for them.
  """
  if len(set(symbols)) != len(symbols) or not all(symbols):
    raise ValueError(f'tokenizer: symbols must be distinct, got {symbols!r}')
  lines = [' ' + line for text in texts for line in text.split('\n') if line]
  if not lines:
    raise ValueError(
      'tokenizer: no text to train on; raise tokenizer.train_episodes'
    )
  characters = set().union(*lines)
  least = 4 + len(symbols) + 256 + len(characters)
  if vocab_size < least:
    raise ValueError(
      f'tokenizer.vocab_size={vocab_size} is too small: special ids, '
      f'{len(symbols)} symbols, 256 bytes and {len(characters)} characters '
      f'need at least {least}'
    )
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(lines),
    model_writer=model,
    model_type='bpe',
    max_sentence_length=_LONGEST_LINE,
    vocab_size=vocab_size,
    hard_vocab_limit=False,
    user_defined_symbols=list(symbols),
    pad_id=PAD,
    bos_id=BOS,
    eos_id=EOS,
    unk_id=UNK,
    byte_fallback=True,
    character_coverage=1.0,
    normalization_rule_name='identity',
    add_dummy_prefix=False,
    remove_extra_whitespaces=False,
    num_threads=1,
    input_sentence_size=0,
    shuffle_input_sentence=False,
    minloglevel=2,
  )
  return model.getvalue()


class Tokenizer:
  """A trained tokenizer.

  Raises:
    FileNotFoundError: if the file does not exist.
    ValueError: if it is not a model that `train` wrote.
  """

  chat_template = None

  def __init__(self, path: str):
    try:
      data = pathlib.Path(path).read_bytes()
    except (FileNotFoundError, IsADirectoryError):
      raise FileNotFoundError(
        f'tokenizer: no file {str(path)!r}; a training run writes it (fields '
        'tokenizer.*): start one, or point --workdir at the run that did'
      ) from None
    self._pieces = sentencepiece.SentencePieceProcessor()
    try:
      self._pieces.LoadFromSerializedProto(data)
      self._bytes = [
        self._pieces.piece_to_id(f'<0x{b:02X}>') for b in range(256)
      ]
    except RuntimeError:
      raise ValueError(
        f'tokenizer: {str(path)!r} is no SentencePiece model; delete it and '
        'train it again'
      ) from None
    if UNK in self._bytes:
      raise ValueError(
        f'tokenizer: {str(path)!r} has no byte fallback; delete it and train '
        'it again'
      )
    self.pad_id, self.bos_id, self.eos_id = PAD, BOS, EOS
    self.eos_ids = (EOS,)
    self.vocab_size = self._pieces.get_piece_size()
    self.fingerprint = hashlib.sha256(data).hexdigest()
    # The trainer puts user symbols between the special ids and the bytes.
    names = map(self._pieces.id_to_piece, range(UNK + 1, self._bytes[0]))
    self._symbols = {name: UNK + 1 + i for i, name in enumerate(names)}
    unsafe = sorted([*self._symbols, _SPACE], key=len, reverse=True)
    self._unsafe = re.compile(f'({"|".join(map(re.escape, unsafe))})')
    self._encode_text = functools.lru_cache(_CACHED)(self._uncached)

  def encode(self, text: str) -> list[int]:
    """Ids of trusted text: control symbols in it become control ids."""
    return self._pieces.encode(valid(text))

  def encode_text(self, text: str) -> list[int]:
    """Ids of data: chunks, notes, whatever a user or a model has written.

    A control symbol that occurs in it is spelled in bytes, never its id. A
    leading space is added if there is none, so that the first word has the
    ids it has inside a sentence: decoding gives ' ' + text. '' has no ids.
    """
    return list(self._encode_text(text))

  def decode(self, ids: Iterable[int]) -> str:
    """Text of ids; padding, BOS and EOS are dropped, symbols are kept.

    Bytes that are not UTF-8 become U+FFFD.
    """
    return self._pieces.decode([int(i) for i in ids if int(i) > EOS])

  def symbol(self, name: str) -> int:
    """Id of a control symbol; ValueError if it was trained without it."""
    if name not in self._symbols:
      raise ValueError(
        f'tokenizer: no symbol {name!r}, only {list(self._symbols)}: it was '
        'trained for another notation of calls; give a new --workdir'
      )
    return self._symbols[name]

  def count(self, text: str) -> int:
    """Tokens of a note or chunk, as `encode_text` gives them."""
    return len(self._encode_text(text))

  def pieces(self) -> list[bytes | None]:
    """The bytes of each id's text, None of special ids and control symbols."""
    known = {i: bytes([b]) for b, i in enumerate(self._bytes)}
    silent = {*range(UNK + 1), *self._symbols.values()}
    text = lambda i: self._pieces.id_to_piece(i).replace(_SPACE, ' ').encode()
    return [
      None if i in silent else known.get(i) or text(i)
      for i in range(self.vocab_size)
    ]

  def _uncached(self, text: str) -> tuple[int, ...]:
    text = valid(text)
    if text and not text.startswith(' '):
      text = ' ' + text
    ids = []
    for i, part in enumerate(self._unsafe.split(text)):
      if i % 2:  # the separators: symbols, and what stands for a space
        ids += [self._bytes[b] for b in part.encode()]
      else:
        ids += self._pieces.encode(part)
    return tuple(ids)


def valid(text: str) -> str:
  """Text without lone surrogates, which no UTF-8 can hold; '?' for each."""
  return text.encode('utf-8', 'replace').decode()
