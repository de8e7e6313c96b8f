"""Messages as turns of conversations, cut into calls that the service takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from llama_index.core.base.llms.types import ChatMessage, MessageRole

if TYPE_CHECKING:
    from memory_client.fields import Message

MOST_BYTES = 64 * 1024  # of one turn
MOST_TURNS = 1_000  # of one call
MOST_TOGETHER = 512 * 1024  # bytes of one call; more takes longer to encode than a client waits
# Some models name themselves otherwise.
SPEAKERS: Final[Mapping[MessageRole, str]] = MappingProxyType(
    {
        MessageRole.USER: "user",
        MessageRole.ASSISTANT: "assistant",
        MessageRole.CHATBOT: "assistant",
        MessageRole.MODEL: "assistant",
    }
)


@dataclass(frozen=True, eq=False)
class Conversation:
    """Turns of one session that go in one call."""

    session_id: str | None
    turns: list[Message]


def conversations(messages: Sequence[ChatMessage]) -> list[Conversation]:
    """Return what users and assistants say, by session and in order; the rest is left out."""
    made: list[Conversation] = []
    latest: dict[str | None, tuple[Conversation, int]] = {}
    for message in messages:
        text = text_of(message)
        if text is None or message.role not in SPEAKERS:
            continue
        said = cut(text, MOST_BYTES)
        session_id, size = message.additional_kwargs.get("session_id"), len(said.encode())
        conversation, filled = latest.get(session_id, (None, 0))
        if conversation is None or len(conversation.turns) == MOST_TURNS or filled + size > MOST_TOGETHER:
            conversation, filled = Conversation(session_id, []), 0
            made.append(conversation)
        # Sent twice, stored once.
        conversation.turns.append(
            {"role": SPEAKERS[message.role], "content": said, "external_id": uuid4().hex},
        )
        latest[session_id] = conversation, filled + size
    return made


def text_of(message: ChatMessage) -> str | None:
    """Return what a message says, None where that is nothing to be seen."""
    text = (message.content or "").replace("\x00", "\ufffd")
    return text if any(character.isprintable() and not character.isspace() for character in text) else None


def cut(text: str, at_most: int) -> str:
    """Return the beginning of a text, in as many bytes of UTF-8 at most; half of a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace")[:at_most].decode("utf-8", "ignore")
