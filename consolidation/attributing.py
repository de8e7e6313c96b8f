"""Who speaks by the name before a text, where the caller left it open and a namespace knows more than one text shows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.analysis.attribution import Utterance, Voice, attributed, conversing, names_somebody
from memory_service.lifecycle.draft import keeps_out
from memory_service.storage import entities, speaking
from memory_service.storage.redactions import redactors_in
from memory_service.types import SourceKind

BEFORE: Final = 50  # texts of a namespace that may show that a name speaks
_SAID: Final = (None, SourceKind.USER, SourceKind.ASSISTANT)  # documents and tools tell, nobody says it
LOOKED_BACK: Final = 500  # texts that are read again when a name turns out to speak, the newest


def with_voices(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows of memories with who speaks filled in where it is left open and the text and its namespace tell it.

    What was said in a namespace before is looked at only where a text begins as if somebody were named. Where a name turns out
    to speak, earlier texts that may begin with it wait to be read again.
    """
    open_in = defaultdict[UUID, list[int]](list)
    for place, row in enumerate(rows):
        if row["speaker"] is None and row["source_kind"] in _SAID and names_somebody(row["content"]):
            open_in[row["namespace_id"]].append(place)
    found = list(rows)
    known = entities.speakers_in(session, tenant_id, open_in) if open_in else {}
    for namespace_id, places in open_in.items():
        redactor = redactors_in(session).by_id.get(namespace_id)
        names = known.get(namespace_id, [])
        ids = [rows[place]["id"] for place in places]
        earlier = speaking.said_before(session, tenant_id, namespace_id, before=min(ids), limit=BEFORE)
        said = [Utterance(rows[place]["content"], role=rows[place]["role"]) for place in places]
        before = [Utterance(one.text, role=one.role) for one in earlier]
        voices = attributed(said, names, before=before)
        new = {
            name for name in conversing([*before, *said]) if name not in names and not keeps_out(redactor, Voice(name))
        }
        for place, voice in zip(places, voices, strict=True):
            if voice is None or keeps_out(redactor, voice):
                continue
            found[place] = {**rows[place], "speaker": voice.speaker, "role": rows[place]["role"] or voice.role}
        if new:
            noted = speaking.note_speakers(session, tenant_id, namespace_id, sorted(new))
            speaking.read_again(session, tenant_id, namespace_id, noted, before=min(ids), limit=LOOKED_BACK)
    return found
