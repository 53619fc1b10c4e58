"""The paper's experiments at its size: Qwen3-4B on its published files.

  python -m mem_alpha_jax.main --config=configs/paper/qwen3_4b.py \\
    --distributed --workdir=runs/paper/qwen3_4b

Wants a TPU v4-64 slice as configs/tpu_v4.py, the parquet files of Mem-alpha in
data.root/memalpha and of the processed MemoryAgentBench in
data.root/memoryagentbench, and a server of Qwen3-32B at reading.url. Training
leaves out what its test files ask or say (data.clean), which the reference's
does not.
"""

import ml_collections

from configs import common, tpu_v4


def get_config(arg: str = '') -> ml_collections.ConfigDict:
  """Returns the config; `arg` is 'key=value,...' over dotted field names."""
  c = tpu_v4.get_config().unlock()
  c.data.source = 'memalpha'
  c.data.eval_episodes = 512  # all 468 of the paper's validation set
  c.reading.reader = 'remote'
  c.reading.model = 'Qwen3-32B'  # paper
  c.reading.url = 'http://localhost:8000/v1'  # of a vLLM server
  # The paper's readers do not think.
  c.reading.extra = '{"chat_template_kwargs": {"enable_thinking": false}}'
  c.reading.answer_tokens = 2048  # paper's code: of a summary
  c.reading.cache = 'replies.sqlite'
  c.eval.lengths = (1,)
  return common.parse_arg(c, arg)
