"""Arguments that several tools share, with the words that explain them to a model."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

MemoryId = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
Namespace = Annotated[
    str | None,
    Field(
        max_length=256,
        pattern=r"^[A-Za-z0-9._@:-]+(/[A-Za-z0-9._@:-]+)*$",
        description="Which store of memories, such as 'projects/apollo'. Leave it out for the usual one.",
    ),
]
UserId = Annotated[
    str | None,
    Field(min_length=1, max_length=256, description="Whom it is about. Leave it out unless you serve several users."),
]
SessionId = Annotated[str | None, Field(min_length=1, max_length=256, description="The conversation it belongs to.")]
MemoryType = Literal["working", "episodic", "semantic", "procedural", "core"]
Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=64)]
Query = Annotated[
    str,
    Field(min_length=1, max_length=4096, description="A question or topic in plain words, with the names that matter."),
]
Moment = Annotated[AwareDatetime | None, Field(description="RFC 3339 with a zone, such as 2026-05-01T00:00:00Z.")]
