"""What a role is: how one kind of turn is shown, done and paid."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mem_alpha_jax.roles import prompt
from mem_alpha_jax.types import Episode, Outcome, Turn


class Role(NamedTuple):
  """One kind of turn; `setup` is the collector's, or has what these read.

  Attributes:
    show: (setup, turn) -> the prompt.
    act: (setup, turn, ids of the response) -> what it did; never raises on a
      bad response.
    earn: (turns, outcomes, config.reward) -> columns [N] of reward parts by
      name, NaN where missing; the same names for any turns, none too.
    explores: whether its samples may be forced to begin with a call.
  """

  show: Callable[[Any, Turn], prompt.Prompt]
  act: Callable[[Any, Turn, Sequence[int]], Outcome]
  earn: Callable[
    [Sequence[Turn], Sequence[Outcome], Any],
    Mapping[str, Float[np.ndarray, 'N']],
  ]
  explores: bool = False


# What is to be done in an episode, in order.
Schedule = Callable[[Episode], Sequence[Turn]]
