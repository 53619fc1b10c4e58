"""Tokenizers of public models: tokenizer.json, or the vocabulary of a GGUF.

The same protocol as `tokenizer.Tokenizer`. Text of a template is trusted, its
special tokens become their ids; data goes through a second copy of the model
that does not know any added token, so none of their ids can come out of it.
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from absl import logging

from mem_alpha_jax.pretrained import byte_level, hf_config, id_cache
from mem_alpha_jax.system import optional
from mem_alpha_jax.text import chat_template as template_lib
from mem_alpha_jax.text import tokenizer as tokenizer_lib

tokenizers = optional.load('tokenizers', 'models')

# Decoded even where a tokenizer calls them special: parsers need them.
_KEPT = ('<tool_call>', '</tool_call>', '<think>', '</think>')
_NAMES = ('bos_token', 'eos_token', 'pad_token')


class HFTokenizer:
  """A BPE tokenizer of the `tokenizers` library: a types.Tokenizer.

  Where a model has no pad or bos token they are that of eos, and its embedding
  may have more rows than `vocab_size`. The template is to be rendered with
  `template_values`: `name`, its file, and the special tokens.
  """

  def __init__(
    self,
    core: tokenizers.Tokenizer,
    special: Mapping[str, str],
    template: tuple[str, str | os.PathLike] | None = None,
    source: str | os.PathLike = 'tokenizer',
    ends: Sequence[int] = (),
  ):
    """Wraps a tokenizer with its added tokens.

    Args:
      special: the tokens of `eos_token` and, if there are, `bos_token` and
        `pad_token`.
      template: the checkpoint's chat template and its file; without one, a
        built-in template whose format's tokens the vocabulary has.
      source: file or folder, for errors.
      ends: further ids that end an answer.

    Raises:
      ValueError: if it is no BPE, or a special token is not in the vocabulary.
    """
    core.no_truncation()
    core.no_padding()
    data = json.loads(core.to_str())
    if data['model']['type'] != 'BPE':
      raise ValueError(
        f'{source}: model.type={data["model"]["type"]!r} of tokenizer.json is '
        'not supported, only BPE'
      )
    self._core, self._source = core, str(source)
    self._symbols = {t['content']: t['id'] for t in data['added_tokens']}
    self._silent = {
      t['id']
      for t in data['added_tokens']
      if t['special'] and t['content'] not in _KEPT
    }
    plain = _plain(data, self._symbols)
    vocabulary = core.get_vocab()
    for name, token in special.items():
      if not isinstance(token, str) or token not in vocabulary:
        raise ValueError(f'{source}: {name} {token!r} is not in the vocabulary')
    ids = {name: vocabulary[token] for name, token in special.items()}
    if 'eos_token' not in ids:
      raise ValueError(f'{source}: no eos_token says where an answer ends')
    self.eos_id = ids['eos_token']
    self.eos_ids = tuple(dict.fromkeys([self.eos_id, *ends]))
    self.pad_id = ids.get('pad_token', self.eos_id)
    self.bos_id = ids.get('bos_token', self.eos_id)
    self.vocab_size = max(vocabulary.values()) + 1
    rules = core.to_str() + json.dumps(ids, sort_keys=True)
    self.fingerprint = hashlib.sha256(rules.encode()).hexdigest()
    built_in = template_lib.built_in(vocabulary), 'the built-in chat template'
    self.chat_template, file = template or built_in
    if not template and self.chat_template:
      logging.warning('%s: no chat template; %s is used', source, file)
    self.template_values = {'name': str(file), **special}
    self._encode = id_cache.IdCache(_encoder(core))
    self._encode_text = id_cache.IdCache(_encoder(plain))

  def encode(self, text: str) -> list[int]:
    """Ids of trusted text: special tokens in it become their ids."""
    return list(self._encode(text))

  def encode_text(self, text: str) -> list[int]:
    """Ids of data, whose special and added tokens are spelled out."""
    return list(self._encode_text(text))

  def decode(self, ids: Iterable[int]) -> str:
    """Text of ids; special tokens are dropped, tags of tool calls are kept.

    Bytes that are not UTF-8 become U+FFFD; ids of no token are dropped.
    """
    shown = [int(i) for i in ids if int(i) not in self._silent]
    return self._core.decode(shown, skip_special_tokens=False)

  def symbol(self, name: str) -> int:
    """Id of a special or added token."""
    if name not in self._symbols:
      raise ValueError(
        f'{self._source}: no symbol {name!r}, only {list(self._symbols)}'
      )
    return self._symbols[name]

  def count(self, text: str) -> int:
    """Tokens of a note or chunk, as `encode_text` gives them."""
    return len(self._encode_text(text))

  def pieces(self) -> list[bytes | None]:
    """The bytes of each id's text, None of special tokens.

    Raises:
      ValueError: if the tokenizer is not of bytes.
    """
    decoder = json.loads(self._core.to_str())['decoder'] or {}
    if decoder.get('type') != 'ByteLevel':
      raise ValueError(
        f'{self._source}: decoder.type={decoder.get("type")!r} of '
        "tokenizer.json: rollout.grammar='calls' needs ByteLevel; use 'off'"
      )
    found: list[bytes | None] = [None] * self.vocab_size
    for token, i in self._core.get_vocab().items():
      if i not in self._silent:
        found[i] = byte_level.spelled(token)
    return found

  def save(self, folder: str | os.PathLike) -> None:
    """Writes tokenizer.json and tokenizer_config.json for transformers."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    self._core.save(str(folder / 'tokenizer.json'))
    special = {k: v for k, v in self.template_values.items() if k in _NAMES}
    fields = {
      # Of other classes transformers builds its own rules.
      'tokenizer_class': 'PreTrainedTokenizerFast',
      'clean_up_tokenization_spaces': False,
      **special,
    }
    if self.chat_template:
      fields['chat_template'] = self.chat_template
    text = json.dumps(fields, indent=2, ensure_ascii=False)
    (folder / 'tokenizer_config.json').write_text(text, encoding='utf-8')


