"""Bodies and answers of the calls on task trees."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, BaseModel, Field, StringConstraints, model_validator

from memory_service.api.fields import Flag, Metadata, Number, ShortText, Time, Value, not_blank
from memory_service.api.strict_json import Body
from memory_service.lifecycle.task_tree import NewTask
from memory_service.types import TaskStatus

LAST_VERSION = 2**31 - 2  # One more must still be an integer to Postgres.

Title = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(not_blank)]
Outcome = Annotated[str, StringConstraints(max_length=4096), AfterValidator(not_blank)]
Dependencies = Annotated[list[UUID], Field(max_length=64)]
SessionId = Annotated[ShortText | None, Field(validation_alias=AliasChoices("session_id", "run_id"))]


class TaskIn(Body):
    """A task to make: a root in a namespace, or a child of another task."""

    title: Title
    input: Annotated[Value, Field(description="What it is about: text or any JSON.")] = None
    namespace: Annotated[str | None, Field(description="Of a root `default`; a child lies where its parent does.")] = (
        None
    )
    parent_id: UUID | None = None
    depends_on: Annotated[Dependencies, Field(description="Tasks of the namespace that must succeed before.")] = []
    user_id: ShortText | None = None
    agent_id: ShortText | None = None
    session_id: SessionId = None
    metadata: Metadata = {}

    def task(self) -> NewTask:
        """Return what to make."""
        return NewTask(
            title=self.title,
            input=self.input,
            parent_id=self.parent_id,
            depends_on=tuple(self.depends_on),
            user_id=self.user_id,
            agent_id=self.agent_id,
            session_id=self.session_id,
            metadata=self.metadata,
        )


class TaskPatch(Body):
    """Fields to change; a field that is absent stays. A task ends with a call of `/close`."""

    title: Title = ""
    input: Value = None
    output: Annotated[Value, Field(description="What there is of a result so far.")] = None
    status: Literal["open", "running"] = "open"
    depends_on: Dependencies = []
    metadata: Metadata = {}

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("names no field to change")
        return self

    def changes(self) -> dict[str, Any]:
        """Return the named fields and their new values."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


class CloseIn(Body):
    """How a task ended."""

    status: Literal["succeeded", "failed", "cancelled"] = "succeeded"
    output: Annotated[Value, Field(description="The result; when left out, what PATCH has said.")] = None
    outcome: Annotated[Outcome | None, Field(description="The result in a sentence, which contexts show instead.")] = (
        None
    )
    force: Annotated[Flag, Field(description="Cancel what is unfinished below it.")] = False


class RollbackIn(Body):
    """How far back: to the end of a version of the task, to a time, or with neither to the beginning."""

    version: Annotated[int, Number, Field(ge=1, le=LAST_VERSION)] | None = None
    to: Time | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.version is not None and self.to is not None:
            raise ValueError("takes one of version and to, not both")
        return self


class ReplaceIn(Body):
    """Another plan; what is not said is as the old task has it."""

    title: Title = "-"
    input: Value = None
    depends_on: Dependencies = []
    agent_id: ShortText | None = None
    session_id: SessionId = None
    metadata: Metadata = {}

    def task(self) -> NewTask:
        """Return what is said of the new task."""
        return NewTask(
            title=self.title,
            input=self.input,
            depends_on=tuple(self.depends_on),
            agent_id=self.agent_id,
            session_id=self.session_id,
            metadata=self.metadata,
        )


class ChildrenOut(BaseModel):
    """How many children a task has; those that were replaced or rolled back do not count."""

    open: int
    closed: int


class TaskStateOut(BaseModel):
    """What one version of a task says."""

    title: str
    input: Any
    output: Any
    outcome: str | None
    status: TaskStatus
    metadata: dict[str, Any]
    depends_on: list[UUID]
    superseded_by: UUID | None
    version: int
    closed_at: datetime | None


class TaskOut(TaskStateOut):
    """A node of a task tree."""

    id: UUID
    namespace: str
    user_id: str | None
    agent_id: str | None
    session_id: str | None
    parent_id: UUID | None
    root_id: UUID
    depth: int
    ready: bool
    children: ChildrenOut
    replaces: UUID | None
    created_at: datetime
    updated_at: datetime


class TasksOut(BaseModel):
    """A page of tasks, the newest first."""

    data: list[TaskOut]
    next_cursor: str | None
    has_more: bool


class TaskVersionOut(TaskStateOut):
    """A state of a task, and while it was the known one."""

    operation: str
    known_from: datetime
    known_to: datetime | None


class TaskVersionsOut(BaseModel):
    """A page of states of a task, the newest first."""

    data: list[TaskVersionOut]
    next_cursor: str | None
    has_more: bool


class ClosedOut(TaskOut):
    """A task that was closed, and what was cancelled with it."""

    cancelled: list[UUID]


class UndoneOut(BaseModel):
    """One task that a rollback changed."""

    task_id: UUID
    title: str
    action: Literal["restored", "discarded"]
    status_before: TaskStatus
    status: TaskStatus
    version_before: int
    version: int
    restored_version: int | None


class RolledBackOut(TaskOut):
    """A task that was rolled back, what that undid, and which tasks outside the subtree depend on what was undone."""

    undone: list[UndoneOut]
    affected: list[UUID]


class TaskItemOut(BaseModel):
    """One line of a context."""

    kind: Literal["path", "task", "dependency", "sibling", "step_done", "step_open", "memory"]
    task_id: UUID | None
    memory_id: UUID | None
    status: TaskStatus | None
    text: str
    cut: bool


class TaskContextOut(BaseModel):
    """What an agent needs to work on a task, within a budget."""

    task_id: UUID
    version: int
    text: str
    tokens: int
    items: list[TaskItemOut]
    left_out: int
    search_id: UUID | None
