"""The one-method protocol of whatever answers a conversation with JSON, and the values that go in and out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of what a model is asked."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What asking has cost, in calls that were answered and in tokens as the endpoint counts them.

    >>> Usage(1, 100, 20) + Usage(1, 50, 10)
    Usage(calls=2, prompt_tokens=150, completion_tokens=30)
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    @property
    def tokens(self) -> int:
        """Count what a budget pays for: tokens read and written."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said, as it said it: reasoning, fences and all."""

    text: str
    usage: Usage
    cut: bool = False  # The limit on tokens ended it, not the model.


class ChatModel(Protocol):
    """Answer a conversation with a text that should be JSON of a schema; whoever asks has to check it."""

    @property
    def name(self) -> str:
        """Return the name that a derivation states as its method."""
        ...

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any], *, max_tokens: int) -> Reply:
        """Return the reply.

        Raises:
            ChatUnavailable: there is no answer to be had now; whoever asks goes on by rules.
            ChatRefused: the endpoint answers, and refuses this request.
        """
        ...
