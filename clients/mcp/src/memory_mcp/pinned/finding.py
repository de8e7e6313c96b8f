"""Find a memory by an id that a model gave, inside the fence."""

from memory_client import Memory

from memory_mcp.failures import NOT_FOUND, ToolFailure
from memory_mcp.tool import Caller


async def get_within(caller: Caller, memory_id: str) -> Memory:
    """Return a memory that this server may show.

    Raises:
        ToolFailure: with code `memory_not_found` when it lies outside the fence, as if there were none.
    """
    memory = await caller.client.get(memory_id)
    if not caller.scope.admits(namespace=memory.namespace, user_id=memory.user_id):
        raise ToolFailure("memory_not_found", NOT_FOUND)
    return memory
