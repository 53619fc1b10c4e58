"""Fields of the memory, and of how a writer is shown it."""

from mem_alpha_jax.config.rules import (
  NEVER,
  Field,
  natural,
  section,
)

SECTIONS = (
  section(
    'memory',
    NEVER,
    slots=Field(64, 'slots at first; doubles when full: compiles again'),
    max_slots=Field(1024, 'entries a memory may hold'),
    core_tokens=Field(32, 'token limit of the core text', natural),
    entry_tokens=Field(14, 'token limit of one entry'),
    cap_base=Field(20, 'tokens a memory may hold at first', natural),
    cap_rate=Field(0.35, 'more for every token read; 0: no cap'),
    embedding_size=Field(0, "floats of an entry's vector", natural),
    embedder=Field('none', 'of entries', 'none | hashed | minilm | policy'),
    prompt_format=Field('compact', 'of prompts', 'compact | chat | reference'),
    prompt_order=Field(
      'chunk_first', 'of chunk and memory in it', 'chunk_first | memory_first'
    ),
    view=Field(
      'covered',
      'shown to the writer',
      'covered | topic | retrieved | newest',
    ),
    view_entries=Field(3, 'how many of them', natural),
    fixed_width=Field(True, 'pad each viewed entry to entry_tokens'),
    instructions=Field('full', 'of chat models', 'full | brief'),
    thinking=Field(False, 'chat models may think before they call tools'),
  ),
)
