"""Parameters from and to folders of Hugging Face checkpoints (safetensors).

A folder has `config.json` and either `model.safetensors` or files that
`model.safetensors.index.json` lists. Pickles are never opened.
"""

import contextlib
import dataclasses
import itertools
import os
import pathlib
import shutil
from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mem_alpha_jax.model import presets
from mem_alpha_jax.pretrained import hf_config
from mem_alpha_jax.pretrained import tensors as tensors_lib
from mem_alpha_jax.system import files, optional

safetensors = optional.load('safetensors', 'models')
safetensors_numpy = optional.load('safetensors.numpy', 'models')

SINGLE, INDEX = 'model.safetensors', 'model.safetensors.index.json'
DTYPES = ('F32', 'F16', 'BF16')
FILE_BYTES = 4 * 10**9  # a larger model is saved in several files
EMBEDDING, HEAD = 'model.embed_tokens.weight', 'lm_head.weight'
BUFFER = '.rotary_emb.inv_freq'  # in files of old versions; computed here
# What a folder needs beside weights; copied when it is saved.
COMPANIONS = (
  'added_tokens.json', 'chat_template.jinja', 'chat_template.json',
  'generation_config.json', 'merges.txt', 'special_tokens_map.json',
  'tokenizer.json', 'tokenizer.model', 'tokenizer_config.json', 'vocab.json',
)  # fmt: skip


def read_config(folder: str | os.PathLike) -> presets.ModelConfig:
  """Reads `config.json`; see hf_config.parse for what is refused."""
  path = _inside(folder, 'config.json')
  return hf_config.parse(hf_config.read_json(path), path)


def load(
  folder: str | os.PathLike,
  config: presets.ModelConfig,
  shardings: Any = None,
  dtype: Any = jnp.float32,
) -> Any:
  """Reads the parameters; see `open_folder` and `tensors.assemble`."""
  source = open_folder(folder)
  if config.tied and HEAD in source.shapes:
    _check_tied(source)
  idle = {n for n in source.shapes if n.endswith(BUFFER)}
  idle |= {HEAD} if config.tied else set()
  shapes = {k: v for k, v in source.shapes.items() if k not in idle}
  source = source._replace(shapes=shapes)
  return tensors_lib.assemble(source, config, shardings, dtype)


def open_folder(
  folder: str | os.PathLike, idle: Collection[str] = ()
) -> tensors_lib.Source:
  """Reads the headers of a folder's safetensors, but for `idle` tensors.

  Raises:
    FileNotFoundError: if there are none.
    ValueError: if one is broken, or the index does not fit them.
  """
  folder = pathlib.Path(folder)
  if (folder / SINGLE).exists():
    names, files = None, [SINGLE]
  elif (folder / INDEX).exists():
    names = _read_index(folder)
    files = sorted(set(names.values()))
  else:
    raise FileNotFoundError(
      f'{folder}: neither {SINGLE} nor {INDEX}; other formats, pickles among '
      'them, are not read: convert the model to safetensors'
    )
  shapes, homes = {}, {}
  for file in files:
    path = _inside(folder, file)
    for name, shape in _read_header(path, idle).items():
      if names is not None and names.get(name) != file:
        raise ValueError(f'{path}: tensor {name} is not what {INDEX} says')
      shapes[name], homes[name] = shape, path
  for name in names or ():
    if name not in shapes and name not in idle:
      raise ValueError(
        f'{folder / names[name]}: tensor {name} is missing; {INDEX} has it '
        'there'
      )

  def read(name: str, where: tuple[slice, ...]) -> np.ndarray:
    # Opened for each part: the pages of an open file count as memory.
    with _opened(homes[name]) as file:
      return file.get_slice(name)[where]

  return tensors_lib.Source(folder, shapes, read)


def _read_index(folder):
  """Returns tensor name -> file name."""
  path = _inside(folder, INDEX)
  names = hf_config.read_json(path).get('weight_map')
  if not isinstance(names, dict) or not names:
    raise ValueError(f'{path}: weight_map is missing')
  for name, file in names.items():
    plain = isinstance(file, str) and file == pathlib.PurePath(file).name
    if not plain or '\\' in file or not file.endswith('.safetensors'):
      raise ValueError(
        f'{path}: tensor {name} is said to be in {file!r}; give the name of a '
        '.safetensors file of the same folder'
      )
  return names


def _inside(folder, name):
  """Returns folder/name; raises ValueError where a link leads elsewhere.

  A download's cache keeps the files of `snapshots/<revision>/` as links into
  `blobs/` beside `snapshots/`.
  """
  folder = pathlib.Path(folder)
  home, path = folder.resolve(), (folder / name).resolve()
  allowed = [home]
  if home.parent.name == 'snapshots':
    allowed.append(home.parent.parent / 'blobs')
  if not any(path.is_relative_to(root) for root in allowed):
    raise ValueError(f'{folder / name}: a link out of the folder, to {path}')
  return folder / name


