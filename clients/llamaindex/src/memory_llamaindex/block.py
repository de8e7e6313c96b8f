"""The memory block."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.bridge.pydantic import Field
from llama_index.core.memory import BaseMemoryBlock
from memory_client import AsyncMemoryClient, NamespaceNotFound

MOST_BYTES = 64 * 1024  # of one turn
MOST_QUERY_BYTES = 16 * 1024
CHARACTERS_PER_TOKEN = 4


class MemoryServiceBlock(BaseMemoryBlock[str]):
    """Long-term memory for `llama_index.core.memory.Memory`.

    Messages that leave the short-term memory are remembered, and what bears on the present question comes back as text with
    citations, from all sessions of the namespace (or of `user_id` in it).
    """

    name: str = Field(default="LongTermMemory")
    client: AsyncMemoryClient = Field(
        exclude=True, description="How the service is reached; the block does not close it."
    )
    namespace: str = Field(default="default", description="Where memories lie.")
    user_id: str | None = Field(default=None, description="Whose memories they are.")
    token_budget: int = Field(default=1200, description="How long the text may be that comes back.", gt=0)

    async def _aget(self, messages: list[ChatMessage] | None = None, **block_kwargs: Any) -> str:
        question = next((text for text in map(_text, reversed(messages or [])) if text), None)
        if question is None:
            return ""
        try:
            found = await self.client.context(
                _cut(question, MOST_QUERY_BYTES),
                namespace=self.namespace,
                user_id=self.user_id,
                token_budget=self.token_budget,
            )
        except NamespaceNotFound:  # Nothing was remembered yet.
            return ""
        return found.text or ""

    async def _aput(self, messages: list[ChatMessage]) -> None:
        by_session: dict[str | None, list[Any]] = {}
        for message in messages:
            text = _text(message)
            if text and message.role in (MessageRole.USER, MessageRole.ASSISTANT):
                turn = {"role": message.role.value, "content": _cut(text, MOST_BYTES)}
                by_session.setdefault(message.additional_kwargs.get("session_id"), []).append(turn)
        for session_id, turns in by_session.items():
            await self.client.add_messages(turns, namespace=self.namespace, session_id=session_id, user_id=self.user_id)

    async def atruncate(self, content: str, tokens_to_truncate: int) -> str | None:
        """Shorten what came back by whole lines, the least relevant first; None when none is left."""
        too_much = tokens_to_truncate * CHARACTERS_PER_TOKEN
        lines = content.splitlines()
        while lines and too_much > 0:
            too_much -= len(lines.pop()) + 1
        return "\n".join(lines) or None


def _text(message: ChatMessage) -> str | None:
    """Return what a message says, None where that is nothing to be seen."""
    text = (message.content or "").replace("\x00", "\ufffd")
    return text if any(character.isprintable() and not character.isspace() for character in text) else None


def _cut(text: str, at_most: int) -> str:
    return text.encode("utf-8", "replace")[:at_most].decode("utf-8", "ignore")
