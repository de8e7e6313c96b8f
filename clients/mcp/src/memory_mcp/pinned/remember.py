"""Tool `remember`: store one memory."""

from typing import Annotated, Literal, cast

from memory_client.errors import MemoryClientError, error_of
from memory_client.fields import MemoryItem
from pydantic import AwareDatetime, Field

from memory_mcp.items import Item, heading, item_of
from memory_mcp.pinned.fields import MemoryType, Namespace, SessionId, Tags, UserId
from memory_mcp.quoting import quote
from memory_mcp.tool import Answer, Arguments, Caller, Hints, Structured, Tool

Status = Literal["stored", "already_known"]
LONGEST_CONTENT = 65_536  # the service's limit on one memory, there in bytes


class RememberArguments(Arguments):
    """What is to be remembered."""

    content: Annotated[
        str,
        Field(
            min_length=1,
            max_length=LONGEST_CONTENT,
            description=(
                "One fact, preference, decision or event, as a sentence that is clear without the conversation: "
                "full names instead of 'he', dates instead of 'tomorrow'."
            ),
        ),
    ]
    source: Annotated[
        Literal["user", "assistant", "tool"],
        Field(
            description=(
                "user: the user said it. assistant: you concluded it. tool: it comes from a tool, file or web page; "
                "such texts are checked for hidden instructions."
            )
        ),
    ] = "user"
    memory_type: Annotated[
        MemoryType | None,
        Field(
            description=(
                "semantic: a lasting fact or preference. episodic: something that happened. procedural: how to do something. "
                "core: always relevant. working: for now only."
            )
        ),
    ] = None
    tags: Annotated[Tags | None, Field(description="Words to filter by later.")] = None
    importance: Annotated[
        float | None, Field(ge=0, le=1, description="Leave it out unless you know; it is worked out.")
    ] = None
    observed_at: Annotated[
        AwareDatetime | None,
        Field(description="When it was said or seen, RFC 3339 with a zone. Leave it out for now."),
    ] = None
    valid_from: Annotated[AwareDatetime | None, Field(description="Since when it is true.")] = None
    valid_to: Annotated[AwareDatetime | None, Field(description="Until when it is true.")] = None
    expires_at: Annotated[AwareDatetime | None, Field(description="When it leaves every recall by itself.")] = None
    external_id: Annotated[
        str | None,
        Field(min_length=1, max_length=256, description="An id of yours; the same id again stores nothing."),
    ] = None
    namespace: Namespace = None
    user_id: UserId = None
    session_id: SessionId = None


class Remembered(Structured):
    """What became of it."""

    status: Annotated[Status, Field(description="already_known: it was there; nothing was stored")]
    memory_id: str
    memory: Annotated[Item | None, Field(description="Absent where the key may not read")] = None


async def remember(caller: Caller, arguments: RememberArguments) -> Answer:
    """Store one memory, or find the one that says the same."""
    place = caller.scope.place(namespace=arguments.namespace, user_id=arguments.user_id)
    given = arguments.model_dump(exclude={"source", "namespace", "user_id"}, exclude_none=True, mode="json")
    new = cast(
        MemoryItem,  # The fields of the arguments have its names.
        {
            **given,
            "namespace": place.namespace,
            "user_id": place.user_id,
            "agent_id": place.agent_id,
            "source": {"kind": arguments.source},
        },
    )
    # A batch of one says whether the memory is new, which the answer to a single one leaves to its status.
    (outcome,) = (await caller.client.add_many([new])).results
    if outcome.id is None:
        problem = outcome.problem or {}
        raise error_of(problem, status=int(problem.get("status", 422)))
    created = outcome.status == "created"
    said = "Stored." if created else "This was known already; nothing was stored."
    status: Status = "stored" if created else "already_known"
    try:
        item = item_of(await caller.client.get(outcome.id))
    except MemoryClientError:  # It is stored, whatever fails now; a key that may write need not be one that may read.
        return Answer(f"{said} id {outcome.id}", Remembered(status=status, memory_id=outcome.id))
    answer = Remembered(status=status, memory_id=outcome.id, memory=item)
    return Answer(f"{said} {heading(item)}\n{quote(item.content)}", answer)


REMEMBER = Tool(
    name="remember",
    title="Remember",
    description=(
        "Store one lasting piece of information for later conversations: a fact about the user, a preference, a decision and its "
        "reason, a result, a correction you were given, how something is done here.\n"
        "Call it when the user asks you to remember something, or tells you something that will still matter after this "
        "conversation. One call per fact.\n"
        "Do not call it for small talk, for what holds only for the present task, for secrets such as passwords and keys, or "
        "for what recall or get_context just gave you. When something changed or was wrong, recall it and use correct instead "
        "of storing a second version. Storing the same again is harmless: it is noticed and nothing is added."
    ),
    hints=Hints(read_only=False, destructive=False, idempotent=True),
    arguments=RememberArguments,
    answers=Remembered,
    call=remember,
)
