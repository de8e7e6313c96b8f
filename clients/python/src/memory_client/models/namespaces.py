"""Where memories live and whose they are."""

from __future__ import annotations

from pydantic import AwareDatetime

from memory_client.models.base import Answer


class FusionSetting(Answer):
    """How a namespace weighs its channels."""

    learn: bool


class NamespaceSettings(Answer):
    """How a namespace treats what is written to it."""

    extract: str
    consolidation: str
    fusion: FusionSetting


class Namespace(Answer):
    """A namespace; lists leave out what is counted."""

    path: str
    settings: NamespaceSettings
    created_at: AwareDatetime | None = None
    memories: int | None = None
    factors: dict[str, float] | None = None


class Scope(Answer):
    """A user, an agent or a session, and how much is remembered of it."""

    id: str
    count: int
    last_activity: AwareDatetime
