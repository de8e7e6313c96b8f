"""What tasks decide without a database: circles, what a rollback undoes, which lines fit into a context."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from memory_service.lifecycle.task_context import Kind, Line, build
from memory_service.lifecycle.task_rollback import Action, plan_rollback
from memory_service.lifecycle.task_waiting import waits_in_a_circle

NODES = [UUID(int=n) for n in range(8)]
STATE: dict[str, Any] = {
    "status": "open", "title": "a", "input": None, "output": None, "outcome": None, "metadata": {}, "depends_on": [],
    "superseded_by": None, "version": 1,
}  # fmt: skip

pairs = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=20)


@given(pairs)
def test_pairs_that_all_point_down_make_no_circle(found: list[tuple[UUID, UUID]]) -> None:
    assert not waits_in_a_circle([(a, b) for a, b in found if a > b])


@given(pairs, st.lists(st.sampled_from(NODES), min_size=1, unique=True))
def test_a_ring_is_found_among_whatever_else(found: list[tuple[UUID, UUID]], ring: list[UUID]) -> None:
    closed = list(zip(ring, [*ring[1:], ring[0]], strict=True))
    assert waits_in_a_circle([*found, *closed])


def test_a_rollback_leaves_alone_what_is_as_it_was() -> None:
    a, b, c = NODES[:3]
    present = {
        a: {**STATE, "version": 3},
        b: {**STATE, "metadata": {"k": True}, "version": 2},
        c: {**STATE, "status": "discarded", "version": 2},
    }
    plan = plan_rollback(present, {a: STATE, b: {**STATE, "metadata": {"k": 1}}})
    assert [(undo.task_id, undo.action, undo.restored_version) for undo in plan] == [(b, Action.RESTORED, 1)]


def test_the_order_of_dependencies_is_no_change() -> None:
    a, b, c = NODES[:3]
    assert plan_rollback({a: {**STATE, "depends_on": [b, c]}}, {a: {**STATE, "depends_on": [c, b]}}) == []


def count(texts: Sequence[str]) -> list[int]:
    # Joining costs more than the parts: the budget must hold all the same.
    return [len(text) + 3 * text.count("\n") for text in texts]


@given(
    st.lists(
        st.tuples(st.sampled_from(Kind), st.text(st.characters(exclude_characters="\n"), max_size=30)), max_size=12
    ),
    st.integers(0, 200),
)
def test_a_context_never_exceeds_its_budget_and_keeps_the_order(found: list[tuple[Kind, str]], budget: int) -> None:
    lines = [Line(kind, UUID(int=at), None, text, at) for at, (kind, text) in enumerate(found)]
    made = build(lines, budget=budget, count=count)
    assert made.tokens <= budget
    assert made.tokens == (count([made.text])[0] if made.lines else 0)
    assert len(made.lines) + made.left_out == len(lines)
    ids = [line.id for line in made.lines]
    assert ids == sorted(ids)
