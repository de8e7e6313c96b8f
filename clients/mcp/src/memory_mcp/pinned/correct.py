"""Tool `correct`: replace what has changed, or repair what was recorded wrongly."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from memory_client import Memory
from pydantic import AwareDatetime, Field

from memory_mcp.failures import ToolFailure
from memory_mcp.items import Item, item_of
from memory_mcp.pinned.fields import MemoryId, Tags
from memory_mcp.pinned.finding import get_within
from memory_mcp.pinned.remember import LONGEST_CONTENT
from memory_mcp.quoting import quote
from memory_mcp.tool import Answer, Arguments, Caller, Hints, Structured, Tool

# What a replacement takes over from the memory it replaces, beyond what the service itself passes on.
PASSED_ON = ("title", "context", "tags", "entities", "metadata")


class CorrectArguments(Arguments):
    """What is to be said instead."""

    memory_id: Annotated[MemoryId, Field(description="The id from recall.")]
    how: Annotated[
        Literal["replace", "fix"],
        Field(
            description=(
                "replace: it was true and has changed; the old memory stays as history. "
                "fix: it was recorded wrongly; the same memory gets a new version."
            )
        ),
    ] = "replace"
    content: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=LONGEST_CONTENT,
            description="What is true now, as a full sentence. Needed for replace.",
        ),
    ] = None
    tags: Annotated[Tags | None, Field(description="All tags it shall have; the old ones go.")] = None
    valid_from: Annotated[
        AwareDatetime | None,
        Field(description="Since when it is true, RFC 3339 with a zone; for replace, since when it changed."),
    ] = None
    valid_to: Annotated[
        AwareDatetime | None, Field(description="Until when it was true, where nothing took its place.")
    ] = None


class Change(Structured):
    """One field that changed."""

    field: str
    before: Any = None
    after: Any = None


class Corrected(Structured):
    """What it says now and what it said before."""

    status: Literal["replaced", "fixed", "unchanged"]
    memory: Annotated[Item, Field(description="As it is now; after replace it has a new id")]
    previous: Annotated[Item, Field(description="As it was")]
    changes: list[Change]


async def correct(caller: Caller, arguments: CorrectArguments) -> Answer:
    """Replace or repair one memory, unless somebody changed it meanwhile."""
    wanted = arguments.model_dump(exclude={"memory_id", "how"}, exclude_none=True, mode="json")
    if not wanted:
        raise ToolFailure("invalid_arguments", "Say what shall be different: content, tags, valid_from or valid_to.")
    if arguments.how == "replace" and arguments.content is None:
        raise ToolFailure(
            "invalid_arguments",
            "replace needs `content`, what is true now. Where nothing took its place, use how=fix with valid_to.",
        )
    previous = await get_within(caller, arguments.memory_id)
    before = item_of(previous)
    if arguments.how == "fix":
        changed = await caller.client.update(previous.id, if_match=previous.version, **wanted)
    elif arguments.content == previous.content:
        raise ToolFailure("invalid_arguments", "It says exactly this already; there is nothing to replace.")
    else:
        changed = await caller.client.supersede(
            previous.id, if_match=previous.version, **{**_passed_on(previous), **wanted}
        )
    after = item_of(changed)
    return _answer("replaced" if arguments.how == "replace" else "fixed", before, after, wanted)


def _passed_on(previous: Memory) -> dict[str, Any]:
    return {name: value for name in PASSED_ON if (value := getattr(previous, name))}


def _answer(status: Literal["replaced", "fixed"], before: Item, after: Item, wanted: Mapping[str, Any]) -> Answer:
    was, now = before.model_dump(mode="json"), after.model_dump(mode="json")
    changes = [Change(field=name, before=was[name], after=now[name]) for name in wanted if was[name] != now[name]]
    structured = Corrected(status=status if changes else "unchanged", memory=after, previous=before, changes=changes)
    if not changes:
        return Answer(f"Memory {after.id} said so already; nothing changed.", structured)
    if status == "replaced":
        said = f"Replaced: memory {before.id} is outdated, memory {after.id} took its place."
    else:
        said = f"Fixed: memory {after.id} is now version {after.version}."
    return Answer("\n".join([said, *(_line(change) for change in changes)]), structured)


def _line(change: Change) -> str:
    if change.field == "content":
        return f"It said:\n{quote(str(change.before))}\nIt says:\n{quote(str(change.after))}"
    return f"{change.field}:\n{quote(_plain(change.before))}\nnow:\n{quote(_plain(change.after))}"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


CORRECT = Tool(
    name="correct",
    title="Correct",
    description=(
        "Change a memory that is no longer true or was recorded wrongly, and keep its history. Answers what it said and what it "
        "says now.\n"
        "Call recall first and pass the id of the memory that is concerned. Call it when the user corrects you or tells you that "
        "something changed ('I moved to Lisbon').\n"
        "Do not call it to add something new (remember), to remove something (forget), or with an id that is not from recall."
    ),
    hints=Hints(read_only=False, destructive=False, idempotent=False),
    arguments=CorrectArguments,
    answers=Corrected,
    call=correct,
)