@contextlib.contextmanager
def _opened(path):
  try:
    with safetensors.safe_open(path, framework='numpy') as file:
      yield file
  except safetensors.SafetensorError as error:
    raise ValueError(
      f'{path}: not a whole safetensors file ({error})'
    ) from error


def _read_header(path, idle):
  """Returns tensor name -> shape."""
  shapes = {}
  with _opened(path) as file:
    for name in file.keys():  # noqa: SIM118 (not a dict)
      if name in idle:
        continue
      part = file.get_slice(name)
      if part.get_dtype() not in DTYPES:
        raise ValueError(
          f'{path}: tensor {name} is {part.get_dtype()}; one of {DTYPES} is '
          'supported'
        )
      shapes[name] = tuple(part.get_shape())
  return shapes


def _check_tied(source):
  """Raises ValueError if a head is stored that is not the embedding."""
  shape = source.shapes.get(EMBEDDING)
  same = source.shapes[HEAD] == shape
  step = max(1, tensors_lib.BLOCK_BYTES // (4 * shape[-1])) if same else 1
  for start in range(0, shape[0] if same else 0, step):
    where = (slice(start, min(start + step, shape[0])), slice(None))
    a, b = (source.read(n, where).tobytes() for n in (EMBEDDING, HEAD))
    same = same and a == b
  if not same:
    raise ValueError(
      f'{source.path}: tensor {HEAD} is not {EMBEDDING}, but config.json says '
      'tie_word_embeddings'
    )


def save(
  folder: str | os.PathLike,
  params: Any,
  config: presets.ModelConfig,
  dtype: Any = None,
  copy_from: str | os.PathLike | None = None,
) -> None:
  """Writes a folder that transformers and vLLM load.

  It is written under another name and renamed when it is whole. All processes
  of a run call it; the first one writes. The host holds the tensors of one
  file beside the parameters.

  Args:
    folder: must be empty if it is there.
    params: as `load` returns them; LoRA merged. A value head is left out.
    dtype: of the tensors; that of the embedding by default.
    copy_from: the model's origin, whose tokenizer files are copied and whose
      config.json is kept but for the dtype.

  Raises:
    ValueError: if no public architecture has what the model has, the folder
      has files, or `copy_from` is of another model; names the field.
  """
  folder = pathlib.Path(folder)
  check_new(folder)
  dtype = jnp.dtype(dtype or params['embedding'].dtype)
  fields = _fields(config, dtype, copy_from)
  tensors = tensors_lib.tensors(params, config, dtype)
  if jax.process_index() != 0:
    for _ in tensors:  # takes part in gathering them
      pass
    return
  with files.replacing(folder) as temporary:
    temporary.mkdir()
    _write_tensors(temporary, tensors, tensors_lib.sizes(config, dtype))
    _write_companions(temporary, fields, copy_from)
    for path in temporary.iterdir():  # some writers keep to themselves
      path.chmod(temporary.stat().st_mode & 0o666)


def check_new(folder: str | os.PathLike) -> None:
  """Raises ValueError if something is there; an empty folder may be."""
  folder = pathlib.Path(folder)
  if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
    raise ValueError(f'{folder}: is there already; give a new folder')


def _fields(config, dtype, copy_from):
  fields = hf_config.to_fields(config)
  if copy_from is not None:
    path = _inside(copy_from, 'config.json')
    theirs = hf_config.read_json(path)
    mine, parsed = hf_config.parse(fields, path), hf_config.parse(theirs, path)
    for field in dataclasses.fields(parsed):
      a, b = getattr(mine, field.name), getattr(parsed, field.name)
      if a != b:
        raise ValueError(
          f'{path}: is of another model: {field.name} is {b!r} there, {a!r} in '
          'the model to save'
        )
    fields = theirs
  name = 'dtype' if 'dtype' in fields else 'torch_dtype'
  return {**fields, name: str(dtype)}


def _write_tensors(folder, tensors, sizes):
  """Writes (name, array) pairs; `sizes` has the bytes of each, in order."""
  groups, free = [], 0
  for name, size in sizes.items():
    if size > free or not groups:
      groups.append([])
      free = FILE_BYTES
    groups[-1].append(name)
    free -= size
  index = {}
  for number, names in enumerate(groups, 1):
    file = SINGLE
    if len(groups) > 1:
      file = f'model-{number:05}-of-{len(groups):05}.safetensors'
    part = dict(itertools.islice(tensors, len(names)))
    safetensors_numpy.save_file(part, folder / file, metadata={'format': 'pt'})
    index |= dict.fromkeys(part, file)
  if len(groups) > 1:
    total = {'total_size': sum(sizes.values())}
    files.write_json(folder / INDEX, {'metadata': total, 'weight_map': index})


def _write_companions(folder, fields, copy_from):
  files.write_json(folder / 'config.json', fields)
  ids = ('bos_token_id', 'eos_token_id', 'pad_token_id')
  ids = {k: fields[k] for k in ids if fields.get(k) is not None}
  files.write_json(folder / 'generation_config.json', ids)
  for name in COMPANIONS if copy_from is not None else ():
    path = _inside(copy_from, name)
    if path.exists():
      shutil.copyfile(path, folder / name)
