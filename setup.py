"""Package metadata; `make` installs it with the `dev` extra."""

import setuptools

setuptools.setup(
  name='mem_alpha_jax',
  version='0.1.0',
  description='A policy that learns, by reinforcement, what to remember.',
  license='Apache-2.0',
  python_requires='>=3.11',
  packages=setuptools.find_packages(include=['mem_alpha_jax*']),
  package_data={'mem_alpha_jax': ['assets/*/*']},
  install_requires=[
    'absl-py>=2.1',
    'chex>=0.1.89',
    'flax>=0.12.8,<0.13',
    'grain>=0.2.12',
    'importlib_resources>=6',
    'jax>=0.10,<0.12',
    'jaxtyping>=0.3',
    'matplotlib>=3.8',
    'ml-collections>=1.0',
    'numpy>=2.0',
    'optax>=0.2.5',
    'orbax-checkpoint>=0.11.30',
    'sentencepiece>=0.2',
    'tensorboardX>=2.6.2',
    'tensorflow-datasets>=4.9.7',
    'tqdm>=4.66',
  ],
  extras_require={
    'dev': [
      'hypothesis>=6.100',
      'ipykernel>=6.29',
      'nbclient>=0.10',
      'nbformat>=5.10',
      'psutil>=5.9',
      'pytest>=8.0',
      'pytest-xdist>=3.6',
      'rank-bm25==0.2.2',
      'ruff>=0.9',
    ],
    'tpu': ['jax[tpu]>=0.10,<0.12'],
    'cuda': ['jax[cuda13]>=0.10,<0.12'],
    'models': [
      'gguf>=0.17',
      'jinja2>=3.1.6',
      'safetensors>=0.5',
      'tokenizers>=0.22',
    ],
    'lora': ['qwix>=0.1.8'],
    'paper': ['pyarrow>=17'],
  },
)
