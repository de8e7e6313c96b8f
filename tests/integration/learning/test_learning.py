"""From feedback over HTTP to factors in force, and back."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from consolidation import consolidate
from consolidation.tenancy import Tenancy
from memory_service.storage.database import Database

# What is asked, what answers it without the words of the question, and a decoy that has the words and no answer.
TOPICS = [
    ("Which animal lives with Ana?", "Her cat sleeps on the sofa all day.", "Which animal lives with whom is a secret."),
    ("What is her job?", "She works as a nurse in a hospital.", "What is her job search form number?"),
    ("Where did she grow up?", "Her childhood was spent in Lisbon.", "Where did she grow tomatoes up the wall?"),
    ("What sport does she play?", "Every Sunday there is a tennis match.", "What sport does she play down in the report?"),
    ("Which instrument does she practise?", "The piano is tuned every autumn.", "Which instrument does she calibrate?"),
    ("What food does she avoid?", "Peanuts give her a rash.", "What food does she avoid labelling on the form?"),
    ("How does she get to the office?", "The tram takes her downtown each morning.", "How does she get the office printer?"),
    ("Who is her sister?", "Maria and she share the same parents.", "Who is her sister company in the contract?"),
    ("What does she drink at breakfast?", "Green tea at dawn, never coffee.", "What does she drink at breakfast meetings?"),
    ("Which book did she enjoy?", "The novel by Pessoa moved her to tears.", "Which book did she enjoy returning?"),
    ("When is her birthday?", "She was born on the ninth of March.", "When is her birthday form due?"),
    ("What colour is her car?", "She drives a red Fiat.", "What colour is her car park ticket?"),
    ("Where does she spend the summer?", "July is for the beach house in Algarve.", "Where does she spend the summer budget?"),
    ("Which language does she study?", "Japanese lessons are on Thursday nights.", "Which language does she study forms in?"),
]  # fmt: skip
HELD_OUT = 2  # topics that no feedback is given on


@pytest.fixture
def tenancy_of(database: Database, app: FastAPI) -> Callable[[UUID], Tenancy]:
    """Return a function that opens a tenant the way workers do, with the encoder of the application."""
    from contextlib import nullcontext

    encode = app.state.services.batching.encode_query
    return lambda tenant_id: Tenancy(
        tenant_id,
        lambda: database.transaction(tenant_id),
        lambda: datetime.now(UTC),
        open_encoder=lambda _: nullcontext(encode),
    )


def fill(me: Any, namespace: str) -> list[tuple[str, str, str]]:
    """Store every answer and decoy; return (question, id of the answer, id of the decoy)."""
    settings = {"path": namespace, "settings": {"fusion": {"learn": True}}}
    assert me.post("/v1/namespaces", json=settings).status_code == 201
    found = []
    for question, text, _ in TOPICS:
        # The decoys have words of the question, more or fewer, and nothing else of it.
        words = [word for word in question.rstrip("?").split() if len(word) > 3]
        noise = [f"Shelf {at} of the archive, label {one} {two}." for at, one in enumerate(words) for two in words[at:]]
        items = [{"content": c, "namespace": namespace, "extract": "none"} for c in (text, *noise)]
        results = me.post("/v1/memories/batch", json={"items": items}).json()["results"]
        # Of the held out, the decoy with the word that counts most; "which" stands in too many to count.
        decoy = results[-1 if len(found) >= len(TOPICS) - HELD_OUT else 1]
        found.append((question, results[0]["id"], decoy["id"]))
    return found


def search(me: Any, question: str, **more: Any) -> Any:
    answer = me.post("/v1/search", json={"query": question, "namespace": "home", "top_k": 200, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def judge(me: Any, found: Any, memory_id: str, useful: bool) -> None:
    body = {"memory_id": memory_id, "useful": useful}
    answer = me.post(f"/v1/traces/{found['search_id']}/feedback", json=body)
    assert answer.status_code == 200, answer.text


def margin(found: Any, good: str, bad: str) -> float:
    """Return by how much one memory scores above another."""
    score = {r["memory"]["id"]: r["score"] for r in found["results"]}
    return float(score[good] - score[bad])


def learn(me: Any, tenancy: Tenancy) -> dict[str, Any]:
    """Learn and return the newest decision."""
    waiting = [j for j in me.get("/v1/jobs").json()["data"] if j["kind"] == "learn" and j["status"] == "queued"]
    job = (
        waiting[0]["id"]
        if waiting
        else me.post("/v1/fusion-weights/learn", json={"namespace": "home"}).json()["job_id"]
    )
    assert consolidate.run_job(tenancy, UUID(job))
    assert me.get(f"/v1/jobs/{job}").json()["status"] == "succeeded"
    decision: dict[str, Any] = me.get("/v1/fusion-weights?namespace=home").json()["data"][0]
    return decision


def wordings(question: str) -> tuple[str, str]:
    """Return two queries that ask the same, and are two: what is only written around a question makes no other of it."""
    return question, f"Since the spring: {question}"


@pytest.fixture
def taught(me: Any) -> list[tuple[str, str, str]]:
    """Fill a namespace and say of every topic but two that the answer was useful and the decoy was not."""
    topics = fill(me, "home")
    for question, good, bad in topics[:-HELD_OUT]:
        for wording in wordings(question):
            found = search(me, wording)
            judge(me, found, good, True)
            judge(me, found, bad, False)
    return topics


def test_feedback_makes_the_ranking_better_on_questions_it_was_not_about(
    me: Any, taught: list[tuple[str, str, str]], tenancy_of: Callable[[UUID], Tenancy]
) -> None:
    before = {question: search(me, question) for question, _, _ in taught[-HELD_OUT:]}
    asked_at = datetime.now(UTC).isoformat()
    decision = learn(me, tenancy_of(me.tenant_id))
    assert decision["status"] == "accepted", (decision["reason"], decision["evaluation"])
    assert decision["factors"]["keyword"] < 1
    unseen = decision["evaluation"]["unseen"]
    assert unseen["after"]["ndcg"] > unseen["before"]["ndcg"]
    gained: list[float] = []
    for question, good, bad in taught[-HELD_OUT:]:
        after = search(me, question, explain=True)
        gained.append(margin(after, good, bad) - margin(before[question], good, bad))
        assert after["explain"]["learned"] == decision["factors"]
        then = search(me, question, explain=True, as_of={"known": asked_at})
        assert then["explain"]["learned"] == {}, "before it was learned nobody knew it"
        assert margin(then, good, bad) == pytest.approx(margin(before[question], good, bad), abs=1e-3)
    assert min(gained) >= 0
    assert max(gained) > 0.01
    shown = me.get("/v1/namespaces/home").json()
    assert shown["factors"] == decision["factors"]
    assert shown["settings"]["fusion"] == {"learn": True}


def test_one_call_goes_back(
    me: Any, taught: list[tuple[str, str, str]], tenancy_of: Callable[[UUID], Tenancy], problem: Any
) -> None:
    first = learn(me, tenancy_of(me.tenant_id))
    assert first["status"] == "accepted"
    back = me.post("/v1/fusion-weights/revert", json={"namespace": "home"})
    assert back.json() == {"namespace": "home", "factors": {}}
    assert search(me, taught[0][0], explain=True)["explain"]["learned"] == {}
    (shown,) = me.get("/v1/fusion-weights?namespace=home").json()["data"]
    assert shown["status"] == "reverted"
    assert shown["known_to"] is not None
    problem(me.post("/v1/fusion-weights/revert", json={"namespace": "home"}), 409, "nothing_learned")


def test_a_change_that_makes_a_saved_query_worse_is_refused_and_recorded(
    me: Any, taught: list[tuple[str, str, str]], tenancy_of: Callable[[UUID], Tenancy]
) -> None:
    """The caller saves queries to which the decoys are the answer: what feedback wants would cost them."""
    for question, _, bad in taught:
        body = {"query": f"{question.rstrip('?')} form", "relevant": [bad], "namespace": "home"}
        assert me.post("/v1/saved-queries", json=body).status_code == 201
    # And of the questions themselves the caller says the contrary of the feedback.
    for question, _, bad in taught[:-HELD_OUT]:
        for wording in wordings(question):
            me.post("/v1/saved-queries", json={"query": wording, "relevant": [bad], "namespace": "home"})
    decision = learn(me, tenancy_of(me.tenant_id))
    assert decision["status"] == "refused", decision
    assert decision["reason"]
    assert decision["known_from"] == decision["known_to"]
    assert search(me, taught[0][0], explain=True)["explain"]["learned"] == {}


def test_other_tenants_learn_nothing_from_it(
    me: Any,
    taught: list[tuple[str, str, str]],
    tenancy_of: Callable[[UUID], Tenancy],
    as_tenant: Any,
    make_tenant: Any,
) -> None:
    other = as_tenant(make_tenant())
    fill(other, "home")
    learn(me, tenancy_of(me.tenant_id))
    assert search(other, taught[0][0], explain=True)["explain"]["learned"] == {}
    for path in ("saved-queries", "fusion-weights"):
        assert other.get(f"/v1/{path}?namespace=home").json()["data"] == []


def test_erasing_a_memory_takes_it_from_feedback_and_saved_queries(
    me: Any, taught: list[tuple[str, str, str]], tenancy_of: Callable[[UUID], Tenancy], maintenance: Any
) -> None:
    from sqlalchemy import text

    question, good, _ = taught[0]
    assert question in [q["query"] for q in me.get("/v1/saved-queries?namespace=home").json()["data"]]
    job = me.delete(f"/v1/memories/{good}?erase=true").json()["job_id"]
    assert consolidate.run_job(tenancy_of(me.tenant_id), UUID(job))
    saved = me.get("/v1/saved-queries?namespace=home").json()["data"]
    assert question not in [q["query"] for q in saved]
    assert len(saved) == 2 * (len(TOPICS) - HELD_OUT - 1)
    with maintenance.connect() as connection:
        left = connection.execute(text("SELECT count(*) FROM feedback WHERE memory_id = :id"), {"id": good}).scalar()
    assert left == 0


def test_nothing_is_learned_where_nobody_asked_for_it(me: Any) -> None:
    topics = fill(me, "home")
    changed = me.patch("/v1/namespaces/home", json={"settings": {"fusion": None}})
    assert changed.json()["settings"]["fusion"] == {"learn": False}
    for question, good, _ in topics[:11]:
        judge(me, search(me, question), good, True)
    assert me.get("/v1/saved-queries").json()["data"] == []
    assert [j for j in me.get("/v1/jobs").json()["data"] if j["kind"] == "learn"] == []


def test_a_saved_query_names_memories_of_its_namespace(me: Any, problem: Any) -> None:
    memory = me.post("/v1/memories", json={"content": "A cat.", "namespace": "a"}).json()["id"]
    me.post("/v1/memories", json={"content": "A dog.", "namespace": "b"})
    wrong = {"query": "cat?", "relevant": [memory], "namespace": "b"}
    problem(me.post("/v1/saved-queries", json=wrong), 422)
    assert me.get("/v1/saved-queries?namespace=b").json()["data"] == []
    made = me.post("/v1/saved-queries", json={**wrong, "namespace": "a"}).json()
    assert me.get(f"/v1/saved-queries/{made['id']}").json() == made
    assert made["source"] == "caller"
    assert me.delete(f"/v1/saved-queries/{made['id']}").status_code == 204
    assert me.get(f"/v1/saved-queries/{made['id']}").status_code == 404
