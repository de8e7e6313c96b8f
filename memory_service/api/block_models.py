"""Bodies and answers of the calls on core memory blocks."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, field_validator, model_validator

from memory_service.api.fields import Flag, LongText, Metadata, Number, ShortText
from memory_service.api.strict_json import Body
from memory_service.errors import TooLarge
from memory_service.lifecycle.blocks import DEFAULT_LIMIT, MAX_LIMIT

LABEL = r"^[A-Za-z0-9._@:-]{1,64}$"

Characters = Annotated[int, Number, Field(ge=1, le=MAX_LIMIT)]


def _fits_the_largest(value: str) -> str:
    if len(value) > MAX_LIMIT:
        # Not a ValueError: it passes through the validator and answers 413.
        raise TooLarge(
            f"No block holds more than {MAX_LIMIT:,} characters; what is long belongs into memories or documents.",
            code="block_too_long",
        )
    return value


BlockText = Annotated[str, AfterValidator(_fits_the_largest)]
Passage = Annotated[str, StringConstraints(min_length=1), AfterValidator(_fits_the_largest)]


class AddressedIn(Body):
    """Where a block is found, as far as the body says it; query parameters say the same."""

    namespace: str | None = None
    user_id: ShortText | None = None
    agent_id: ShortText | None = None


class BlockIn(AddressedIn):
    """A whole block; what is not said is as a new block has it."""

    value: BlockText
    description: LongText | None = None
    limit: Annotated[Characters, Field(description="How many characters the value may have.")] = DEFAULT_LIMIT
    read_only: Flag = False
    metadata: Metadata = {}
    edited_by: Annotated[ShortText | None, Field(description="Who makes this change, for the history.")] = None

    def content(self) -> dict[str, Any]:
        """Return the state that the body describes."""
        return {
            "value": self.value,
            "description": self.description,
            "max_characters": self.limit,
            "read_only": self.read_only,
            "metadata": self.metadata,
        }


class ReplaceIn(Body):
    """A passage that stands in the block exactly once, and what is to stand there instead."""

    old: Passage
    new: BlockText


class BlockPatch(AddressedIn):
    """What to change in a block: its value as a whole or by one precise edit, and what is said about it."""

    value: BlockText = ""
    append: Annotated[Passage, Field(description="A text to add at the end, on a line of its own.")] = ""
    replace: ReplaceIn | None = None
    description: LongText | None = None
    limit: Characters = DEFAULT_LIMIT
    read_only: Flag = False
    metadata: Metadata = {}
    edited_by: ShortText | None = None

    @field_validator("replace")
    @classmethod
    def _replaces_something(cls, replace: ReplaceIn | None) -> ReplaceIn:
        if replace is None:
            raise ValueError("replace cannot be null")
        return replace

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        said = self.model_fields_set
        edits = [name for name in ("value", "append", "replace") if name in said]
        if len(edits) > 1:
            raise ValueError(f"takes one of {' and '.join(edits)}, not both")
        if not said - {"namespace", "user_id", "agent_id", "edited_by"}:
            raise ValueError("names no field to change")
        return self

    def changes(self) -> dict[str, Any]:
        """Return what changes beside the value, as columns of a state."""
        columns = {
            "limit": "max_characters",
            "description": "description",
            "read_only": "read_only",
            "metadata": "metadata",
        }
        return {column: getattr(self, name) for name, column in columns.items() if name in self.model_fields_set}


class BlockOut(BaseModel):
    """A core memory block."""

    id: UUID
    label: str
    namespace: str
    user_id: str | None
    agent_id: str | None
    value: str
    description: str | None
    limit: int
    characters: int
    read_only: bool
    metadata: dict[str, Any]
    edited_by: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class BlocksOut(BaseModel):
    """A page of blocks, the newest first."""

    data: list[BlockOut]
    next_cursor: str | None
    has_more: bool


class BlockVersionOut(BaseModel):
    """A state of a block, and while it was the known one."""

    value: str
    description: str | None
    limit: int
    characters: int
    read_only: bool
    metadata: dict[str, Any]
    edited_by: str | None
    version: int
    operation: str
    archived: bool
    known_from: datetime
    known_to: datetime | None


class BlockVersionsOut(BaseModel):
    """A page of states of a block, the newest first."""

    data: list[BlockVersionOut]
    next_cursor: str | None
    has_more: bool
