"""The five tools whose names and schemas are pinned: `tests/pinned_tools.json` holds them."""

from typing import Any

from memory_mcp.pinned.correct import CORRECT
from memory_mcp.pinned.forget import FORGET
from memory_mcp.pinned.get_context import GET_CONTEXT
from memory_mcp.pinned.recall import RECALL
from memory_mcp.pinned.remember import REMEMBER
from memory_mcp.tool import Tool

PINNED: tuple[Tool[Any], ...] = (REMEMBER, RECALL, GET_CONTEXT, CORRECT, FORGET)
