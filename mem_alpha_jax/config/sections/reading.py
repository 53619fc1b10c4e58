"""Fields of the reader, and of the server that it may be behind."""

from mem_alpha_jax.config import rules
from mem_alpha_jax.config.rules import (
  EVALUATION,
  RESUME,
  Field,
  fraction,
  integer,
  natural,
  positive,
  section,
)

SECTIONS = (
  section(
    'reading',
    EVALUATION,
    reader=Field('extractive', 'who answers the questions'),
    model=Field('', 'smollm2, a folder, a .gguf file; or its name at url'),
    answer_tokens=Field(24, 'longest answer of a language model'),
    batch=Field(16, 'questions that reader=lm or a policy answers in a call'),
    buckets=Field((128, 256, 512, 1024), 'padded lengths of its prompts'),
    judge=Field('', "remote: the server judges evaluations; '': rules"),
    temperature=Field(
      'zero', 'sent to it; none: of models that refuse one', 'zero | none'
    ),
    extra=Field('', 'further fields of a request to it', rules.json_object),
    strict=Field(True, 'abstain where retrieved notes contradict'),
    top_k=Field(5, 'entries retrieved for a question'),
    budget=Field(0, 'tokens of notes a reader is shown; 0: no limit', natural),
    hops=Field(1, 'look-ups; later ones add what was found before'),
    kept=Field(
      0, 'entries of a look-up that stay in the next; 0: none', natural
    ),
    retrieval=Field(
      'bm25', 'how entries are ranked for a question', rules.text
    ),
  ),
  section(
    'reading',
    RESUME,
    url=Field('', 'of the server, without /chat/completions', rules.address),
    key_env=Field('', "environment variable with its key; '': none"),
    reply_limit=Field(
      'max_tokens',
      'what it calls the longest reply; newer models the other',
      'max_tokens | max_completion_tokens',
    ),
    price_prompt=Field(0.0, 'USD of a million tokens; 0: unknown'),
    price_completion=Field(0.0, 'the same, of replies'),
    cache=Field('', "file of its replies, for all runs; '': none"),
    timeout=Field(60.0, 'seconds that one request to it may take', positive),
    retries=Field(4, 'further requests after one that failed', integer(0, 20)),
    backoff=Field(0.5, 'longest wait before the first retry, s; doubles'),
    concurrency=Field(
      16, 'requests at a time, of each process', integer(1, 256)
    ),
    breaker_limit=Field(20, 'failures in a row to pause at; 0: never', natural),
    breaker_pause=Field(30.0, 'seconds until it is tried again', positive),
    max_missing=Field(0.1, 'share of answers, missing, that pauses', fraction),
  ),
)
