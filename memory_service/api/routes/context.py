"""Context: memories packed for a prompt, within a budget, cited verbatim."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, require
from memory_service.api.search_models import ContextIn, ContextOut
from memory_service.api.searching import count_tokens, search
from memory_service.api.strict_json import StrictRoute
from memory_service.types import Caller, KeyScope
from retrieval.context import Context, build_context
from retrieval.packing import Order
from retrieval.recall import Recalled

router = APIRouter(tags=["search"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]


@router.post("/v1/context", response_model=ContextOut)
def make_context(request: Request, body: ContextIn, caller: Reader, services: ServicesDep) -> Response:
    """Pack the best memories into a prompt that never exceeds its budget; each line cites a verbatim span."""

    def pack(recalled: Recalled, found: dict[str, Any]) -> Response:
        context = build_context(
            recalled.results,
            budget=body.token_budget,
            order=Order(body.order),
            count=lambda texts: count_tokens(services, texts),
        )
        return answer(context_json(context, body.format, search_id=found["search_id"]))

    return search(request, services, caller, body, pack)


def context_json(context: Context, form: str, *, search_id: str) -> dict[str, Any]:
    """Return a context in the form asked for."""
    document: dict[str, Any] = {
        "citations": [
            {"marker": line.marker, "memory_id": str(line.memory_id), "span": list(line.span)} for line in context.lines
        ],
        "tokens": context.tokens,
        "search_id": search_id,
        "prefix_hash": context.prefix_hash,
    }
    match form:
        case "messages":
            document["messages"] = [{"role": "system", "content": context.text}] if context.lines else []
        case "json":
            document["items"] = [
                {"marker": line.marker, "memory_id": str(line.memory_id), "heading": line.heading, "text": line.text}
                for line in context.lines
            ]
        case _:
            document["text"] = context.text
    return document
