"""What a model was asked and what it cost, as the job shows it; unusable replies live no longer than their memories."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from consolidation.consolidate import run_job
from consolidation.model.accounting import budget_of, write_down
from consolidation.model.asking import NOT_CONFIGURED, RULES, Outcome
from consolidation.model.budget import Budget
from consolidation.model.consulting import ask_facts
from consolidation.model.extraction import ExtractedFact
from consolidation.model.passages import Passage
from consolidation.tenancy import Tenancy
from memory_service.chat_model.protocol import Message, Reply, Usage
from memory_service.storage.database import Database

SAFE = "The safe behind the mirror opens with 4711."
TTL = timedelta(days=3)


class Mumbling:
    """A model that repeats what it is shown, which is no reply."""

    name = "mumbling-1"

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any], *, max_tokens: int) -> Reply:
        return Reply(messages[1].content, Usage(1, 300, 40))


def asked(memories: Sequence[dict[str, Any]], budget: Budget | None = None) -> Outcome[ExtractedFact]:
    passages = [Passage(UUID(memory["id"]), memory["content"]) for memory in memories]
    return ask_facts(Mumbling(), budget or Budget(100_000), passages)


@pytest.fixture
def keep(tenancy: Tenancy) -> Callable[..., None]:
    """Return a function that writes an outcome down."""

    def write(outcome: Outcome[Any], *, job_id: UUID | None = None, now: datetime | None = None) -> None:
        with tenancy.open() as session:
            write_down(session, tenancy.tenant_id, outcome, job_id=job_id, now=now or datetime.now(UTC), ttl=TTL)

    return write


@pytest.fixture
def letters(rows: Any, me: Any) -> Callable[[], list[Any]]:
    """Return a function that reads the tenant's dead letters."""
    return lambda: rows.all("SELECT * FROM dead_letter WHERE tenant_id = :t", t=me.tenant_id)


def test_a_job_shows_what_it_cost_and_what_could_not_be_used(
    me: Any, remember: Any, make_job: Callable[..., UUID], keep: Callable[..., None]
) -> None:
    memory = remember(SAFE)
    job_id = make_job("enrich", [memory["id"]])
    nothing = {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0, "dead_letters": 0, "tasks": []}
    assert me.get(f"/v1/jobs/{job_id}").json()["usage"] == nothing
    outcome = asked([memory])
    assert outcome.method == RULES
    keep(outcome, job_id=job_id)
    keep(replace(outcome, dead_letters=()), job_id=job_id)
    usage = me.get(f"/v1/jobs/{job_id}").json()["usage"]
    assert {name: usage[name] for name in ("calls", "prompt_tokens", "completion_tokens", "dead_letters")} == {
        "calls": 4,
        "prompt_tokens": 1200,
        "completion_tokens": 160,
        "dead_letters": 1,
    }
    (task,) = usage["tasks"]
    assert (task["task"], task["model"], task["calls"]) == ("facts", "mumbling-1", 4)
    (why,) = task["fallbacks"]
    assert why.startswith("the model's reply cannot be used: ")
    (letter,) = me.get(f"/v1/jobs/{job_id}/dead-letters").json()["data"]
    assert "4711" in letter["reply"]
    assert letter["memory_ids"] == [memory["id"]]
    assert (letter["task"], letter["model"]) == ("facts", "mumbling-1")
    assert me.get("/v1/jobs").json()["data"][0].keys() & {"usage", "items"} == set()


def test_dead_letters_come_in_pages(me: Any, remember: Any, make_job: Any, keep: Callable[..., None]) -> None:
    memory = remember(SAFE)
    job_id = make_job("enrich", [memory["id"]])
    for _ in range(3):
        keep(asked([memory]), job_id=job_id)
    first = me.get(f"/v1/jobs/{job_id}/dead-letters?limit=2").json()
    rest = me.get(f"/v1/jobs/{job_id}/dead-letters?limit=2&cursor={first['next_cursor']}").json()
    found = [letter["id"] for letter in first["data"] + rest["data"]]
    assert (len(set(found)), found, rest["has_more"]) == (3, sorted(found), False)


