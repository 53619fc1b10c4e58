"""A cache of huggingface_hub that holds one tiny random model."""

import json
import pathlib

import jax
import pytest
import tiny_config

from mem_alpha_jax.data import pipeline
from mem_alpha_jax.model import policy as policy_lib
from mem_alpha_jax.model import presets

small_tokenizers = pytest.importorskip('small_tokenizers')
tokenizers = pytest.importorskip('tokenizers')
hf_weights = pytest.importorskip('mem_alpha_jax.pretrained.hf_weights')
pytest.importorskip('huggingface_hub')

NAME = 'Owner/Tiny-0.1B'
SHAPE = dict(
  layers=1, width=32, heads=2, kv_heads=1, head_size=16, ffn=48,
  rope_theta=1e6, norm_eps=1e-6, qk_norm=True, tied=True,
)  # fmt: skip
_GOLDEN = pathlib.Path(__file__).parent / 'golden' / 'smollm2_brief.txt'
_CHATML = (
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + "
  "'<|im_end|>\n' }}{% endfor %}"
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def write(cache: pathlib.Path) -> None:
  """Writes what fetching the model NAME would leave there."""
  home = cache / f'models--{NAME.replace("/", "--")}'
  folder = home / 'snapshots' / 'abc'
  vocab, merges = _pairs()
  added = [*small_tokenizers.ADDED, '<|im_start|>']
  shape = presets.ModelConfig(vocab_size=len(vocab) + len(added), **SHAPE)
  folder.parent.mkdir(parents=True)
  params = policy_lib.make_policy(shape).init(jax.random.key(0))
  hf_weights.save(folder, params, shape)
  normalizer, splits, _ = small_tokenizers.byte_level.PRE['qwen2']
  small_tokenizers.write_folder(
    folder,
    small_tokenizers.spelled_json(vocab, merges, added, normalizer, splits),
  )
  (folder / 'chat_template.jinja').write_text(_CHATML)
  (home / 'refs').mkdir()
  (home / 'refs' / 'main').write_text('abc')


def _pairs() -> tuple[dict[str, int], list]:
  """A byte-level BPE of the synthetic world and of short calls."""
  level = tokenizers.pre_tokenizers.ByteLevel
  core = tokenizers.Tokenizer(tokenizers.models.BPE())
  core.pre_tokenizer = level(add_prefix_space=False)
  trainer = tokenizers.trainers.BpeTrainer(
    vocab_size=900, initial_alphabet=level.alphabet(), show_progress=False
  )
  source = pipeline.make_source(tiny_config.get_config(), 'train')
  texts = [chunk for episode in source[:100] for chunk in episode.chunks]
  core.train_from_iterator([*texts, *[_GOLDEN.read_text()] * 20], trainer)
  found = json.loads(core.to_str())['model']
  return found['vocab'], found['merges']
