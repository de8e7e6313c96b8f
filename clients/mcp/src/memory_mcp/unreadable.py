"""What to answer to a message that cannot be read: without an answer its sender waits for ever."""

import json
from typing import Any

import mcp_types as types
from pydantic import ValidationError

from memory_mcp.failures import ToolFailure, result_of

HALF = (
    "It holds half of a character (an unpaired surrogate such as \\ud83d), which is no text: write the character whole."
)


def answer_to(unread: Exception) -> types.JSONRPCResponse | types.JSONRPCError | None:
    """Return the answer to a message that could not be read; null where it has no id that could be answered.

    A call of a tool gets a failure of the tool, which models are shown; any other request an error of the protocol.
    """
    message = _message_in(unread)
    id_, method = message.get("id"), message.get("method")
    if not isinstance(id_, int | str) or isinstance(id_, bool) or not _is_text(id_):
        return None
    if _is_text(message):
        error = types.ErrorData(code=types.INVALID_REQUEST, message="This is no request of the protocol.")
    elif method == "tools/call":
        result = result_of(ToolFailure("invalid_arguments", HALF)).model_dump(
            mode="json", by_alias=True, exclude_none=True
        )
        return types.JSONRPCResponse(jsonrpc="2.0", id=id_, result=result)
    else:
        error = types.ErrorData(code=types.INVALID_PARAMS, message=HALF)
    return types.JSONRPCError(jsonrpc="2.0", id=id_, error=error)


def _message_in(unread: Exception) -> dict[str, Any]:
    """Return what a transport failed to read, as far as it is an object of JSON."""
    for error in unread.errors() if isinstance(unread, ValidationError) else ():
        message = error["input"]
        if error["type"] == "json_invalid":  # Python reads what JSON.stringify writes, half characters too.
            try:
                message = json.loads(message)
            except (ValueError, RecursionError):
                return {}
        if isinstance(message, dict) and "method" in message:
            return message
    return {}


def _is_text(value: Any) -> bool:
    """Say whether every character is whole."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
