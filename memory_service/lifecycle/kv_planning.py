"""Plan a prompt for an engine: write memories into it, cut it as the model does, and keep what was decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.activation.errors import ActivationError
from memory_service.activation.fingerprint import tokens_digest
from memory_service.activation.planning.admission import HOT_FROM
from memory_service.activation.planning.order import kind_of
from memory_service.activation.planning.places import shared_start
from memory_service.activation.planning.prompt import (
    FIRST_ROLES,
    Parts,
    PromptPlan,
    Shown,
    plan_prompt,
    source_blocks,
)
from memory_service.errors import Conflict, InvalidRequest, SourceChanged, TooLarge
from memory_service.model_text.model import Cut, ModelText, PromptTooLong
from memory_service.storage import kv_memories, kv_plans
from memory_service.storage.ids import new_id
from memory_service.storage.kv_engines import Engine
from memory_service.storage.kv_memories import KvSource
from memory_service.storage.kv_plans import KvPlan, PlanSource
from memory_service.storage.sql import Row
from retrieval.memory_block import block_of, line_of

PLAN_TTL: Final = timedelta(hours=1)
MOST_TOKENS: Final = 131_072
"""Of one prompt: the window of the models that engines run."""
# Said in place of a conversation that is still to come: what is the same whichever of them follows is the plan.
_EITHER: Final = ("a", "1")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a prompt is to hold: the operator's words, memories in their order, what changes, the turns.

    Attributes:
        system: the operator's words, empty for none
        rows: records of memories, in the order in which they stand
        volatile: what else the model is to know now and not later, empty for none
        turns: messages of the conversation; without them the plan is for whatever conversation follows
    """

    system: str = ""
    rows: Sequence[Row] = ()
    volatile: str = ""
    turns: Sequence[Mapping[str, Any]] = ()

    @property
    def messages(self) -> list[Mapping[str, Any]]:
        """Return the conversation that a model gets."""
        block = block_of(self.rows, first=1)[0] if self.rows else ""
        content = "\n\n".join(part for part in (self.system, block, self.volatile) if part)
        return [*([{"role": "system", "content": content}] if content else []), *self.turns]


def shown(rows: Sequence[Row], *, first: int = 1) -> tuple[Shown, ...]:
    """Return memories as a block shows them whose numbers begin at `first`."""
    return tuple(
        Shown(row["id"], row["version"], kind_of(row), f"[{number}] {line_of(row)}", row.get("recall_count") or 0)
        for number, row in enumerate(rows, start=first)
    )


def check_engine(engine: Engine, model: ModelText) -> None:
    """Refuse an engine that cuts texts otherwise than the model's folder here.

    Raises:
        Conflict: its tokenizer or its chat template is another.
    """
    said, here = engine.fingerprint, model.digests
    other = [
        name
        for name, theirs, ours in (
            ("tokenizer", said.tokenizer, here.tokenizer),
            ("chat_template", said.chat_template, here.chat_template),
        )
        if theirs != ours
    ]
    if other:
        raise Conflict(
            f"Engine {engine.digest[:12]}… runs {engine.model!r} with another {' and '.join(other)} than the folder in "
            "MEMORY_SERVICE_KV_MODELS has; give both the same files.",
            code="tokenizer_differs",
        )


def plan_asked(asked: Asked, model: ModelText, engine: Engine, *, salt: str, hot_from: int = HOT_FROM) -> PromptPlan:
    """Plan a prompt: with turns the whole of it, without them what every conversation after it begins with.

    Raises:
        InvalidRequest: the model's chat template refuses the messages, or there is none and there are turns.
        TooLarge: the prompt has more tokens than are planned.
    """
    try:
        text, cut = _cut(asked, model)
        turns_at = conversation_at(model, text, asked.messages) if asked.turns else len(text)
    except PromptTooLong as error:
        raise TooLarge(f"{str(error).capitalize()}. Give fewer memories or turns.") from error
    except ActivationError as error:
        raise InvalidRequest(f"{str(error)[:1].upper()}{str(error)[1:]}.", code="prompt_not_rendered") from error
    parts = Parts(
        system=asked.system,
        memories=shown(asked.rows),
        volatile=asked.volatile,
        turn=_text_of_first(asked.turns),
    )
    return plan_cut(text, cut, parts, engine, salt=salt, turns_at=turns_at, hot_from=hot_from)


