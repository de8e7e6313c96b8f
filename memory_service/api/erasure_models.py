"""Erasures as a request asks for them and as answers draw them."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from memory_service.api.fields import Flag, RawFilter, ShortText, selects_everything
from memory_service.api.memory_models import SessionId
from memory_service.api.strict_json import Body


class ErasureIn(Body):
    """What is to be erased: what a filter selects, some memories, or all that belongs to somebody."""

    filter: RawFilter | None = None
    ids: Annotated[list[Any], Field(min_length=1, max_length=1000)] | None = None
    user_id: ShortText | None = None
    agent_id: ShortText | None = None
    session_id: SessionId = None
    namespace: str | None = None
    dry_run: Flag = False

    @model_validator(mode="after")
    def _selects(self) -> Self:
        if [self.filter is not None, self.ids is not None, bool(self.scope)].count(True) != 1:
            raise ValueError("needs one of filter, ids, and user_id, agent_id or session_id")
        if selects_everything(self.filter) and self.namespace is None:
            raise ValueError("selects everything: name the namespace that is to be emptied")
        return self

    @property
    def scope(self) -> dict[str, str]:
        """Return the columns by which somebody is named."""
        named = {"user_id": self.user_id, "agent_id": self.agent_id, "session_id": self.session_id}
        return {name: value for name, value in named.items() if value is not None}


class DerivedOut(BaseModel):
    """What was made of the memories."""

    memories: int
    rebuilt: dict[str, int]


class PreviewOut(BaseModel):
    """What an erasure would remove: rows by table."""

    dry_run: Literal[True]
    matched: int
    changed: int
    memories: int
    derived: DerivedOut
    counts: dict[str, int]
    truncated: bool


class BegunOut(BaseModel):
    """An erasure that is under way."""

    job_id: UUID
    erasure_id: UUID


class TallyOut(BaseModel):
    """Memories that were erased, how many of them as derived, and how many were not there."""

    erased: int
    derived: int
    absent: int


class ListedErasureOut(BaseModel):
    """A receipt without its ids."""

    id: UUID
    status: Literal["queued", "running", "succeeded", "failed", "cancelled", "incomplete"]
    job_id: UUID
    namespace: str | None
    selected_by: Literal["filter", "ids", "scope"]
    selection_hash: str
    requested_by: UUID | None
    requested_at: datetime
    finished_at: datetime | None
    memories: TallyOut
    counts: dict[str, int]
    verified: bool | None
    remains: dict[str, int]


class ErasureOut(ListedErasureOut):
    """A receipt with the first of its ids."""

    memory_ids: list[UUID]
    truncated: bool


class ErasuresOut(BaseModel):
    """A page of receipts, newest first."""

    data: list[ListedErasureOut]
    next_cursor: str | None
    has_more: bool


class ErasureItemOut(BaseModel):
    """What became of one memory."""

    memory_id: UUID
    status: Literal["erased", "absent"]
    derived: bool


class ErasureItemsOut(BaseModel):
    """A page of what became of memories, in order of their ids."""

    data: list[ErasureItemOut]
    next_cursor: str | None
    has_more: bool
