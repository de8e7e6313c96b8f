"""The bodies that mem0's clients send, and how they become bodies of this service's own calls."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from memory_service.analysis.wrapping import LONGEST_STAMP, moment_of
from memory_service.api.compat.mem0.filters import OWNERS, Raw, joined, metadata_field, owners_named, translate
from memory_service.api.compat.mem0.moments import expiry_of, rfc3339_of
from memory_service.api.compat.mem0.parameters import ForeignBody, read_as
from memory_service.api.compat.mem0.scope import MISSING, Owners, owned_by
from memory_service.api.fields import MAX_BATCH_ITEMS, Flag, Metadata, Number, ShortText
from memory_service.api.memory_models import MemoryIn, MemoryPatch
from memory_service.api.problems import invalid_request
from memory_service.api.search_models import MAX_TOP_K, SearchIn, TopK
from memory_service.api.strict_json import Body
from memory_service.errors import FieldError, TooLarge
from memory_service.types import Extract, MemoryType, State

# Gone for those who read, whichever way it went.
PUT_AWAY: Final = [State.ARCHIVED.value, State.MERGED.value]
LIVE_OR_EXPIRED: Final[Raw] = {"state": {"nin": PUT_AWAY}}
# A threshold leaves results out, so that more are looked at than are wanted.
WIDER = 4

Names = Annotated[list[ShortText], Field(max_length=64)]


class OwnedBody(ForeignBody):
    """A body that names whose memories it is about."""

    user_id: ShortText | None = None
    agent_id: ShortText | None = None
    app_id: ShortText | None = None
    run_id: ShortText | None = None

    def owners(self) -> dict[str, str | None]:
        """Return the ids by name."""
        return {name: getattr(self, name) for name in OWNERS}


class AddIn(OwnedBody):
    """Turns to remember."""

    messages: str | dict[str, Any] | list[Any]
    filters: dict[str, Any] | None = None
    metadata: Metadata | None = None
    infer: Flag | None = None
    timestamp: Any = None
    expiration_date: str | None = None
    memory_type: Literal["procedural_memory"] | None = None

    def memories(self, namespace: str) -> list[MemoryIn]:
        """Return one new memory per turn that says something.

        Raises:
            InvalidRequest: a turn is no message, or a value is not allowed.
            TooLarge: as of `POST /v1/memories/batch`.
        """
        owners = Owners.of(self.owners(), self.filters)
        common: dict[str, Any] = {
            "namespace": namespace,
            "user_id": owners.user_id,
            "agent_id": owners.agent_id,
            "session_id": owners.run_id,
            "metadata": owners.metadata(self.metadata),
        }
        when = self._when()
        if when is not None:
            common["observed_at"] = when
        if self.expiration_date is not None:
            common["expires_at"] = expiry_of(self.expiration_date, "/expiration_date")
        if self.infer is False:
            common["extract"] = Extract.NONE
        if self.memory_type is not None:
            common["memory_type"] = MemoryType.PROCEDURAL
        return [_memory(turn, common) for turn in turns_of(self.messages)]

    def _when(self) -> str | None:
        """Return when it was said: mem0's own evaluations say so in the metadata, in words."""
        if self.timestamp is not None:
            return rfc3339_of(self.timestamp, "/timestamp")
        stated = (self.metadata or {}).get("timestamp")
        moment = moment_of(stated) if isinstance(stated, str) and len(stated) <= LONGEST_STAMP else None
        return None if moment is None else moment.isoformat()


def _memory(turn: "Turn", common: Mapping[str, Any]) -> MemoryIn:
    values = {**common, "content": turn["content"], "role": turn["role"], "speaker": turn["name"]}
    at = turn["pointer"]
    places = {
        "content": f"{at}/content" if at != "/messages" else at,
        "role": f"{at}/role",
        "speaker": f"{at}/name",
        "session_id": "/run_id",
        "observed_at": "/timestamp",
        "expires_at": "/expiration_date",
    }
    return read_as(MemoryIn, values, places)


Turn = dict[str, Any]
# What chat completions put beside a text. The text alone is remembered.
_BESIDE = frozenset({"tool_calls", "tool_call_id", "function_call", "refusal", "annotations", "audio"})


def turns_of(messages: str | Mapping[str, Any] | Sequence[Any]) -> list[Turn]:
    """Return the turns that say something: their text, role, name and where they stand.

    System messages are instructions to a model and no memories; mem0 leaves them out, too. So are turns that only call
    a tool.

    >>> [(t["role"], t["content"]) for t in turns_of("I like tea.")]
    [('user', 'I like tea.')]

    Raises:
        InvalidRequest: a turn is no message, or holds what is no text.
        TooLarge: there are more than 1,000.
    """
    if isinstance(messages, str):
        return [{"content": messages, "role": "user", "name": None, "pointer": "/messages"}]
    alone = isinstance(messages, Mapping)
    listed = [messages] if alone else list(messages)
    if len(listed) > MAX_BATCH_ITEMS:
        raise TooLarge(f"One call holds at most {MAX_BATCH_ITEMS:,} messages; send the rest in another call.")
    if not listed:
        raise invalid_request([FieldError("/messages", "is empty")])
    turns = []
    for index, message in enumerate(listed):
        # A message by itself is sent in a list by mem0's own client, too.
        at = "/messages" if alone else f"/messages/{index}"
        turn = _turn(message, at)
        if turn is not None:
            turns.append(turn | {"pointer": at})
    return turns


