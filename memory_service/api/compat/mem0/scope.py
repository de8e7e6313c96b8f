"""Whose memories a call of mem0 is about: user, agent, app and run."""

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from memory_service.api.compat.mem0.filters import ANY, APP_ID, OWNERS, Raw, joined, translate
from memory_service.api.problems import invalid_request
from memory_service.errors import FieldError

MISSING: Final = (
    "Name at least one of user_id, agent_id, app_id and run_id, as mem0 asks: otherwise a forgotten filter would show "
    'the memories of everybody. "*" stands for any.'
)
MAX_WRITTEN: Final = 4_096  # characters


@dataclass(frozen=True, slots=True)
class Owners:
    """The ids that a call names; app_id is kept in the metadata, run_id is our session_id."""

    user_id: str | None = None
    agent_id: str | None = None
    app_id: str | None = None
    run_id: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any], filters: Any, *, pointer: str = "/filters") -> Self:
        """Return the ids of a new memory, which stand beside it or in `filters`.

        Raises:
            InvalidRequest: none is given, one is given twice or differently, or `filters` says something else.
        """
        named = {name: given[name] for name in OWNERS if given.get(name) is not None}
        if filters is not None and not isinstance(filters, Mapping):
            raise invalid_request([FieldError(pointer, 'is an object such as {"user_id": "ada"}')])
        for name, value in (filters or {}).items():
            if name not in OWNERS:
                raise invalid_request(
                    [FieldError(f"{pointer}/{name}", f"may name {', '.join(OWNERS)} of a new memory")]
                )
            if value is None:
                continue
            if not isinstance(value, str) or not value:
                raise invalid_request([FieldError(f"{pointer}/{name}", "is the id of one, as a string")])
            if named.get(name, value) != value:
                raise invalid_request([FieldError(f"{pointer}/{name}", f"differs from {name} beside it")])
            named[name] = value
        if not named:
            raise invalid_request([FieldError("/user_id", MISSING)])
        for name, value in named.items():
            if value == ANY:
                raise invalid_request([FieldError(f"/{name}", "is the id of one; * stands for any in filters only")])
        return cls(**named)

    def metadata(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the metadata of a memory of these.

        Raises:
            InvalidRequest: the metadata say another app_id.
        """
        kept = dict(given or {})
        if self.app_id is not None:
            if kept.get(APP_ID, self.app_id) != self.app_id:
                raise invalid_request([FieldError(f"/metadata/{APP_ID}", "differs from app_id beside it")])
            kept[APP_ID] = self.app_id
        return kept


def owned_by(given: Mapping[str, Any]) -> Raw:
    """Return the filter for the memories of the ids that are given; nothing when none is.

    >>> owned_by({"user_id": "ada", "run_id": "*", "agent_id": None})
    {'AND': [{'user_id': {'eq': 'ada'}}, {'session_id': {'exists': True}}]}
    """
    named = [{name: given[name]} for name in OWNERS if given.get(name) is not None]
    return joined([translate(one, pointer="") for one in named])


def written_ids(filters: str | None) -> dict[str, str]:
    """Return the ids of a query parameter that holds an object.

    mem0's client puts a dictionary into the address as Python writes one.

    >>> written_ids("{'user_id': 'ada'}"), written_ids('{"run_id": "r"}'), written_ids(None)
    ({'user_id': 'ada'}, {'run_id': 'r'}, {})

    Raises:
        InvalidRequest: it is no object of ids.
    """
    if filters is None:
        return {}
    read: Any = None
    if len(filters) <= MAX_WRITTEN:
        try:
            read = json.loads(filters)
        except (ValueError, RecursionError):
            try:
                read = ast.literal_eval(filters)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                read = None
    if not isinstance(read, dict) or not all(
        name in OWNERS and isinstance(value, str) and value and "\0" not in value for name, value in read.items()
    ):
        raise invalid_request([FieldError("?filters", 'is an object of ids such as {"user_id": "ada"}')])
    return read
