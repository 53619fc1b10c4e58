"""MCP: the tools of a memory for any agent, over stdio or HTTP."""

import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pydantic
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from mem_alpha_jax.memory.state import KINDS
from mem_alpha_jax.serve import model
from mem_alpha_jax.serve.memory import Memory

# (context of a call, whether it writes) -> whose memory; ToolError if none.
Find = Callable[[Context, bool], Memory]
_Text = Annotated[str, pydantic.Field(min_length=1, max_length=65536)]
_ABOUT = (
  'A memory that outlives the conversation. Add what the user tells; search or '
  'ask it before you answer what may depend on earlier conversations.'
)


def make(find: Find) -> MCPServer:
  """The server; each call is made on the memory that `find` gives."""
  server = MCPServer('memory', instructions=_ABOUT, log_level='WARNING')

  def tool(function):
    """What a caller can do something about is told; the rest is logged."""

    @functools.wraps(function)
    def told(*args, **given):
      try:
        return function(*args, **given)
      except (ValueError, LookupError, OSError) as error:
        raise ToolError(str(error)) from error

    return server.tool()(told)

  @tool
  def memory_add(ctx: Context, text: _Text) -> dict[str, Any]:
    """Reads a text and remembers what it tells: facts, changes, events."""
    return find(ctx, True).add(text)

  @tool
  def memory_search(
    ctx: Context,
    query: _Text,
    k: Annotated[int, pydantic.Field(ge=1, le=model.FOUND)] = 5,
  ) -> list[dict[str, Any]]:
    """Finds the notes that fit a query best."""
    return find(ctx, False).search(query, k)

  @tool
  def memory_answer(ctx: Context, question: _Text) -> dict[str, Any]:
    """Answers a question from memory, with the notes that it looked at."""
    return find(ctx, False).answer(question)

  @tool
  def memory_list(
    ctx: Context, kind: Literal[KINDS] | None = None
  ) -> list[dict[str, Any]]:
    """Lists all notes, or those of one kind."""
    return find(ctx, False).all(kind)

  @tool
  def memory_delete(ctx: Context, id: int | Literal['core']) -> dict[str, Any]:
    """Removes a note by its id."""
    return find(ctx, True).delete(id)

  return server
