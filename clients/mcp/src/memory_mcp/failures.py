"""What went wrong, in a sentence that a model can act on."""

import mcp_types as types
from memory_client import errors


class ToolFailure(Exception):
    """A call that cannot be answered; `message` says why and what to do, `code` is for programs.

    `stops_all` says that no further call can succeed now, `sent` that this one may have been carried out all the same.
    """

    def __init__(
        self, code: str, message: str, *, retryable: bool = False, stops_all: bool = False, sent: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.stops_all = stops_all
        self.sent = sent


NOT_FOUND = "There is no memory with this id; take ids from recall."

# What a model or the person beside it can do about it. Every other error of the service speaks for itself.
_ADVICE = {
    "unauthenticated": (
        "The memory service refused the key: it is unknown, revoked or expired. A person has to set a valid one "
        "(MEMORY_SERVICE_API_KEY, or the Authorization header over HTTP)."
    ),
    "memory_not_found": NOT_FOUND,
    "erased": "This memory was erased for good.",
    "version_mismatch": "The memory was changed by somebody else meanwhile. Recall it again, then correct what it says now.",
    "already_superseded": "This memory was replaced before. Recall again and correct the one that took its place.",
    "archived": "This memory was forgotten. Bring it back first: forget with undo=true.",
    "external_id_conflict": "Another memory has this external_id.",
}
_SCOPES = "The key of this server may not do that; a person has to give it one with the scope"


def failure_of(error: "ToolFailure | errors.MemoryClientError") -> ToolFailure:
    """Return what to say about an error of a tool or of the client."""
    if isinstance(error, ToolFailure):
        return error
    if isinstance(error, errors.NotConfigured):
        return ToolFailure("not_configured", f"The memory service is not set up: {error}", stops_all=True)
    if isinstance(error, errors.ConnectionFailed):
        return _unreachable(error)
    if isinstance(error, errors.ServiceError):
        return _refused(error)
    return ToolFailure("unexpected_answer", f"What answered is not the memory service this server knows: {error}")


def result_of(failure: ToolFailure) -> types.CallToolResult:
    """Return what a host gets of a failure: the sentence for its model, the same for programs."""
    problem = {"code": failure.code, "message": failure.message, "retryable": failure.retryable}
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=failure.message)],
        structured_content={"error": problem},
        is_error=True,
    )


def _unreachable(error: errors.ConnectionFailed) -> ToolFailure:
    if isinstance(error, errors.TimedOut):
        said = "The memory service did not answer in time."
    else:
        said = "The memory service cannot be reached; a person has to start it or set MEMORY_SERVICE_URL."
    done = (
        "It may have carried the call out: recall before you repeat it."
        if error.sent
        else "Nothing was stored or changed."
    )
    message = f"{said} {done} Go on without memory, and try again later."
    return ToolFailure("unreachable", message, retryable=True, stops_all=True, sent=error.sent)


def _refused(error: errors.ServiceError) -> ToolFailure:
    code = error.code
    if code == "forbidden":
        return ToolFailure(code, f"{_SCOPES}: {error.detail}")
    if advice := _ADVICE.get(code):
        return ToolFailure(code, advice, retryable=error.retryable, stops_all=code == "unauthenticated")
    if isinstance(error, errors.RateLimited):
        wait = f" Wait {error.retry_after_s:.0f} seconds." if error.retry_after_s else ""
        return ToolFailure(code, f"Too many calls with this key.{wait}", retryable=True, stops_all=True)
    if isinstance(error, errors.InternalError | errors.ServiceUnavailable):
        id_ = f" (request {error.request_id})" if error.request_id else ""
        return ToolFailure(code, f"The memory service failed{id_}: {error.detail}", retryable=True, stops_all=True)
    return ToolFailure(code, f"The memory service refused this: {error.detail}", retryable=error.retryable)