def from_folder(folder: str | os.PathLike) -> HFTokenizer:
  """Reads the tokenizer of a Hugging Face folder.

  `tokenizer_config.json` says which tokens are special, then
  `special_tokens_map.json`, then the ids of `generation_config.json`, of which
  the first is taken. The chat template is `chat_template.jinja`, or that of
  `tokenizer_config.json`.

  Raises:
    FileNotFoundError: if there is no tokenizer.json.
    ValueError: for files that are broken, naming them.
  """
  folder = pathlib.Path(folder)
  path = folder / 'tokenizer.json'
  if not path.is_file():
    raise FileNotFoundError(
      f'{path}: no such file; AutoTokenizer.from_pretrained(...).'
      'save_pretrained(...) of transformers writes it'
    )
  try:
    core = tokenizers.Tokenizer.from_str(path.read_text(encoding='utf-8'))
  except Exception as error:  # the library raises nothing more precise
    raise ValueError(f'{path}: not a tokenizer ({error})') from error
  config = _json(folder / 'tokenizer_config.json')
  _add_tokens(core, config, folder / 'tokenizer_config.json')
  special = _special(core, folder, config)
  ends = _ends(core, folder)
  return HFTokenizer(core, special, _template(folder, config), folder, ends)


def from_gguf(path: str | os.PathLike) -> HFTokenizer:
  """Reads the byte-level BPE tokenizer of a GGUF file.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: if the file is not whole or its tokenizer is of a kind that is
      not supported, naming the field.
  """
  from mem_alpha_jax.pretrained import gguf_weights

  reader = gguf_weights.open_gguf(path)

  def get(name, kind, default=None):
    return gguf_weights.field(path, reader, f'tokenizer.{name}', kind, default)

  for name, known in (('model', ['gpt2']), ('pre', sorted(byte_level.PRE))):
    value = get(f'ggml.{name}', str)
    if value not in known:
      raise ValueError(
        f'{path}: tokenizer.ggml.{name}={value!r} is not supported: one of '
        f'{known}'
      )
  tokens, merges = get('ggml.tokens', list), get('ggml.merges', list)
  types = get('ggml.token_type', list, [1] * len(tokens))
  if len(types) != len(tokens):
    raise ValueError(
      f'{path}: tokenizer.ggml.token_type has {len(types)} places for '
      f'{len(tokens)} tokens'
    )
  try:
    rules = byte_level.rules(tokens, merges, types, get('ggml.pre', str))
    core = tokenizers.Tokenizer.from_str(json.dumps(rules))
  except Exception as error:  # the library raises nothing more precise
    raise ValueError(
      f'{path}: tokenizer.ggml.tokens and merges do not fit ({error})'
    ) from error
  special = {}
  for name, key in zip(_NAMES, ('bos', 'eos', 'padding'), strict=True):
    token_id = get(f'ggml.{key}_token_id', int, -1)
    if token_id >= len(tokens):
      raise ValueError(
        f'{path}: tokenizer.ggml.{key}_token_id={token_id} is beyond the '
        f'{len(tokens)} tokens'
      )
    if token_id >= 0:
      special[name] = tokens[token_id]
  template = get('chat_template', str, '')
  turn = get('ggml.eot_token_id', int, -1)  # ends a turn, where that is another
  return HFTokenizer(
    core,
    special,
    (template, path) if template else None,
    path,
    [turn] if 0 <= turn < len(tokens) else [],
  )


