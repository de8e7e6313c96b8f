"""Find what a prompt is to hold and plan it; no connection is held while its tokens are cut."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from memory_service.activation.errors import ActivationError
from memory_service.activation.exactness import Exactness
from memory_service.activation.planning.order import canonical
from memory_service.activation.planning.prompt import PromptPlan
from memory_service.activation.saved_file import RAW
from memory_service.api.chat_proxy.prompt import LeftOut, eligible
from memory_service.api.kv_models import PromptIn
from memory_service.api.searching import search
from memory_service.api.services import Services
from memory_service.errors import FieldError, InvalidRequest, NotFound
from memory_service.lifecycle.kv_planning import Asked, check_engine, keep, plan_asked
from memory_service.model_text.model import ModelText
from memory_service.storage import kv_engines, memories
from memory_service.storage.kv_engines import Engine
from memory_service.storage.kv_plans import KvPlan
from memory_service.storage.kv_stored import stored_blocks
from memory_service.storage.namespaces import ensure_namespaces, find_namespaces, require_all
from memory_service.storage.sql import Row
from memory_service.types import Caller, State
from retrieval.context import heading
from retrieval.memory_block import CLOSING, EXPLANATION, OPENING, line_of
from retrieval.packing import Order, Passage, pack
from retrieval.recalled import Recalled

_ENDED = frozenset({State.ARCHIVED, State.EXPIRED, State.MERGED})


@dataclass(frozen=True, slots=True)
class Planned:
    """A prompt, planned and kept; `stored` counts the leading blocks that can be loaded now."""

    plan: KvPlan
    prompt: PromptPlan
    asked: Asked
    engine: Engine
    stored: int
    left_out: tuple[LeftOut, ...] = ()
    search_id: str | None = None

    @property
    def prefix_hash(self) -> str:
        """Return the hash that a context of these memories in stable order has."""
        lines = (f"[{n}] {heading(row)}{row['content']}" for n, row in enumerate(self.asked.rows, start=1))
        return sha256("\n".join(lines).encode()).hexdigest()


def find_engine(services: Services, caller: Caller, model: str, digest: str | None) -> tuple[Engine, ModelText]:
    """Return the engine that a plan is for, and its model's way with texts.

    Raises:
        NotFound: the model is not configured here, or no such engine was announced.
        Conflict: the engine cuts texts otherwise.
        InvalidRequest: the engine runs another model.
    """
    text = services.planner.models.text_of(model)
    with services.database.transaction(caller.tenant_id, durable=False) as session:
        if digest is None:
            engine = kv_engines.latest_engine(session, caller.tenant_id, model)
        else:
            engine = kv_engines.get_engine(session, caller.tenant_id, digest)
    if engine is None:
        named = "No engine" if digest is None else "No such engine"
        raise NotFound(
            f"{named} was announced for model {model!r}; see PUT /v1/kv/engines/{{digest}}.", code="engine_not_found"
        )
    if engine.model != model:
        detail = f"is an engine of model {engine.model!r}"
        raise InvalidRequest(f"This {detail}.", errors=(FieldError("/engine", detail),))
    check_engine(engine, text)
    return engine, text


def plan_for(
    request: Request,
    services: Services,
    caller: Caller,
    body: PromptIn,
    *,
    turns: Sequence[Mapping[str, Any]] = (),
    volatile: str = "",
    codecs: Sequence[str] = (RAW,),
    exactness: Sequence[Exactness] = (Exactness.EXACT,),
) -> Planned:
    """Plan what a body asks for, and keep the plan; what is stored counts in one of these codecs, as exact as one of these.

    Raises:
        NotFound: model, engine, a namespace or a memory is not there.
        InvalidRequest: the model's template refuses the conversation.
        TooLarge: it is longer than prompts are planned.
        SourceChanged: a memory changed, or was erased, while it was being planned; ask again.
    """
    engine, model = find_engine(services, caller, body.model, body.engine)
    said = frozenset(text for turn in turns if (text := str(turn["content"]).strip()))
    found = _searched(request, services, caller, body, said) if body.query is not None else None
    ranked, left_out, search_id = found or (_named(services, caller, body), [], None)
    rows, over = fitting(ranked, model, budget=body.token_budget)
    asked = Asked(body.system, rows, volatile, turns)
    salt = services.planner.salt_of(caller.tenant_id)
    try:
        prompt = plan_asked(asked, model, engine, salt=salt, hot_from=body.hot_from)
    except ActivationError as error:
        raise InvalidRequest(f"This prompt cannot be planned: {error}.", code="prompt_not_rendered") from error
    now = services.clock()
    with services.database.transaction(caller.tenant_id, durable=False) as session:
        spaces = find_namespaces(session, caller.tenant_id, body.paths)
        require_all(body.paths, spaces.values())
        first = body.paths[0]
        if first not in spaces:
            spaces |= ensure_namespaces(session, caller.tenant_id, [first], now=now)
        plan = keep(session, caller.tenant_id, prompt, engine, namespace_id=spaces[first].id, now=now)
        stored = stored_blocks(
            session, caller.tenant_id, plan.block_hashes, codecs=codecs, exactness=exactness, now=now
        )
    left_out += [LeftOut(row["id"], "budget") for row in over]
    return Planned(plan, prompt, asked, engine, stored, tuple(left_out), search_id)


def fitting(ranked: Sequence[Row], model: ModelText, *, budget: int) -> tuple[list[Row], list[Row]]:
    """Return memories that fit into a budget in the order in which they stand, and those that do not; the best come first.

    Tokens are counted as the model cuts them.
    """
    if not ranked:
        return [], []
    # The number is not known yet; three digits are the longest there is.
    counts = model.counts([EXPLANATION, OPENING, CLOSING, *(f"[999] {line_of(row)}\n" for row in ranked)])
    by_id = {row["id"]: row for row in ranked}
    passages = [Passage(row["id"], "", tokens) for row, tokens in zip(ranked, counts[3:], strict=True)]
    packed = pack(passages, budget=budget, order=Order.RELEVANCE, frame=sum(counts[:3]))
    chosen = canonical([by_id[one.id] for one in packed.passages])
    return chosen, [by_id[one.id] for one in packed.left_out]


def _named(services: Services, caller: Caller, body: PromptIn) -> list[Row]:
    """Return the memories that a body names.

    Raises:
        NotFound: one of them is not there, or no longer to be used.
    """
    ids = list(dict.fromkeys(body.memory_ids or ()))
    if not ids:
        return []
    now = services.clock()
    with services.database.transaction(caller.tenant_id, durable=False) as session:
        rows = memories.get_records(session, caller.tenant_id, ids)
    for memory_id in ids:
        row = rows.get(memory_id)
        if row is None or row["state"] in _ENDED or (row["expires_at"] is not None and row["expires_at"] <= now):
            raise NotFound(f"There is no memory {memory_id} to put into a prompt.")
    return [rows[memory_id] for memory_id in ids]


def _searched(
    request: Request, services: Services, caller: Caller, body: PromptIn, said: frozenset[str]
) -> tuple[list[Row], list[LeftOut], str]:
    """Return what a search found that may be put in, best first, what was passed over, and the search's id."""
    found: list[tuple[Recalled, UUID | str]] = []

    def take(recalled: Recalled, document: dict[str, Any]) -> Response:
        found.append((recalled, document["search_id"]))
        return Response()

    search(request, services, caller, body.search_for(more=min(len(said), 20)), take)
    recalled, search_id = found[0]
    kept, left_out = eligible(recalled.results, said=said, top_k=body.top_k)
    return [result.row for result in kept], left_out, str(search_id)
