"""Renders chat templates, which are programs by whoever made a checkpoint.

A template sees plain JSON values and what transformers gives it, in jinja2's
sandbox (https://jinja.palletsprojects.com/en/stable/sandbox). The sandbox
bounds neither time nor memory, so a template runs in a process of its own that
has little of both: this file, run as a script. It is worth that, for a
template is rendered a few times in a run.
"""

import contextlib
import datetime
import functools
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jinja2
import jinja2.ext
import jinja2.sandbox

THINK, THOUGHT = '<think>', '</think>'  # around what a model says to itself
CPU_SECONDS = 10
MEMORY = 1 << 30  # bytes of address space
LONGEST = 1 << 22  # characters of a rendered prompt
_WAIT = 120  # seconds; longer than CPU_SECONDS where the machine is busy
# What templates see as today: a prompt must be the same tomorrow, when a run is
# taken up again, and in its evaluation.
TODAY = datetime.datetime(2025, 1, 1)
_BUILT_IN = pathlib.Path(__file__).parents[1] / 'assets' / 'chat_templates'
# Tokens of a vocabulary whose model was trained on a built-in format.
_FORMATS = {
  'qwen3.jinja': (
    '<|im_start|>', '<|im_end|>', '<tool_call>', '</tool_call>', '<think>',
    '</think>',
  ),
}  # fmt: skip


def render(
  template: str,
  messages: Sequence[Mapping[str, Any]],
  tools: Sequence[Mapping[str, Any]] | None = None,
  add_generation_prompt: bool = True,
  *,
  name: str | os.PathLike = 'chat template',
  **more: Any,
) -> str:
  """Renders a conversation as the template writes it.

  Equal to `apply_chat_template(..., tokenize=False)` of transformers on the
  day TODAY.

  Args:
    messages: {'role': ..., 'content': ...} each, JSON values only.
    add_generation_prompt: whether the prompt ends where the answer begins.
    name: the file that the template is from, for errors.
    **more: other variables, like `enable_thinking` or `bos_token`.

  Raises:
    ValueError: if the template fails, refuses the messages, reaches for what
      the sandbox bars, or needs more time, memory or text than there is.
  """
  values = more | {
    'messages': messages,
    'tools': tools,
    'add_generation_prompt': add_generation_prompt,
  }
  return _rendered(json.dumps([template, values, CPU_SECONDS]), str(name))


def uses_tools(
  template: str, name: str | os.PathLike = 'chat template'
) -> bool:
  """Whether the template writes the tools itself; ValueError names its file."""
  try:
    tree = _environment().parse(template)
  except (jinja2.TemplateError, RecursionError) as error:
    raise ValueError(f'{name}: not a chat template ({error})') from error
  return any(
    found.name == 'tools' for found in tree.find_all(jinja2.nodes.Name)
  )


def opens_thought(prompt: str) -> bool:
  """Whether a rendered prompt ends inside of a thought.

  Nothing in the reply says so; a THINK before it makes it whole.
  """
  return prompt.rfind(THINK) > prompt.rfind(THOUGHT)


def after_thought(text: str, start: int = 0) -> int:
  """Where a thought that began before `start` is over, 0 if it never is."""
  end = text.find(THOUGHT, start)
  return end + len(THOUGHT) if end >= 0 else 0


def built_in(vocabulary: Collection[str]) -> str | None:
  """Template for checkpoints that come without, None if none fits."""
  for file, tokens in _FORMATS.items():
    if all(token in vocabulary for token in tokens):
      return (_BUILT_IN / file).read_text(encoding='utf-8')
  return None


@functools.lru_cache(maxsize=64)
def _rendered(job: str, name: str) -> str:
  """Renders [template, values, seconds] in a child process."""
  # -P: the modules beside this file must not hide those of the library.
  command = [sys.executable, '-P', __file__]
  try:
    done = subprocess.run(
      command, input=job.encode(), capture_output=True, timeout=_WAIT
    )
  except subprocess.TimeoutExpired:
    raise ValueError(f'{name}: rendering took over {_WAIT} s') from None
  if done.returncode:
    raise ValueError(
      f'{name}: refused: rendering was stopped (exit code {done.returncode}), '
      f'as it is after {CPU_SECONDS} s or with {MEMORY >> 20} MiB'
    )
  text, error = json.loads(done.stdout)
  if error is not None:
    raise ValueError(f'{name}: refused: {error}')
  return text


def _environment() -> jinja2.Environment:
  """The sandbox, with the names that templates of transformers use."""

  class Namespace(jinja2.utils.Namespace):
    """Without names like __html__, which jinja2 calls by itself."""

    def __init__(self, *args, **values):
      super().__init__()
      for key, value in dict(*args, **values).items():
        self[key] = value

    def __setitem__(self, key, value):
      if str(key).startswith('_'):
        raise jinja2.exceptions.SecurityError(f'a namespace with {key!r}')
      super().__setitem__(key, value)

  def tojson(value, ensure_ascii=False, **layout):
    return json.dumps(value, ensure_ascii=ensure_ascii, **layout)

  def raise_exception(message):
    raise jinja2.TemplateError(message)

  class Sandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    def unsafe_undefined(self, obj, attribute):
      """Raises, where jinja2 gives a value that prints as nothing."""
      kind = type(obj).__name__
      raise jinja2.exceptions.SecurityError(
        f'attribute {attribute!r} of {kind}'
      )

  class Generation(jinja2.ext.Extension):
    """Tags around what an assistant wrote; transformers trains on it."""

    tags = frozenset({'generation'})

    def parse(self, parser):
      next(parser.stream)
      end = 'name:endgeneration'
      return parser.parse_statements([end], drop_needle=True)

  environment = Sandbox(
    trim_blocks=True,
    lstrip_blocks=True,
    extensions=[jinja2.ext.loopcontrols, Generation],
  )
  environment.filters['tojson'] = tojson
  environment.globals.update(
    namespace=Namespace,
    raise_exception=raise_exception,
    strftime_now=lambda form: TODAY.strftime(form),
  )
  return environment


def _limited(job: str) -> tuple[str, str | None]:
  """In the child: returns the text, or '' and what was wrong."""
  import resource

  template, values, seconds = json.loads(job)
  environment = _environment()
  resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
  with contextlib.suppress(ValueError, OSError):  # not on every macOS
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
  try:
    text = environment.from_string(template).render(**values)
  except Exception as error:  # templates fail in every way that Python knows
    return '', f'{type(error).__name__}: {str(error)[:500]}'
  if len(text) > LONGEST:
    return '', f'a prompt of {len(text)} characters'
  return text, None


if __name__ == '__main__':
  print(json.dumps(_limited(sys.stdin.buffer.read().decode())))