def _encoder(core):
  def encode(text: str) -> tuple[int, ...]:
    text = tokenizer_lib.valid(text)
    return tuple(core.encode(text, add_special_tokens=False).ids)

  return encode


def _plain(data, symbols):
  """A copy of a tokenizer that has none of the added tokens.

  They also leave the vocabulary of the model, which might look up whole words
  in it (`ignore_merges`) or write one for a byte that it does not know.
  """
  model = data['model']
  barred = symbols.keys()
  vocab = {t: i for t, i in model['vocab'].items() if t not in barred}
  merges = [m for m in model['merges'] if barred.isdisjoint([*m, ''.join(m)])]
  model = model | {'vocab': vocab, 'merges': merges}
  if model.get('unk_token') in barred:
    model['unk_token'] = None
  data = data | {'model': model, 'added_tokens': [], 'post_processor': None}
  return tokenizers.Tokenizer.from_str(json.dumps(data))


def _json(path):
  """Returns a JSON object, {} if there is no such file."""
  return hf_config.read_json(path) if path.exists() else {}


def _add_tokens(core, config, path):
  """Adds the tokens that only tokenizer_config.json has."""
  listed = config.get('added_tokens_decoder') or {}
  try:
    listed = sorted((int(i), dict(fields)) for i, fields in listed.items())
    missing = [x for x in listed if core.token_to_id(x[1]['content']) is None]
    for i, fields in missing:
      core.add_tokens([tokenizers.AddedToken(**fields)])
      if core.token_to_id(fields['content']) != i:
        raise ValueError(f'{fields["content"]!r} cannot have the id {i}')
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise ValueError(f'{path}: field added_tokens_decoder: {error}') from error


def _ends(core, folder, name='eos_token'):
  """Ids of a special token by generation_config.json, else config.json."""
  files = (folder / f'{file}.json' for file in ('generation_config', 'config'))
  named = (_json(file).get(f'{name}_id') for file in files)
  ids = next((ids for ids in named if ids is not None), [])
  ids = ids if isinstance(ids, list) else [ids]
  size = core.get_vocab_size()
  return [i for i in ids if type(i) is int and 0 <= i < size]


def _special(core, folder, config):
  """Returns the special tokens by name, as strings."""
  sources = (config, _json(folder / 'special_tokens_map.json'))
  special = {}
  for name in _NAMES:
    values = [source.get(name) for source in sources]
    values += map(core.id_to_token, _ends(core, folder, name)[:1])
    values = [v.get('content') if isinstance(v, dict) else v for v in values]
    found = next((v for v in values if v), None)
    if found is not None:
      special[name] = found
  return special


def _template(folder, config):
  """Returns the chat template and its file, None if there is none."""
  path = folder / 'chat_template.jinja'
  if path.exists():
    try:
      return path.read_text(encoding='utf-8'), path
    except ValueError as error:
      raise ValueError(f'{path}: not a chat template ({error})') from error
  path = folder / 'tokenizer_config.json'
  template = config.get('chat_template')
  try:
    if isinstance(template, list):  # several by name
      template = {t['name']: t['template'] for t in template}['default']
  except (KeyError, TypeError):
    template = ()
  if template is not None and not isinstance(template, str):
    raise ValueError(f'{path}: field chat_template is no template')
  return (template, path) if template else None
