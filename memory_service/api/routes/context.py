"""Context: blocks and memories packed for a prompt, within a budget, cited verbatim."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, require
from memory_service.api.search_models import MAX_BLOCKS, ContextIn, ContextOut
from memory_service.api.searching import count_tokens, search
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.storage import blocks
from memory_service.storage.namespaces import find_namespaces, paths_named
from memory_service.types import Caller, KeyScope
from retrieval.packing import Order
from retrieval.preface import BlockLine, Prefaced, build_with_blocks
from retrieval.recalled import Recalled

router = APIRouter(tags=["search"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]


@router.post("/v1/context", response_model=ContextOut)
def make_context(request: Request, body: ContextIn, caller: Reader, services: ServicesDep) -> Response:
    """Pack the best memories into a prompt that never exceeds its budget; each line cites a verbatim span."""
    shown = _blocks(services, caller, body) if body.include_blocks else ()

    def pack(recalled: Recalled, found: dict[str, Any]) -> Response:
        made = build_with_blocks(
            shown,
            recalled.results,
            budget=body.token_budget,
            order=Order(body.order),
            count=lambda texts: count_tokens(services, texts),
        )
        document = context_json(made, body.format, search_id=found["search_id"])
        if body.include_blocks:
            document |= _blocks_json(made, texts=body.format == "json")
        return answer(document)

    return search(request, services, caller, body, pack)


def _blocks(services: Services, caller: Caller, body: ContextIn) -> Sequence[BlockLine]:
    """Return the blocks that this agent sees with this user, in the order of the labels asked for, else of label."""
    labels = None if body.include_blocks is True else list(dict.fromkeys(body.include_blocks or ()))
    paths = paths_named(namespace=body.namespace or body.namespace_prefix, namespaces=body.namespaces)
    with services.database.transaction(caller.tenant_id) as session:
        spaces = find_namespaces(session, caller.tenant_id, paths)
        rows = blocks.blocks_seen(
            session,
            caller.tenant_id,
            [space.id for space in spaces.values()],
            user_id=body.user_id,
            agent_id=body.agent_id,
            labels=labels,
            known=body.as_of.known if body.as_of else None,
            limit=MAX_BLOCKS,
        )
    lines = [BlockLine(row["id"], row["label"], row["version"], row["value"]) for row in rows if row["value"]]
    return lines if labels is None else sorted(lines, key=lambda line: labels.index(line.label))


def _blocks_json(made: Prefaced, *, texts: bool) -> dict[str, Any]:
    """Return which blocks a context shows; with their texts where the context has none of its own."""
    return {
        "blocks": [
            {
                "marker": block.marker,
                "block_id": str(block.block_id),
                "label": block.label,
                "version": block.version,
                "span": [0, len(block.value)],
                **({"text": block.value} if texts else {}),
            }
            for block in made.blocks
        ],
        "blocks_left_out": [block.label for block in made.left_out],
    }


def context_json(made: Prefaced, form: str, *, search_id: str) -> dict[str, Any]:
    """Return a context in the form asked for."""
    lines = made.context.lines
    document: dict[str, Any] = {
        "citations": [
            {"marker": line.marker, "memory_id": str(line.memory_id), "span": list(line.span)} for line in lines
        ],
        "tokens": made.tokens,
        "search_id": search_id,
        "prefix_hash": made.prefix_hash,
    }
    match form:
        case "messages":
            document["messages"] = [{"role": "system", "content": made.text}] if made.text else []
        case "json":
            document["items"] = [
                {"marker": line.marker, "memory_id": str(line.memory_id), "heading": line.heading, "text": line.text}
                for line in lines
            ]
        case _:
            document["text"] = made.text
    return document
