"""What a caller says about a document, and how it waits as JSON. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from memory_service.types import DEFAULT_NAMESPACE, Extract


@dataclass(frozen=True, slots=True)
class Posted:
    """What a caller says about a document."""

    mime_type: str | None = None  # as the caller named it, charset included
    title: str | None = None
    namespace: str = DEFAULT_NAMESPACE
    user_id: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    external_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    language: str | None = None
    observed_at: datetime | None = None
    importance: float | None = None
    confidence: float = 1.0
    extract: Extract | None = None

    @property
    def scope(self) -> dict[str, str | None]:
        """Return whose document it is."""
        return {"user_id": self.user_id, "agent_id": self.agent_id, "session_id": self.session_id}

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        observed = self.observed_at.isoformat() if self.observed_at else None
        return {**asdict(self), "tags": list(self.tags), "observed_at": observed}


def posted_of(request: Mapping[str, Any]) -> Posted:
    """Return what `Posted.to_json` made JSON of.

    >>> posted = Posted(title="Menu", tags=("food",), extract=Extract.NONE)
    >>> posted_of(posted.to_json()) == posted
    True
    """
    observed, extract = request["observed_at"], request["extract"]
    return Posted(
        **{
            **request,
            "tags": tuple(request["tags"]),
            "observed_at": datetime.fromisoformat(observed) if observed else None,
            "extract": Extract(extract) if extract else None,
        }
    )
