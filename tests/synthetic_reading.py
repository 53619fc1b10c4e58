"""What the rule reader makes of the synthetic world, for its tests."""

from mem_alpha_jax.data import synthetic
from mem_alpha_jax.reading import extractive
from mem_alpha_jax.types import Note


def answer(question, notes, strict=True):
  frames, lexicon = synthetic.FRAMES, synthetic.LEXICON
  return extractive.answer(question, notes, '', frames, lexicon, strict)


def check_decoys(episodes, strict):
  """That no chunk without a fact answers a question; how many there are."""
  decoys = 0
  for episode in episodes:
    notes = [
      Note(kind, chunk, t)
      for t, chunk in enumerate(episode.chunks)
      for kind in ('semantic', 'episodic')
      if not synthetic.oracle_notes(chunk)
    ]
    decoys += len(notes)
    for q in episode.questions:
      if q.last == len(episode.chunks) - 1:
        assert answer(q.text, notes, strict) != q.answer.lower()
  return decoys