def test_erasing_a_memory_erases_the_replies_that_may_quote_it(
    me: Any, rows: Any, tenancy: Tenancy, remember: Any, keep: Callable[..., None], letters: Callable[[], list[Any]]
) -> None:
    safe, mirror, other = remember(SAFE), remember("The mirror is old."), remember("It rains.")
    keep(asked([safe, mirror]))
    keep(asked([other]))
    job = me.delete(f"/v1/memories/{safe['id']}?erase=true").json()["job_id"]
    assert run_job(tenancy, UUID(job))
    (left,) = letters()
    assert "opens with" not in left.reply
    assert rows.all("SELECT * FROM dead_letter_memory WHERE tenant_id = :t", t=me.tenant_id)[0].memory_id == UUID(
        other["id"]
    )


def test_a_reply_about_what_was_erased_meanwhile_is_not_kept(
    me: Any, tenancy: Tenancy, remember: Any, keep: Callable[..., None], letters: Callable[[], list[Any]]
) -> None:
    safe, mirror = remember(SAFE), remember("The mirror is old.")
    outcome = asked([safe, mirror])
    assert run_job(tenancy, UUID(me.delete(f"/v1/memories/{safe['id']}?erase=true").json()["job_id"]))
    keep(outcome)
    assert letters() == []


def test_an_erasure_waits_for_a_reply_that_is_being_kept(
    tenancy: Tenancy, remember: Any, maintenance: Engine, letters: Callable[[], list[Any]]
) -> None:
    safe = remember(SAFE)
    outcome = asked([safe])
    with tenancy.open() as session:
        write_down(session, tenancy.tenant_id, outcome, job_id=None, now=datetime.now(UTC), ttl=TTL)
        with maintenance.connect() as eraser, pytest.raises(OperationalError, match="could not obtain lock"):
            eraser.execute(text("SELECT FROM memory WHERE id = :id FOR UPDATE NOWAIT"), {"id": safe["id"]})
    assert len(letters()) == 1


def test_what_was_kept_expires(
    rows: Any, me: Any, remember: Any, keep: Callable[..., None], letters: Any, database: Database
) -> None:
    memory = remember(SAFE)
    long_ago = datetime.now(UTC) - timedelta(days=4)
    keep(asked([memory]), now=long_ago)
    keep(asked([memory]))
    with database.untenanted() as connection:
        purged = connection.execute(text("SELECT * FROM purge_expired(:now)"), {"now": datetime.now(UTC)}).all()
    removed = {row.kind: row.removed for row in purged}
    assert removed["dead_letter"] >= 1
    assert removed["model_usage"] >= 1
    assert len(letters()) == 1
    assert rows.one("SELECT count(*) AS n FROM model_usage WHERE tenant_id = :t", t=me.tenant_id).n == 1


def test_without_a_model_nothing_is_written(rows: Any, me: Any, remember: Any, keep: Callable[..., None]) -> None:
    outcome = ask_facts(None, Budget(9), [Passage(UUID(remember(SAFE)["id"]), SAFE)])
    keep(outcome)
    assert outcome.why == NOT_CONFIGURED
    assert rows.all("SELECT * FROM model_usage WHERE tenant_id = :t", t=me.tenant_id) == []


@pytest.fixture
def left(tenancy: Tenancy) -> Iterator[Callable[[UUID | None], int]]:
    """Return a function that says how many tokens a job has left."""

    def tokens(job_id: UUID | None) -> int:
        with tenancy.open() as session:
            return budget_of(session, tenancy.tenant_id, job_id, job_tokens=1000, context_tokens=4096).tokens

    return tokens


def test_a_job_that_was_interrupted_goes_on_with_what_it_had_left_and_a_retry_begins_anew(
    rows: Any, remember: Any, make_job: Any, keep: Callable[..., None], left: Callable[[UUID | None], int]
) -> None:
    memory = remember(SAFE)
    job_id = make_job("enrich", [memory["id"]])
    began = datetime.now(UTC)
    rows.run("UPDATE job SET status = 'running', started_at = :at WHERE id = :id", id=job_id, at=began)
    keep(asked([memory]), job_id=job_id, now=began + timedelta(seconds=1))
    assert (left(job_id), left(None)) == (1000 - 680, 1000)
    rows.run("UPDATE job SET started_at = :at WHERE id = :id", id=job_id, at=began + timedelta(seconds=2))
    assert left(job_id) == 1000