def _turn(message: Any, at: str) -> Turn | None:
    if isinstance(message, str):
        return {"content": message, "role": "user", "name": None}
    if not isinstance(message, Mapping):
        raise invalid_request([FieldError(at, "is a message such as {role, content}, or a text")])
    unknown = message.keys() - {"role", "content", "name"} - _BESIDE
    if unknown:
        raise invalid_request([FieldError(f"{at}/{sorted(unknown)[0]}", "is no part of a message")])
    role = message.get("role", "user")
    if role == "system":
        return None
    content = message.get("content")
    if content is None and (message.get("tool_calls") or message.get("function_call")):
        return None
    return {"content": _text_of(content, f"{at}/content"), "role": role, "name": message.get("name")}


def _text_of(content: Any, at: str) -> Any:
    """Return the text of a message whose content is a text or parts of one; anything else is refused where it is read."""
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        return content
    texts = []
    for index, part in enumerate(content):
        if not isinstance(part, Mapping) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            detail = "is no text; say in words what an image shows, and post files to /v1/documents"
            raise invalid_request([FieldError(f"{at}/{index}", detail)])
        texts.append(part["text"])
    return "\n".join(texts)


class FilteredIn(OwnedBody):
    """What lists and searches have in common."""

    filters: dict[str, Any] | None = None
    categories: Names | None = None
    fields: Names | None = None
    show_expired: Flag | None = None
    latest_only: Flag | None = None

    def selection(self) -> list[Raw]:
        """Return what must hold of the memories wanted, in the grammar of this service.

        Raises:
            InvalidRequest: nobody is named, or the filter is not of mem0's grammar.
        """
        if not any(self.owners().values()) and not owners_named(self.filters):
            raise invalid_request([FieldError("/filters", MISSING)])
        conditions = [owned_by(self.owners()), translate(self.filters or {})]
        if self.categories:
            conditions.append({"tags": {"in": list(self.categories)}})
        if self.latest_only:
            conditions.append({"superseded_by": {"exists": False}})
        if self.show_expired:
            conditions.append(LIVE_OR_EXPIRED)
        return conditions


class ListIn(FilteredIn):
    """A list of memories."""

    start_date: str | None = None
    end_date: str | None = None

    def selection(self) -> list[Raw]:
        """Return what must hold of the memories wanted, in the grammar of this service."""
        conditions = super().selection()
        if self.start_date is not None:
            conditions.append({"observed_at": {"gte": rfc3339_of(self.start_date, "/start_date")}})
        if self.end_date is not None:
            conditions.append({"observed_at": {"lte": rfc3339_of(self.end_date, "/end_date", end_of_day=True)}})
        return conditions


class FindIn(FilteredIn):
    """A search."""

    query: str
    top_k: TopK | None = None
    limit: TopK | None = None
    threshold: Annotated[float, Number, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    rerank: Flag | None = None
    reference_date: Any = None
    metadata: Metadata | None = None

    @property
    def wanted(self) -> int:
        """How many results are wanted at most."""
        return self.top_k or self.limit or 10

    def search(self, namespace: str) -> SearchIn:
        """Return the search of this service.

        Raises:
            InvalidRequest: a value is not allowed.
        """
        conditions = [*self.selection(), *({metadata_field(k): {"eq": v}} for k, v in (self.metadata or {}).items())]
        values: dict[str, Any] = {
            "query": self.query,
            "namespace": namespace,
            "filter": joined(conditions),
            "top_k": min(self.wanted * WIDER, MAX_TOP_K) if self.threshold else self.wanted,
            **({"preset": "thorough"} if self.rerank else {}),
            "include": ["archived"] if self.show_expired else [],
        }
        if self.reference_date is not None:
            values["now"] = rfc3339_of(self.reference_date, "/reference_date")
        return read_as(SearchIn, values, {"filter": "/filters", "now": "/reference_date"})


class UpdateIn(ForeignBody):
    """What is to change of a memory."""

    text: str | None = None
    data: str | None = None
    metadata: Metadata | None = None
    timestamp: Any = None
    expiration_date: str | None = None

    def changes(self, *, pointer: str = "") -> dict[str, Any]:
        """Return the changed fields by our names; metadata are what is to be added to those there are.

        Raises:
            InvalidRequest: nothing is to change, or a value is not allowed.
        """
        content = self.text if self.text is not None else self.data
        values: dict[str, Any] = {}
        if content is not None:
            values["content"] = content
        if self.metadata is not None:
            values["metadata"] = self.metadata
        if self.timestamp is not None:
            values["observed_at"] = rfc3339_of(self.timestamp, f"{pointer}/timestamp")
        if "expiration_date" in self.model_fields_set:
            given = self.expiration_date
            values["expires_at"] = None if given is None else expiry_of(given, f"{pointer}/expiration_date")
        if not values:
            detail = "names nothing to change: text, metadata, timestamp or expiration_date"
            raise invalid_request([FieldError(pointer, detail)])
        places = {"content": f"{pointer}/text", "metadata": f"{pointer}/metadata"}
        return read_as(MemoryPatch, values, places).changes()


class BatchUpdateItem(UpdateIn):
    """One memory to change, with others."""

    memory_id: str


class BatchUpdateIn(ForeignBody):
    """Memories to change; all of them or none."""

    memories: Annotated[list[BatchUpdateItem], Field(min_length=1, max_length=MAX_BATCH_ITEMS)]


class BatchDeleteItem(Body):
    """One memory to delete, with others."""

    memory_id: str


class BatchDeleteIn(ForeignBody):
    """Memories to delete; all of them or none."""

    memories: Annotated[list[BatchDeleteItem], Field(min_length=1, max_length=MAX_BATCH_ITEMS)]


class VerdictIn(ForeignBody):
    """What a person thinks of a memory; without a verdict nothing is changed."""

    memory_id: str
    feedback: Literal["POSITIVE", "NEGATIVE", "VERY_NEGATIVE"] | None = None
    feedback_reason: str | None = None
