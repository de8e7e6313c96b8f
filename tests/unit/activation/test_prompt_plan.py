"""What may be saved of a prompt ends where its conversation begins, or before that where nobody can tell."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from memory_service.activation.planning.admission import Admission, Reason
from memory_service.activation.planning.places import shared_start
from memory_service.activation.planning.prompt import CONVERSATION, Parts, PromptPlan, Shown, plan_prompt

SYSTEM = "Be brief."
MEMORY = Shown(UUID(int=1), 1, "shared", "[1] Ana lives in Lyon.", 9)
SECRET = "my secret is 4711"


def planned(
    turns: Sequence[str], parts: Parts, *, width: int = 1, shown: bool = True, others: Sequence[str] = ("a", "1")
) -> PromptPlan:
    """Plan a prompt whose tokens are `width` characters each; what two prompts with other turns share says where they begin."""
    front = f"<system>{parts.system}\n{MEMORY.line if shown else ''}\n</memories>" if parts.system else ""
    text = front + "".join(f"<user>{turn.strip()}" for turn in turns) + "<assistant>"
    offsets = [(at, min(at + width, len(text))) for at in range(0, len(text), width)]
    turns_at = shared_start(text, [f"{front}<user>{said}<assistant>" for said in others]) if turns else len(text)
    return plan_prompt(
        text,
        list(range(len(offsets))),
        offsets,
        parts,
        block_size=1,
        engine="e" * 64,
        salt="of tests",
        turns_at=turns_at,
    )


def admitted(plan: PromptPlan, *, width: int = 1) -> str:
    return plan.text[: plan.admission.blocks * width]


@pytest.mark.parametrize("width", [1, 3, 7])
@pytest.mark.parametrize("first", ["", "  ", "\n\t"])
def test_behind_a_blank_first_turn_nothing_is_admitted(first: str, width: int) -> None:
    plan = planned([first, SECRET], Parts(SYSTEM, [MEMORY], turn=first), width=width)
    kept = admitted(plan, width=width)
    assert SECRET not in kept
    assert f"<system>{SYSTEM}\n{MEMORY.line}\n".startswith(kept)
    assert len(kept) > len(f"<system>{SYSTEM}\n{MEMORY.line}") - width, "what stands before it for sure is"
    assert plan.admission.reason is Reason.CONVERSATION
    assert [one.kind for one in plan.sections].count(CONVERSATION) == 1


def test_a_conversation_without_words_and_without_a_front_admits_nothing() -> None:
    assert planned(["", SECRET], Parts(turn="")).admission == Admission(0, Reason.NO_WHOLE_BLOCK)


def test_nothing_is_admitted_where_a_piece_before_a_blank_turn_is_not_found() -> None:
    plan = planned(["", SECRET], Parts(SYSTEM, [MEMORY], turn=""), shown=False)
    assert plan.admission.blocks == 0
    changed = planned(["", SECRET], Parts(SYSTEM, volatile="It rains.", turn=""))
    assert changed.admission.blocks == 0


def test_a_first_turn_of_words_is_where_it_begins() -> None:
    plan = planned([SECRET], Parts(SYSTEM, [MEMORY], turn=f" {SECRET}\n"))
    assert admitted(plan).endswith("</memories><user>")


def test_without_a_conversation_all_of_it_may_be_saved() -> None:
    plan = planned([], Parts(SYSTEM, [MEMORY]))
    assert plan.admission == Admission(len(plan.token_ids), Reason.ALL)


@pytest.mark.parametrize("width", [1, 3, 7])
@pytest.mark.parametrize("quoted", [True, False])
def test_a_first_turn_that_a_template_changed_is_not_looked_for_behind_itself(width: int, quoted: bool) -> None:
    said = "<think>hm</think>Hello."
    turns = ["Hello.", f"{SECRET} {said if quoted else ''}"]
    plan = planned(turns, Parts(SYSTEM, [MEMORY], turn=said), width=width)
    kept = admitted(plan, width=width)
    assert SECRET not in kept
    assert "Hello." not in kept
    assert len(kept) > len(f"<system>{SYSTEM}\n{MEMORY.line}\n</memories><user>") - width
    (conversation,) = [one for one in plan.sections if one.kind == CONVERSATION]
    assert conversation.token_start == plan.admission.blocks


@pytest.mark.parametrize("first", ["all of it", "1", "a", "a1"])
def test_a_turn_that_begins_as_another_does_begins_where_it_begins(first: str) -> None:
    assert admitted(planned([first], Parts(SYSTEM, [MEMORY], turn=first))).endswith("</memories><user>")


def test_a_memory_that_a_template_changed_is_not_looked_for_among_the_turns() -> None:
    plan = planned([f"You said {MEMORY.line}"], Parts(SYSTEM, [MEMORY], turn=f"You said {MEMORY.line}"), shown=False)
    (source,) = plan.sources
    assert (source.token_start, source.token_end) == (0, len(plan.token_ids)), "it is a source of everything"


def test_a_template_that_puts_the_operator_behind_the_turns_admits_nothing() -> None:
    """As some put its words before the last turn: with one turn they stand first, with several they do not."""
    text = f"<user>{SECRET}<assistant>Well.<user>{SYSTEM}\n{MEMORY.line}\nAnd now?<assistant>"
    others = [f"<user>{SYSTEM}\n{MEMORY.line}\n{said}<assistant>" for said in ("a", "1")]
    offsets = [(at, at + 1) for at in range(len(text))]
    plan = plan_prompt(
        text, list(range(len(text))), offsets, Parts(SYSTEM, [MEMORY], turn=SECRET), block_size=1, engine="e" * 64,
        salt="of tests", turns_at=shared_start(text, others),
    )  # fmt: skip
    assert admitted(plan) == "<user>"
    assert plan.sources[0].token_start == 0
