"""Who speaks by the name before each of some texts that are stored together, and from where such a text is encoded."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.analysis.attribution import Utterance, Voice, attributed, names_somebody, said_from
from memory_service.storage.entities import speakers_in
from memory_service.storage.namespaces import find_namespaces
from memory_service.storage.sql import Row
from memory_service.types import Extract


@dataclass(frozen=True, slots=True)
class Hearing:
    """What a namespace tells of who speaks in its texts: those known to speak there, and whether anything is read at all."""

    known: Collection[str] = ()
    reads: bool = True


NOTHING_HEARD = Hearing()

Listen = Callable[[Collection[str]], Mapping[str, Hearing]]  # by path; one that is not there yet is absent


def hearing_at(session: Session, tenant_id: UUID, paths: Collection[str]) -> dict[str, Hearing]:
    """Return what namespaces tell of who speaks, by path."""
    spaces = find_namespaces(session, tenant_id, paths)
    known = speakers_in(session, tenant_id, [space.id for space in spaces.values()]) if spaces else {}
    return {
        path: Hearing(known.get(space.id, ()), space.settings.get("extract") != Extract.NONE)
        for path, space in spaces.items()
    }


def voices_of(said: Sequence[tuple[str, Utterance]], listen: Listen) -> list[Voice | None]:
    """Return who speaks by the name before each text; what goes to one namespace tells of each other.

    Args:
        said: The path of its namespace, and the text.
        listen: Returns what namespaces tell; asked only of those where a text begins as if somebody were named.
    """
    found: list[Voice | None] = [None] * len(said)
    naming = {path for path, one in said if not one.speaker and names_somebody(one.text)}
    heard = listen(naming) if naming else {}
    for path in naming:
        hearing = heard.get(path, NOTHING_HEARD)
        if not hearing.reads:
            continue
        places = [place for place, (other, _) in enumerate(said) if other == path]
        voices = attributed([said[place][1] for place in places], hearing.known)
        for place, voice in zip(places, voices, strict=True):
            found[place] = voice
    return found


def start_of(one: Utterance, voice: Voice | None) -> int:
    """Return from which character a text is encoded: behind the name of who says it, whoever says so."""
    heard = [one.speaker, one.role] if voice is None else [one.speaker, one.role, voice.speaker, voice.role]
    return said_from(one.text, heard)


def computed_voice(row: Row) -> Voice | None:
    """Return who speaks in a stored memory as far as that was read, not stated."""
    speaker, role = (row[name] if name in row["computed"] else None for name in ("speaker", "role"))
    return Voice(speaker, role) if speaker or role else None
