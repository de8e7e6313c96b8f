"""The memory block."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.memory import BaseMemoryBlock
from memory_client import AsyncMemoryClient, Conflict, NamespaceNotFound, TooLarge, ValidationFailed

from memory_llamaindex.turns import Conversation, conversations, cut, text_of

log = logging.getLogger(__name__)

MOST_QUERY_BYTES = 16 * 1024
MOST_WAITING = 1_000  # calls; the first of them are given up then
REFUSED = (Conflict, TooLarge, ValidationFailed)  # for what they bring; a key, too, may be mended
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
    # What could not be sent. `Memory` has let go of it before it hands it over, and does not offer it again.
    _waiting: list[Conversation] = PrivateAttr(default_factory=list)

    async def _aget(self, messages: list[ChatMessage] | None = None, **block_kwargs: Any) -> str:
        question = _question(messages or [])
        if question is None:
            return ""
        try:
            found = await self.client.context(
                cut(question, MOST_QUERY_BYTES),
                namespace=self.namespace,
                user_id=self.user_id,
                token_budget=self.token_budget,
            )
        except NamespaceNotFound:  # Nothing was remembered yet.
            return ""
        return found.text or ""

    async def _aput(self, messages: list[ChatMessage]) -> None:
        waiting, self._waiting = self._waiting, []
        left = deque([*waiting, *conversations(messages)])
        try:
            while left:
                try:
                    await self.client.add_messages(
                        left[0].turns, namespace=self.namespace, session_id=left[0].session_id, user_id=self.user_id
                    )
                except REFUSED as error:
                    if not error.retryable:  # They would be each time.
                        left.popleft()
                    raise
                left.popleft()
        finally:
            self._waiting[:0] = left
            if (beyond := len(self._waiting) - MOST_WAITING) > 0:
                log.warning("The service has been away for too long: turns of %d calls are given up.", beyond)
                del self._waiting[:beyond]

    async def atruncate(self, content: Any, tokens_to_truncate: int) -> str | None:
        """Shorten what came back by whole lines, the least relevant first; None when none is left.

        Where nothing came back, `Memory` hands over an empty list.
        """
        too_much = tokens_to_truncate * CHARACTERS_PER_TOKEN
        lines = content.splitlines() if isinstance(content, str) else []
        while lines and too_much > 0:
            too_much -= len(lines.pop()) + 1
        return "\n".join(lines) or None


def _question(messages: list[ChatMessage]) -> str | None:
    """Return what the user said last; where no user said anything, the latest text there is."""
    said = [(message.role, text) for message in reversed(messages) if (text := text_of(message)) is not None]
    return next((text for role, text in said if role == MessageRole.USER), said[0][1] if said else None)
