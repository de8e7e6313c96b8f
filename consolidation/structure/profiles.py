"""Profiles: what is known of a user that lasts, and what has been going on lately; every line names its sources."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from consolidation.planning import RULES, Change, End, Put, Step, Structure, Why
from memory_service.analysis.facts import Fact
from memory_service.analysis.facts.values import of_one_sort
from memory_service.analysis.names import fold_name
from memory_service.analysis.tokens import ROLES

USER: Final = "user"  # who says of himself what nobody's name stands beside
STATIC: Final = "static"
RECENT: Final = "recent"
TOLD: Final = "told"  # what a model adds; it goes on as long as lines of rules and cited texts are the same


OUTDATED: Final = "cited texts changed"
"""Why a profile is written anew whose lines of rules are the same."""


@dataclass(frozen=True, slots=True)
class ProfileSettings:
    """How much a profile holds."""

    facts: int = 50
    episodes: int = 5
    recent: timedelta = timedelta(days=30)  # before the user's latest episode


DEFAULT: Final = ProfileSettings()


@dataclass(frozen=True, slots=True)
class KnownFact:
    """Something that was said of somebody: subject, attribute, value, and by which memories.

    `called` names which of several it is said of, where that was said: Tom of two brothers. `spans` say where each memory says
    so: memory, version of its text, from, to.
    """

    subject: str
    attribute: str
    value: str
    memory_ids: tuple[UUID, ...]
    since: datetime | None = None
    until: datetime | None = None  # from when on it no longer holds; None as long as it does
    called: str | None = None
    spans: tuple[tuple[UUID, int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What one memory states, and when; `until` where its validity ends; `version` of its text."""

    memory_id: UUID
    at: datetime
    facts: Sequence[Fact]
    until: datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Happening:
    """An episode of the user, as its gist tells it."""

    episode_id: UUID
    ends: datetime
    text: str
    spans: tuple[tuple[UUID, int, int, int], ...]  # memory, version, from, to


@dataclass(frozen=True, slots=True)
class User:
    """What there is to say of one user of a namespace, and the profile that is there."""

    user_id: str
    facts: Sequence[KnownFact]
    happenings: Sequence[Happening]
    profile_id: UUID | None = None
    lines: Sequence[Mapping[str, Any]] = ()
    versions: Mapping[UUID, int] = field(default_factory=dict)  # of the texts that a model cited, where they stand


def plan_profiles(
    users: Sequence[User], *, now: datetime, new_id: Callable[[], UUID], settings: ProfileSettings = DEFAULT
) -> list[Change]:
    """Write the profiles whose lines are others than before; a user of whom nothing is known has none.

    What a model told goes with the lines of rules beside which it told it, and alone once a text that it cites is another or
    no longer stands.

    Args:
        users: what there is to say of each.
        now: facts that no longer hold then are left out.
        new_id: makes ids.
        settings: how much a profile holds.
    """
    changes: list[Change] = []
    for user in users:
        lines = static_lines(user.facts, now=now, settings=settings) + recent_lines(user.happenings, settings=settings)
        reason = "profile"
        if lines and _what_is_said(lines) == _what_is_said(rules_only(user.lines)):
            reason = OUTDATED
            told = [dict(line) for line in user.lines if line["section"] == TOLD]
            lines += [line for line in told if stands(line, user.versions)]
        if lines == [dict(line) for line in user.lines]:
            continue
        if lines:
            values = {"user_id": user.user_id, "lines": lines, "method": RULES, "members": cited(lines)}
            why = Why(Step.PROFILES, reason)
            changes.append(Put(Structure.PROFILE, user.profile_id or new_id(), values, why))
        elif user.profile_id is not None:
            changes.append(End(Structure.PROFILE, user.profile_id, Why(Step.PROFILES, "nothing known")))
    return changes


