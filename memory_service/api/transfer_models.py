"""Bodies and answers of exports and imports."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from memory_service.api.fields import RawFilter
from memory_service.api.strict_json import Body

Part = Literal[
    "archived", "versions", "retention", "links", "settings", "policies", "blocks", "documents", "embeddings"
]


class ExportIn(Body):
    """What to export; without a namespace everything the tenant has."""

    namespace: str | None = None
    namespaces: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = None
    namespace_prefix: str | None = None
    filter: RawFilter | None = None
    include: list[Part] | None = Field(None, description="parts besides the memories; all but embeddings unless given")


class ImportAccepted(BaseModel):
    """A bundle that waits to be taken in."""

    job_id: UUID
    records: int


class OutcomeOut(BaseModel):
    """What became of one line."""

    line: int
    kind: str
    status: Literal["created", "updated", "skipped", "rejected"]
    id: str | None
    code: str | None
    detail: str | None


class OutcomesOut(BaseModel):
    """A page of outcomes, in the order of the lines."""

    data: list[OutcomeOut]
    next_cursor: str | None
    has_more: bool
