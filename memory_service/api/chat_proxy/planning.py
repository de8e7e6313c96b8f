"""A chat's prompt, planned for an engine that loads and saves key–value caches; a chat that cannot be planned goes on as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from memory_service.activation.errors import ActivationError
from memory_service.activation.exactness import Exactness
from memory_service.activation.planning.prompt import FIRST_ROLES, Parts
from memory_service.activation.saved_file import RAW
from memory_service.api.chat_proxy.conversation import role_of, text_of
from memory_service.api.chat_proxy.recollecting import Recollection
from memory_service.api.services import Services
from memory_service.errors import MemoryServiceError
from memory_service.lifecycle.kv_planning import check_engine, conversation_at, keep, plan_cut, shown
from memory_service.storage import kv_engines
from memory_service.storage.kv_stored import stored_blocks
from memory_service.storage.namespaces import find_namespaces
from memory_service.types import Caller, KeyScope

log = structlog.get_logger(__name__)

_ROLES: Final = FIRST_ROLES | {"user", "assistant"}
_PLAIN: Final = frozenset({"role", "content"})
# They change how an engine writes the prompt, or what stands in it beside the messages.
_OTHERWISE: Final = frozenset(
    {
        "tools", "functions", "documents", "chat_template", "chat_template_kwargs", "add_generation_prompt",
        "continue_final_message", "add_special_tokens", "reasoning_effort", "truncate_prompt_tokens",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChatPlan:
    """What an engine is told with a chat, and what the answer says of it."""

    parameters: Mapping[str, Any]
    document: Mapping[str, Any]


def plan_chat(
    services: Services,
    caller: Caller,
    body: Mapping[str, Any],
    original: Sequence[Any],
    recollection: Recollection,
    *,
    model: str,
    namespace: str,
) -> ChatPlan | None:
    """Plan the prompt of a chat; None where it is not planned, and the chat is passed on without.

    Only messages of plain text are: what tools, templates of the client and parts of other kinds become is the engine's to say.
    And only with a key that has the scope kv:use: what an engine saves of a chat takes of the tenant's quota.
    Nothing that goes wrong here keeps a chat from its model.

    Args:
        services: the parts of the running service.
        caller: whose chat it is.
        body: as the client sent it.
        original: the messages as the client sent them.
        recollection: the messages as the model is to read them, and the memories in them.
        model: that the chat is for.
        namespace: of its memories.
    """
    if not caller.may(KeyScope.KV) or not _plain(body, recollection.messages):
        return None
    try:
        return _planned(services, caller, original, recollection, model=model, namespace=namespace)
    except (MemoryServiceError, ActivationError) as error:
        code = error.specific_code if isinstance(error, MemoryServiceError) else type(error).__name__
        # Its sentence may quote what was said.
        log.info("chat_not_planned", reason=code)
        return None


def _planned(
    services: Services,
    caller: Caller,
    original: Sequence[Any],
    recollection: Recollection,
    *,
    model: str,
    namespace: str,
) -> ChatPlan | None:
    planner = services.planner
    if model not in planner.models.names:
        return None
    text_of_model = planner.models.text_of(model)
    with services.database.transaction(caller.tenant_id, durable=False) as session:
        engine = kv_engines.latest_engine(session, caller.tenant_id, model)
        space = find_namespaces(session, caller.tenant_id, [namespace]).get(namespace)
    if engine is None or space is None:
        return None
    check_engine(engine, text_of_model)
    text = text_of_model.render(recollection.messages)
    prompt = plan_cut(
        text,
        text_of_model.cut(text),
        _parts(original, recollection),
        engine,
        salt=planner.salt_of(caller.tenant_id),
        turns_at=conversation_at(text_of_model, text, recollection.messages),
    )
    now = services.clock()
    with services.database.transaction(caller.tenant_id, durable=False) as session:
        plan = keep(session, caller.tenant_id, prompt, engine, namespace_id=space.id, now=now)
        stored = stored_blocks(
            session, caller.tenant_id, plan.block_hashes, codecs=[RAW], exactness=[Exactness.EXACT], now=now
        )
    document = {
        "plan_id": str(plan.id),
        "engine": plan.engine,
        "tokens": plan.token_count,
        "admitted_blocks": plan.admitted,
        "expected_hit_tokens": stored * plan.block_size,
    }
    return ChatPlan(planner.transfer_parameters(caller, plan, prompt, now=now), document)


def _plain(body: Mapping[str, Any], messages: Sequence[Any]) -> bool:
    return not any(body.get(name) for name in _OTHERWISE) and all(
        isinstance(message, Mapping)
        and set(message) <= _PLAIN
        and role_of(message) in _ROLES
        and isinstance(message.get("content"), str)
        for message in messages
    )


def _parts(original: Sequence[Any], recollection: Recollection) -> Parts:
    """Return what stands in the messages: the operator's words, the block in front, the first turn, blocks among the turns."""
    front: tuple[Any, ...] = ()
    later: list[Any] = []
    number = 1
    for rows in recollection.blocks:
        block = shown(rows, first=number)
        number += len(rows)
        if front:
            later += block
        else:
            front = block
    said = [message for message in original if role_of(message) not in FIRST_ROLES]
    # Of several messages of the operator the first: what stands behind it stands before the memories, too.
    system = text_of(original[0]) if original and role_of(original[0]) in FIRST_ROLES else ""
    return Parts(system=system, memories=front, turn=text_of(said[0]) if said else None, later=later)