def known_facts(said: Sequence[Said]) -> list[KnownFact]:
    """Bring together what memories state: the same said again counts once, and a later value ends the one before.

    A value ends where it can only have one and another is said later, where it is denied, where the text itself says that it
    is over, and where the validity of its memory ends. Of two brothers who are named each has values of his own, and a brother
    who is not named could be either: what is said of him ends nothing of theirs.

    >>> from datetime import UTC
    >>> def moved(day, value):
    ...     home = Fact("ana", "lives_in", value, value.lower(), (0, 1), functional=True)
    ...     return Said(UUID(int=day), datetime(2025, 1, day, tzinfo=UTC), [home])
    >>> found = known_facts([moved(1, "Porto"), moved(2, "Porto"), moved(5, "Lisbon")])
    >>> [(fact.value, len(fact.memory_ids), fact.until and fact.until.day) for fact in found]
    [('Porto', 2, 5), ('Lisbon', 1, None)]
    """
    found: dict[tuple[str, str, str, str], KnownFact] = {}
    holding: dict[tuple[str, str, str], list[str]] = {}  # of functional attributes, values of different sorts
    several = _of_several(said)
    for one in sorted(said, key=lambda s: (s.at, s.memory_id)):
        for fact in one.facts:
            whose = fold_name(fact.called) if fact.called and fact.subject in several else ""
            key = (fact.subject, whose, fact.attribute, fact.key)
            before = found.get(key)
            since = fact.valid_from or one.at
            if not fact.positive or fact.ended:
                if before is not None and before.until is None:
                    found[key] = replace(before, until=fact.valid_to or one.at)
                continue
            until = min((moment for moment in (fact.valid_to, one.until) if moment is not None), default=None)
            memories = (one.memory_id,) if before is None else tuple(dict.fromkeys((*before.memory_ids, one.memory_id)))
            first = since if before is None or before.since is None else min(since, before.since)
            called = fact.called or (None if before is None else before.called)
            spans = (*(() if before is None else before.spans), (one.memory_id, one.version, *fact.span))
            found[key] = KnownFact(
                fact.subject, fact.attribute, fact.value, memories, first, until, called, tuple(dict.fromkeys(spans))
            )
            if fact.functional:
                held = holding.get(key[:3], [])
                gone = [
                    one
                    for one in held
                    if one != fact.key and of_one_sort(found[(*key[:3], one)].value, fact.value, fact.attribute)
                ]
                for other in gone:
                    if found[(*key[:3], other)].until is None:
                        found[(*key[:3], other)] = replace(found[(*key[:3], other)], until=since)
                holding[key[:3]] = [*(one for one in held if one not in {*gone, fact.key}), fact.key]
    return list(found.values())


def _of_several(said: Iterable[Said]) -> set[str]:
    """Return the subjects of whom there are several by name, such as "brother of ana"."""
    names: dict[str, set[str]] = {}
    for one in said:
        for fact in one.facts:
            if fact.called:
                names.setdefault(fact.subject, set()).add(fold_name(fact.called))
    return {subject for subject, some in names.items() if len(some) > 1}


def _subject(fact: KnownFact) -> str:
    """Return of whom a fact is as it is told: "brother Tom of ana"."""
    relation, of, whose = fact.subject.partition(" of ")
    return f"{relation} {fact.called}{of}{whose}" if fact.called else fact.subject


def name_in(speakers: Iterable[tuple[str | None, str | None]], user_id: str) -> str:
    """Return the name under which a user speaks, from (speaker, role) of the memories.

    It is the most frequent of those who speak as user. Where none has a name, a speaker without a role may be anybody: the name
    is the one that is the user's id; or the only one there is, unless the user speaks without one. Else it is "user". What an
    assistant or a tool says has a name that is not the user's.

    >>> name_in([("Ana", "user"), ("Ana", None), ("Bot", "assistant"), ("user", "user"), (None, None)], "u1")
    'Ana'
    >>> name_in([("Bot", "assistant"), (None, "user")], "u1")
    'user'
    >>> name_in([("Ben", None)] * 3 + [("Ana", "user")] * 2, "u1")
    'Ana'
    >>> beside = [("Ben", None)] * 3 + [("Ana", None)] * 2
    >>> name_in(beside, "ana"), name_in(beside, "u1"), name_in([("Ana", None), ("ana", None), ("Ana", None)], "u1")
    ('Ana', 'user', 'Ana')
    >>> name_in([("Ben", None), (None, "user")], "u1"), name_in([("Ben", None), ("user", "user")], "u1")
    ('user', 'user')
    """
    said = list(speakers)
    named = [(name, role) for name, role in said if name and name.casefold() not in ROLES]
    bare = [name for name, role in named if role is None]
    mine = [name for name, role in named if role == USER]
    mine = mine or [name for name in bare if fold_name(name) == fold_name(user_id)]
    if not mine and len({fold_name(name) for name in bare}) == 1 and all(role != USER for _, role in said):
        mine = bare
    times = Counter(mine)
    return min(times, key=lambda name: (-times[name], name), default=USER)


def static_lines(
    facts: Sequence[KnownFact], *, now: datetime, settings: ProfileSettings = DEFAULT
) -> list[dict[str, Any]]:
    """Say what holds, those facts first that most memories say and then the newest, as JSON.

    >>> from datetime import UTC
    >>> then, now = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    >>> one, two = UUID(int=1), UUID(int=2)
    >>> facts = [KnownFact("Ana", "home", "Porto", (one,), until=then), KnownFact("Ana", "home", "Lisbon", (two,), since=then)]
    >>> [(line["subject"], line["attribute"], line["value"]) for line in static_lines(facts, now=now)]
    [('Ana', 'home', 'Lisbon')]
    """
    holding = [fact for fact in facts if fact.until is None or fact.until > now]
    holding.sort(
        key=lambda f: (-len(f.memory_ids), -(f.since.timestamp() if f.since else 0.0), f.subject, f.attribute, f.value)
    )
    return [
        {
            "section": STATIC,
            "text": f"{_subject(fact)}: {fact.attribute.replace('_', ' ')} {fact.value}",
            "subject": fact.subject,
            "attribute": fact.attribute,
            "value": fact.value,
            "since": fact.since.isoformat() if fact.since else None,
            "spans": [[str(id), *place] for id, *place in fact.spans],
            "memory_ids": sorted({str(id) for id in fact.memory_ids}),
        }
        for fact in holding[: settings.facts]
    ]


