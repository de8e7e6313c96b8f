"""What a run over a namespace did, or would do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from consolidation.planning import Plan, plan_json

SHOWN: Final = 1_000  # changes in the answer of a dry run


@dataclass(slots=True)
class Outcome:
    """What a run did, or would do."""

    considered: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    changesets: list[UUID] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    stopped: bool = False
    failed: dict[str, str] = field(
        default_factory=dict
    )  # steps above the turn tier that could not be done, with what it was
    left: int = 0  # memories that were changed faster than a plan for them was made; the next run finds them
    after: UUID | None = None  # the last memory that it looked at, where that says what is done

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> "Outcome":
        """Return what a run that was stopped had done, to go on from there."""
        if not stored:
            return cls()
        return cls(
            considered=stored["considered"],
            counts=dict(stored["counts"]),
            changesets=[UUID(one) for one in stored["changesets"]],
            changes=list(stored["changes"]),
            failed=dict(stored.get("failed", {})),
            left=stored.get("left", 0),
            after=UUID(stored["after"]) if stored.get("after") else None,
        )

    def add(self, plan: Plan, changeset_id: UUID | None, *, considered: int, show: bool) -> None:
        """Count a plan that was applied, or would be."""
        self.considered += considered
        for name, number in plan.counts().items():
            self.counts[name] = self.counts.get(name, 0) + number
        if changeset_id is not None:
            self.changesets.append(changeset_id)
        if show:
            room = SHOWN - len(self.changes)
            self.changes += plan_json(Plan(plan.namespace_id, plan.changes[:room]))["changes"]

    def json(self) -> dict[str, Any]:
        """Return the outcome as JSON."""
        return {
            "considered": self.considered,
            "counts": self.counts,
            "changesets": [str(i) for i in self.changesets],
            "changes": self.changes,
            "truncated": sum(self.counts.values()) > len(self.changes) > 0,
            **({"failed": self.failed} if self.failed else {}),
            **({"left": self.left} if self.left else {}),
            **({"after": str(self.after)} if self.stopped and self.after is not None else {}),
        }
