"""One cell of a table of methods: what one answered, held and was shown."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from mem_alpha_jax.evaluation import held_out
from mem_alpha_jax.methods.protocol import Parts
from mem_alpha_jax.types import Episode

EXAMPLES = 8  # questions that are kept word for word


def compare(
  name: str, parts: Parts, params: Any, episodes: Sequence[Episode]
) -> dict[str, Any]:
  """One method on episodes, as plain values.

  Args:
    name: key of registry.METHODS.
    parts: of the run; its config says what readers see.
    params: of the policy.
    episodes: held-out ones, with at least one question.

  Returns:
    'scores' reader -> type -> [score, answers] of each episode; means over
    episodes 'memory_tokens' (at the end) and 'read_tokens', over questions
    'shown_tokens'; 'questions', 'missing', 'seconds', and 'examples'.
  """
  began = time.perf_counter()
  records = held_out.read(name, parts, params, episodes).records
  by_reader = {
    reader: held_out.answers(episodes, records, k)
    for k, reader in enumerate(held_out.READERS)
  }
  asked = [
    (e.questions[a.index], a)
    for e, record in zip(episodes, records, strict=True)
    for a in record.answered
  ]
  count = parts.eval_setup.tokenizer.count
  shown = [
    sum(
      count(text)
      for text in (*(n.text for n in a.request.notes), a.request.core)
    )
    for _, a in asked
  ]
  return {
    'scores': {
      reader: {kind: counts[kind].tolist() for kind in sorted(counts)}
      for reader, (counts, _) in by_reader.items()
    },
    'memory_tokens': float(np.mean([r.held[-1][1] for r in records])),
    'read_tokens': held_out.read_tokens(parts, episodes) / len(episodes),
    'shown_tokens': float(np.mean(shown)),
    'questions': len(asked),
    'missing': sum(missing for _, missing in by_reader.values()),
    'seconds': time.perf_counter() - began,
    'examples': [
      [question.text, question.answer, *a.answers]
      for question, a in asked[:: max(len(asked) // EXAMPLES, 1)]
    ],
  }
