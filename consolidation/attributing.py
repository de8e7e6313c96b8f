"""Who speaks by the name before a text, where the caller left it open and a namespace knows more than one text shows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.analysis.attribution import Utterance, attributed, names_somebody
from memory_service.storage import entities


def with_voices(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows of memories with who speaks filled in where it is left open and the text and its namespace tell it.

    Who speaks there by now is looked up only where a text begins as if somebody were named.
    """
    open_in = defaultdict[UUID, list[int]](list)
    for place, row in enumerate(rows):
        if row["speaker"] is None and names_somebody(row["content"]):
            open_in[row["namespace_id"]].append(place)
    if not open_in:
        return list(rows)
    known = entities.speakers_in(session, tenant_id, open_in)
    found, new = list(rows), set[tuple[UUID, str]]()
    for namespace_id, places in open_in.items():
        said = [Utterance(rows[place]["content"], role=rows[place]["role"]) for place in places]
        for place, voice in zip(places, attributed(said, known.get(namespace_id, ())), strict=True):
            if voice is None:
                continue
            found[place] = {**rows[place], "speaker": voice.speaker, "role": rows[place]["role"] or voice.role}
            if voice.speaker is not None:
                new.add((namespace_id, voice.speaker))
    entities.note_speakers(session, tenant_id, sorted(new))
    return found
