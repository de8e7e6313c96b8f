"""R of many memories at once is R of each of them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consolidation.retention.curve import Curve
from consolidation.retention.holding import Holding, retrievability_of
from consolidation.retention.many import Holdings, retrievabilities
from consolidation.retention.policy import DEFAULT, RetentionPolicy

NOW = 1_800_000_000.0
MOMENTS = st.floats(NOW - 4e8, NOW + 1e6)
POLICIES = (
    DEFAULT,
    replace(DEFAULT, curve=Curve.EBBINGHAUS, protection=0.0),
    replace(DEFAULT, stability_days={"episodic": 3.0}, source_factors={"tool": 0.25}),
)


@dataclass(frozen=True, slots=True)
class Read:
    """A memory as the database gives it."""

    memory_type: str
    created_at: float
    importance: float
    pinned: bool
    source_kind: str | None
    surprise: float | None
    stability_days: float | None
    last_recalled_at: float | None
    refreshed_at: float | None
    spaced_uses: float | None


READ = st.builds(
    Read,
    memory_type=st.sampled_from(["working", "episodic", "semantic", "core", "unheard of"]),
    created_at=MOMENTS,
    importance=st.floats(0, 1),
    pinned=st.booleans(),
    source_kind=st.sampled_from([None, "user", "tool", "document", "unheard of"]),
    surprise=st.none() | st.floats(0, 1),
    stability_days=st.none() | st.just(0.0) | st.floats(0.01, 1e5),
    last_recalled_at=st.none() | MOMENTS,
    refreshed_at=st.none() | MOMENTS,
    spaced_uses=st.none() | st.floats(0, 50),
)


def moment(seconds: float | None) -> Any:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def alone(read: Read, policy: RetentionPolicy) -> float:
    holding = Holding(
        memory_type=read.memory_type,
        created_at=moment(read.created_at),
        importance=read.importance,
        pinned=read.pinned,
        source_kind=read.source_kind or "user",
        surprise=read.surprise,
        stability_days=read.stability_days,
        last_recalled_at=moment(read.last_recalled_at),
        refreshed_at=moment(read.refreshed_at),
        spaced_uses=read.spaced_uses or 0.0,
    )
    return retrievability_of(holding, policy, moment(NOW))


@pytest.mark.parametrize("policy", POLICIES)
@given(memories=st.lists(READ, min_size=1, max_size=8))
def test_many_fade_as_each_does(policy: RetentionPolicy, memories: list[Read]) -> None:
    together = retrievabilities(Holdings.of(memories), policy, NOW)
    assert together == pytest.approx([alone(one, policy) for one in memories], abs=1e-9)
