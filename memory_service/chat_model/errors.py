"""Why there is no reply. None of these reaches a caller of the API: the rules stand in, and the record says so.

    ChatModelError
    ├── ChatUnavailable   nobody answers, or not now: down, overloaded, misconfigured; counts against the circuit
    └── ChatRefused       this request is refused (too long, say); the next may not be

A reason is a sentence for the operator. It never quotes what was sent or received: both hold user text.
"""


class ChatModelError(Exception):
    """A model was asked and there is no reply."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        """Keep the reason, and when to come back where the endpoint said so."""
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class ChatUnavailable(ChatModelError):
    """There is no answer to be had from the endpoint now."""


class ChatRefused(ChatModelError):
    """The endpoint refuses this one request."""
