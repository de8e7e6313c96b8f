"""Ids in paths: to a client they are opaque, so one that no record can have is as unknown as one that no record has."""

from collections.abc import Mapping, Sequence
from typing import Any

from memory_service.errors import NotFound

# The word before `_not_found` in the code of an unknown id, by the parameter of the path; records without a code of their own
# answer `not_found`.
NOUNS: dict[str, str] = {
    **{f"{noun}_id": noun for noun in ("memory", "task", "document", "entity", "episode", "topic", "community")},
    **{f"{noun}_id": noun for noun in ("review", "changeset", "link", "webhook", "delivery", "erasure", "tenant")},
    "search_id": "trace",
}


def unknown_id(errors: Sequence[Mapping[str, Any]]) -> NotFound | None:
    """Return the error for an id in the path that is no UUID, None where something else is wrong, or wrong as well.

    What is wrong with the rest of a request is said first, as it is to who asks about an id that no record has.
    """
    if not errors or any(e["type"] != "uuid_parsing" or e["loc"][0] != "path" for e in errors):
        return None
    name = str(errors[0]["loc"][1])
    noun = NOUNS.get(name)
    if noun is None:
        return NotFound("There is nothing of this id in this tenant.")
    return NotFound(f"There is no {noun} of this id.", code=f"{noun}_not_found")
