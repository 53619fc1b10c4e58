"""Package metadata; `make` installs it with the `dev` extra."""

import setuptools

# A memory behind REST and MCP.
SERVE = [
  'fastapi>=0.160',
  'httptools>=0.6',  # uvicorn's faster parser
  'mcp>=2.3,<3',
  'prometheus-client>=0.21',
  'sqlalchemy>=2.0.40,<3',
  'starlette',  # of the version that fastapi asks for
  'uvicorn>=0.40',
]
# What reads public checkpoints and chat templates; real models need it.
MODELS = ['gguf>=0.17', 'safetensors>=0.5', 'tokenizers>=0.22']

setuptools.setup(
  name='mem_alpha_jax',
  version='0.1.0',
  description='A policy that learns, by reinforcement, what to remember.',
  license='Apache-2.0',
  python_requires='>=3.11',
  packages=setuptools.find_packages(include=['mem_alpha_jax*', 'configs*']),
  entry_points={
    'console_scripts': ['mem-alpha = mem_alpha_jax.run.commands:main']
  },
  package_data={'mem_alpha_jax': ['assets/*/*']},
  install_requires=[
    'absl-py>=2.1',
    'anyio>=4',
    'flax>=0.12.8,<0.13',
    'grain>=0.2.12',
    'httpx2>=2,<3',
    'ijson>=3.3',
    'immutables>=0.20',
    'importlib_resources>=6',
    'jax>=0.10,<0.12',
    'jaxtyping>=0.3',
    'jinja2>=3.1.6',
    'markupsafe>=2.1',
    'matplotlib>=3.8',
    'ml-collections>=1.0',
    'nltk>=3.9',
    'numpy>=2.0',
    'optax>=0.2.5',
    'orbax-checkpoint>=0.11.30',
    'pydantic>=2.10',
    'regex>=2024.5',
    'scipy>=1.14',
    'sentencepiece>=0.2',
    'tensorboardX>=2.6.2',
    'tensorflow-datasets>=4.9.7',
    'tqdm>=4.66',
  ],
  extras_require={
    'dev': [
      'hypothesis>=6.100',
      'ipykernel>=6.29',
      'jsonschema>=4.20',
      'nbclient>=0.10',
      'nbformat>=5.10',
      'psutil>=5.9',
      'pytest>=8.0',
      'pytest-xdist>=3.6',
      'pyyaml>=6.0',
      'rank-bm25==0.2.2',
      'ruff>=0.9',
      *SERVE,
    ],
    'tpu': ['jax[tpu]>=0.10,<0.12', 'qwix>=0.1.8', *MODELS],
    'cuda': ['jax[cuda13]>=0.10,<0.12', 'qwix>=0.1.8', *MODELS],
    'serve': SERVE,
    'models': MODELS,
    'langgraph': ['langgraph-checkpoint>=4,<5', *SERVE],
    'lora': ['qwix>=0.1.8'],
    'mlflow': ['mlflow-skinny>=3'],
    'wandb': ['wandb>=0.20'],
    'paper': ['pyarrow>=17'],
  },
)