def _text_of_first(turns: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what the first turn says, nothing where it is no text; None where there is no turn.

    >>> _text_of_first([{"content": " "}, {"content": "Hi."}]), _text_of_first([{"content": None}]), _text_of_first([])
    (' ', '', None)
    """
    if not turns:
        return None
    content = turns[0].get("content")
    return content if isinstance(content, str) else ""


def conversation_at(model: ModelText, text: str, messages: Sequence[Mapping[str, Any]]) -> int:
    """Return the first character of a rendered prompt that may be a turn's; 0 where nobody can tell.

    The same operator's words are rendered before two turns that say something else: what all three have in common holds no
    word of a turn, whatever the template does to it.

    Args:
        model: that rendered it.
        text: the prompt.
        messages: that it was rendered from; from the first on that is not the operator's they are turns.
    """
    at = next((n for n, one in enumerate(messages) if one["role"] not in FIRST_ROLES), len(messages))
    if at == len(messages):
        return len(text)
    front = messages[:at]
    for role in dict.fromkeys((messages[at]["role"], "user")):
        try:
            return shared_start(text, [model.render([*front, {"role": role, "content": said}]) for said in _EITHER])
        except PromptTooLong:
            raise
        except ActivationError:
            # A template that takes no conversation of one such turn.
            continue
    return 0


def plan_cut(
    text: str, cut: Cut, parts: Parts, engine: Engine, *, salt: str, turns_at: int, hot_from: int = HOT_FROM
) -> PromptPlan:
    """Plan a prompt that is cut already; for `turns_at` see `conversation_at`.

    Raises:
        TooLarge: it has more tokens than are planned.
    """
    if len(cut.ids) > MOST_TOKENS:
        raise TooLarge(f"The prompt has {len(cut.ids):,} tokens; at most {MOST_TOKENS:,} are planned.")
    return plan_prompt(
        text,
        cut.ids,
        cut.offsets,
        parts,
        block_size=engine.fingerprint.block_size,
        engine=engine.digest,
        salt=salt,
        turns_at=turns_at,
        hot_from=hot_from,
    )


def _cut(asked: Asked, model: ModelText) -> tuple[str, Cut]:
    """Return the text of a prompt and its tokens.

    Raises:
        ActivationError: the model's template refuses it, or it is too long.
    """
    if asked.turns:
        text = model.render(asked.messages)
        return text, model.cut(text)
    if not model.has_template:
        # As engines read a plain text.
        text = "".join(str(message["content"]) for message in asked.messages)
        return text, model.cut(text, special_tokens=True)
    texts = [model.render([*asked.messages, {"role": "user", "content": said}]) for said in _EITHER]
    one, other = (model.cut(text) for text in texts)
    same = next(
        (at for at, (a, b) in enumerate(zip(one.ids, other.ids, strict=False)) if a != b),
        min(len(one.ids), len(other.ids)),
    )
    end = one.offsets[same - 1][1] if same else 0
    return texts[0][:end], Cut(one.ids[:same], one.offsets[:same])


def keep(
    session: Session, tenant_id: UUID, planned: PromptPlan, engine: Engine, *, namespace_id: UUID, now: datetime
) -> KvPlan:
    """Store what was decided, without a word of the prompt.

    Its memories were read before: the row of each is held until the plan is there, so that an erasure comes either before,
    and is seen here, or after, and finds the plan.

    Raises:
        SourceChanged: one of them is not any more what it was; the same call may be made again.
    """
    size = engine.fingerprint.block_size
    plan = KvPlan(
        id=new_id(),
        namespace_id=namespace_id,
        engine=engine.digest,
        model=engine.model,
        token_count=len(planned.token_ids),
        token_ids_hash=tokens_digest(list(planned.token_ids)),
        text_hash=sha256(planned.text.encode("utf-8", "surrogatepass")).hexdigest(),
        block_size=size,
        block_hashes=planned.block_hashes,
        admitted=planned.admission.blocks,
        created_at=now,
        expires_at=now + PLAN_TTL,
    )
    sources = [
        PlanSource(
            section.memory.memory_id,
            section.memory.version,
            section.memory.kind,
            section.token_start,
            section.token_end,
            first,
        )
        for section, first in source_blocks(planned, size)
        if section.memory is not None
    ]
    read = [KvSource(one.memory_id, one.version, one.token_start, one.token_end) for one in sources]
    if read and not kv_memories.sources_as_they_were(session, tenant_id, read, now=now)[0]:
        raise SourceChanged("A memory of this prompt changed while it was being planned; ask again.")
    kv_plans.keep_plan(session, tenant_id, plan, sources)
    return plan
