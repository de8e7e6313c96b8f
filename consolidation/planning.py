"""What one run of consolidation wants to change, as a value: planned, shown, checked, and then applied as one changeset.

A step is a pure function from records to changes. `memory_service.lifecycle.apply` applies them.

    Change ─┬─ Supersede   another memory now holds what this one said; its validity ends, it stays findable
            ├─ Merge       it says what another one says; it leaves the results and becomes a source of the other
            ├─ Revise      computed fields of it (title, context, keywords, tags, importance, memory_type) get a new version
            ├─ Archive     it leaves the results, restorable
            ├─ Retier      its vectors are kept more coarsely, or finely again
            ├─ Derive      a new memory made from others
            ├─ Join, Part  an edge between two memories comes or goes
            ├─ Put, End    a row of a structure (episode, topic, gist, community, profile) comes or goes
            └─ Ask         a person is to decide
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

from consolidation.records import Ref

RULES = "rules"


class Step(StrEnum):
    """A part of a run, in the order in which they run."""

    CONFLICTS = "conflicts"
    NOTES = "notes"
    LINKS = "links"
    CO_RECALLS = "co_recalls"
    EPISODES = "episodes"
    TOPICS = "topics"
    COMMUNITIES = "communities"
    PROFILES = "profiles"
    RETENTION = "retention"


class Tier(StrEnum):
    """How often a step runs; each tier reads only what changed in the one before it."""

    TURN = "turn"
    SESSION = "session"
    DAY = "day"
    WEEK = "week"


TIER_OF: Mapping[Step, Tier] = {
    Step.CONFLICTS: Tier.TURN,
    Step.NOTES: Tier.TURN,
    Step.LINKS: Tier.TURN,
    Step.CO_RECALLS: Tier.DAY,
    Step.EPISODES: Tier.SESSION,
    Step.TOPICS: Tier.DAY,
    Step.COMMUNITIES: Tier.DAY,
    Step.PROFILES: Tier.WEEK,
    Step.RETENTION: Tier.DAY,
}


class Structure(StrEnum):
    """A table of things built over memories; its rows have an id and the time during which they were known."""

    EPISODE = "episode"
    TOPIC = "topic"
    GIST = "gist"
    COMMUNITY = "community"
    PROFILE = "profile"


class ReviewKind(StrEnum):
    """Why a person is asked."""

    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    LOW_TRUST = "low_trust"


@dataclass(frozen=True, slots=True)
class Why:
    """Why a change is wanted, without the text of any memory.

    `method` is "rules" or the name of a model; `score` is the decision's own measure (a cosine, say), higher being surer.
    """

    step: Step
    reason: str
    score: float | None = None
    method: str = RULES


@dataclass(frozen=True, slots=True)
class Supersede:
    """`new` took the place of `old`, which ends at `valid_from`."""

    old: Ref
    new: Ref
    valid_from: datetime
    why: Why


@dataclass(frozen=True, slots=True)
class Merge:
    """`duplicate` says what `survivor` says, and becomes a source of it."""

    duplicate: Ref
    survivor: Ref
    why: Why


@dataclass(frozen=True, slots=True)
class Revise:
    """Give a memory new values of computed fields. Never its content.

    `in_place` fills what nobody stated and makes no version (docs/adr/0008); otherwise the memory gets its next version.
    """

    memory: Ref
    fields: Mapping[str, Any]
    why: Why
    in_place: bool = False


@dataclass(frozen=True, slots=True)
class Archive:
    """Take a memory out of the results."""

    memory: Ref
    why: Why


@dataclass(frozen=True, slots=True)
class Retier:
    """Keep the vectors of a memory in another precision: "half", "int8" or "binary". Makes no version of it."""

    memory_id: UUID
    tier: str
    before: (
        str  # the tier it had; a revert leaves the new one (docs/adr/0013), a useful recall brings the finer one back
    )
    why: Why


@dataclass(frozen=True, slots=True)
class Derive:
    """Make a new memory out of `parents`; `spans` are (parent, from, to) in characters of the parent's content."""

    id: UUID
    content: str
    parents: tuple[Ref, ...]
    why: Why
    memory_type: str = "semantic"
    fields: Mapping[str, Any] = field(default_factory=dict)  # scope, title, keywords, validity and so on
    spans: tuple[tuple[UUID, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Join:
    """Draw an edge."""

    source: UUID
    target: UUID
    type: str
    weight: float
    why: Why


@dataclass(frozen=True, slots=True)
class Part:
    """End an edge."""

    link_id: UUID
    why: Why


@dataclass(frozen=True, slots=True)
class Put:
    """Add a row to a structure, or the next state of one: an id that is there ends first."""

    structure: Structure
    id: UUID
    values: Mapping[str, Any]
    why: Why


@dataclass(frozen=True, slots=True)
class End:
    """End a row of a structure."""

    structure: Structure
    id: UUID
    why: Why


@dataclass(frozen=True, slots=True)
class Ask:
    """Have a person decide about memories; `proposal` is what approval does: "merge", "supersede" or "archive"."""

    kind: ReviewKind
    memories: tuple[Ref, ...]  # for merge and supersede: what goes, then what stays
    proposal: str
    why: Why


Change: TypeAlias = Supersede | Merge | Revise | Archive | Retier | Derive | Join | Part | Put | End | Ask


class TwoVersions(Exception):
    """A plan rests on two versions of one memory."""

    def __init__(self, memory_id: UUID) -> None:
        """Keep which memory it is."""
        super().__init__(f"The plan rests on two versions of memory {memory_id}.")
        self.memory_id = memory_id


@dataclass(frozen=True, slots=True)
class Plan:
    """All that one run wants to change in one namespace.

    `considered` are the memories that the turn tier is done with when this is applied, `settled` the tiers above that have
    done what they owed.
    """

    namespace_id: UUID
    changes: tuple[Change, ...] = ()
    considered: tuple[Ref, ...] = ()
    settled: frozenset[Tier] = frozenset()

    def reads(self) -> dict[UUID, int]:
        """Return the versions on which the plan rests: of every memory that it changes or points at.

        Raises:
            TwoVersions: it rests on two versions of a memory, which changed while it was made.
        """
        versions: dict[UUID, int] = {}
        for ref in (*self.considered, *(ref for change in self.changes for ref in refs(change))):
            if versions.setdefault(ref.id, ref.version) != ref.version:
                raise TwoVersions(ref.id)
        return versions

    def counts(self) -> dict[str, int]:
        """Return how many changes of each kind there are."""
        counts: dict[str, int] = {}
        for change in self.changes:
            counts[name_of(change)] = counts.get(name_of(change), 0) + 1
        return counts


def name_of(change: Change) -> str:
    """Return the word for a kind of change.

    >>> from uuid import UUID
    >>> name_of(Part(UUID(int=1), Why(Step.LINKS, "faded")))
    'part'
    """
    return type(change).__name__.lower()


def refs(change: Change) -> Iterator[Ref]:
    """Yield the memories that a change names with the version that was read."""
    match change:
        case Supersede():
            yield from (change.old, change.new)
        case Merge():
            yield from (change.duplicate, change.survivor)
        case Revise() | Archive():
            yield change.memory
        case Derive():
            yield from change.parents
        case Ask():
            yield from change.memories
        case Retier() | Join() | Part() | Put() | End():
            return


def leaves_results(changes: Iterable[Change]) -> set[UUID]:
    """Return the memories that later steps of the same run must leave alone: merged and archived ones.

    >>> from uuid import UUID
    >>> a, b = Ref(UUID(int=1), 1), Ref(UUID(int=2), 1)
    >>> leaves_results([Merge(a, b, Why(Step.CONFLICTS, "duplicate"))]) == {a.id}
    True
    """
    gone = set()
    for change in changes:
        if isinstance(change, Merge):
            gone.add(change.duplicate.id)
        elif isinstance(change, Archive):
            gone.add(change.memory.id)
    return gone


def stays_for_others(changes: Iterable[Change]) -> set[UUID]:
    """Return the memories into which others are merged: later steps of the same run must leave them in the results.

    >>> from uuid import UUID
    >>> a, b = Ref(UUID(int=1), 1), Ref(UUID(int=2), 1)
    >>> stays_for_others([Merge(a, b, Why(Step.CONFLICTS, "duplicate"))]) == {b.id}
    True
    """
    return {change.survivor.id for change in changes if isinstance(change, Merge)}


def one_fate(changes: Iterable[Change]) -> list[Change]:
    """Leave each memory one fate: of several merges and supersessions of it the first counts.

    >>> from datetime import UTC, datetime
    >>> from uuid import UUID
    >>> a, b, c = (Ref(UUID(int=i), 1) for i in (1, 2, 3))
    >>> why, then = Why(Step.CONFLICTS, "same"), datetime(2024, 1, 1, tzinfo=UTC)
    >>> [name_of(one) for one in one_fate([Merge(a, b, why), Supersede(a, c, then, why), Merge(c, b, why)])]
    ['merge', 'merge']
    """
    fated: set[UUID] = set()
    kept: list[Change] = []
    for change in changes:
        if isinstance(change, Merge | Supersede):
            memory_id = change.duplicate.id if isinstance(change, Merge) else change.old.id
            if memory_id in fated:
                continue
            fated.add(memory_id)
        kept.append(change)
    return kept


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON: what `dry_run` answers."""
    return {
        "counts": plan.counts(),
        "considered": len(plan.considered),
        "changes": [{"change": name_of(change), **_json(change)} for change in plan.changes],
    }


_NOT_SHOWN: Final = frozenset({"centroid"})  # vectors in base64: nobody can read them, and they are most of a plan


def _json(value: Any) -> Any:
    if isinstance(value, Ref):
        return {"id": str(value.id), "version": value.version}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items() if key not in _NOT_SHOWN}
    if isinstance(value, tuple | list | set | frozenset):
        return [_json(item) for item in value]
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value