def recent_lines(happenings: Sequence[Happening], *, settings: ProfileSettings = DEFAULT) -> list[dict[str, Any]]:
    """Tell the latest episodes, the newest first, as JSON."""
    if not happenings:
        return []
    since = max(one.ends for one in happenings) - settings.recent
    latest = sorted((one for one in happenings if one.ends >= since), key=lambda one: (one.ends, one.episode_id))
    return [
        {
            "section": RECENT,
            "text": one.text,
            "episode_id": str(one.episode_id),
            "ends": one.ends.isoformat(),
            "spans": [[str(id), version, start, end] for id, version, start, end in one.spans],
            "memory_ids": sorted({str(span[0]) for span in one.spans}),
        }
        for one in reversed(latest[-settings.episodes :])
    ]


def _what_is_said(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return lines without the places where rules found what lasts: the same said in a corrected text is the same."""
    return [{**line, "spans": None} if line["section"] == STATIC else dict(line) for line in lines]


def rules_only(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines that rules made."""
    return [dict(line) for line in lines if line["section"] != TOLD]


def cited(lines: Iterable[Mapping[str, Any]]) -> list[UUID]:
    """Return the memories that lines name."""
    return sorted({UUID(id) for line in lines for id in line["memory_ids"]})


def told_of(lines: Iterable[Mapping[str, Any]]) -> set[UUID]:
    """Return the memories that those lines cite which a model told."""
    return set(cited(line for line in lines if line["section"] == TOLD))


def stands(line: Mapping[str, Any], versions: Mapping[UUID, int]) -> bool:
    """Say whether a line of a model still cites texts as they are; lines of rules are worked out anew by every run.

    >>> one = UUID(int=1)
    >>> line = {"section": TOLD, "spans": [[str(one), 2, 0, 9]]}
    >>> stands(line, {one: 2}), stands(line, {one: 3}), stands(line, {})
    (True, False, False)
    """
    return line["section"] != TOLD or _as_cited(line, versions)


def _as_cited(line: Mapping[str, Any], versions: Mapping[UUID, int]) -> bool:
    return all(versions.get(UUID(id)) == version for id, version, *_ in line["spans"])


def corrected(lines: Iterable[Mapping[str, Any]], live: Mapping[UUID, int]) -> list[UUID]:
    """Return the live memories whose text is another than that in which rules found what they told.

    >>> one, two = UUID(int=1), UUID(int=2)
    >>> line = {"section": STATIC, "spans": [[str(one), 1, 0, 9], [str(two), 1, 0, 9]]}
    >>> corrected([line], {one: 1, two: 2}) == [two]
    True
    """
    spans = [span for line in lines if line["section"] == STATIC for span in line.get("spans", ())]
    return sorted({UUID(id) for id, version, *_ in spans if live.get(UUID(id), version) != version})


def still_said(
    line: Mapping[str, Any],
    versions: Mapping[UUID, int],
    live: Mapping[UUID, int],
    holding: Collection[UUID],
    anew: Mapping[UUID, Sequence[Fact]] | None = None,
) -> dict[str, Any] | None:
    """Return a line as it stands since it was written, with the memories that still say so; None where none does.

    Args:
        line: of a profile.
        versions: of the texts that a model cited, where they stand.
        live: the versions of the texts of the memories that are not archived, expired or gone.
        holding: those of the live ones whose validity has not ended.
        anew: what texts state that were corrected since, as far as they have been read.

    >>> one, two = UUID(int=1), UUID(int=2)
    >>> line = {"section": STATIC, "memory_ids": [str(one), str(two)], "spans": [[str(one), 1, 0, 9], [str(two), 1, 0, 9]]}
    >>> still_said(line, {}, {one: 1, two: 1}, {two})["memory_ids"] == [str(two)]
    True
    >>> print(still_said(line, {}, {one: 1, two: 1}, set()), still_said(line, {}, {one: 2, two: 2}, {one, two}))
    None None
    """
    named = [UUID(id) for id in line["memory_ids"]]
    if line["section"] == STATIC:
        read = {UUID(id): version for id, version, *_ in line.get("spans", ())}  # older lines have none
        left = [
            str(id)
            for id in named
            if id in holding and (live[id] == read.get(id, live[id]) or _states((anew or {}).get(id, ()), line))
        ]
        return {**line, "memory_ids": left} if left else None
    if line["section"] == RECENT:
        return dict(line) if _as_cited(line, live) and all(id in live for id in named) else None
    return dict(line) if stands(line, versions) else None


def _states(facts: Sequence[Fact], line: Mapping[str, Any]) -> bool:
    """Say whether a text states what a line says; facts as they are kept do not say which of several brothers is meant."""
    return any(
        (fact.subject, fact.attribute, fact.value) == (line["subject"], line["attribute"], line["value"])
        and line["text"].startswith(f"{fact.subject}: ")
        and fact.positive
        and not fact.ended
        for fact in facts
    )
