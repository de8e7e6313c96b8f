"""Days of recalls: by Zipf, the same for the same seed, a sweep a week and one at the end."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from benchmarks.retention_days import Asked, live

START = datetime(2023, 1, 1, tzinfo=UTC)
QUESTIONS = [Asked("home", f"question {n}", frozenset({UUID(int=n)})) for n in range(20)]


class Noted:
    """A life that only notes what happens."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.swept: list[int] = []

    def ask(self, asked: Asked, *, now: datetime) -> None:
        self.asked.append(asked.text)

    def sweep(self, *, now: datetime) -> None:
        self.swept.append((now - START) // timedelta(days=1))


def a_life(*, seed: int = 1, days: int = 30) -> tuple[Noted, list[int]]:
    life: Any = Noted()
    asked = live(life, QUESTIONS, days=days, per_day=4, exponent=1.0, start=START, seed=seed, done=lambda: None)
    return life, asked


def test_every_day_has_its_questions_and_every_week_its_sweep() -> None:
    life, asked = a_life()
    assert len(life.asked) == 30 * 4
    assert life.swept == [7, 14, 21, 28, 30]
    assert {QUESTIONS[n].text for n in asked} == set(life.asked)


def test_few_are_asked_often_and_most_hardly_ever() -> None:
    life, _ = a_life(days=500)
    often = sorted((life.asked.count(one.text) for one in QUESTIONS), reverse=True)
    # Of twenty, the first has 1 / H(20) = 28% of the questions and the last a twentieth of that.
    assert often[0] / len(life.asked) == pytest.approx(0.28, abs=0.04)
    assert often[-1] < often[0] / 8


def test_a_seed_is_a_history() -> None:
    assert a_life()[0].asked == a_life()[0].asked != a_life(seed=2)[0].asked
