"""What is there already, what was erased, and what another tenant has: an import says so, line by line."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from consolidation import consolidate, enriching

from .conftest import NDJSON, bundle_of, read_bundle


@pytest.fixture
def raw(me: Any, export: Any, open_tenancy: Callable[..., Any]) -> bytes:
    """Return a bundle of two memories, one with a past version."""
    first = me.post("/v1/memories", json={"content": "Ana lives in Lisbon.", "external_id": "home"}).json()
    assert me.patch(f"/v1/memories/{first['id']}", json={"content": "Ana lives in Porto."}).is_success
    assert me.post("/v1/memories", json={"content": "Ana rows on Sundays."}).is_success
    enriching.enrich_pending(open_tenancy(me.tenant_id))
    return bytes(export(me))


def memories(raw: bytes) -> list[dict[str, Any]]:
    return [record for record in read_bundle(raw) if record["type"] == "memory"]


def erase(who: Any, memory_id: str, tenancy: Any) -> None:
    job = who.delete(f"/v1/memories/{memory_id}?erase=true").json()["job_id"]
    assert consolidate.run_job(tenancy, UUID(job))


def found(who: Any, query: str) -> list[str]:
    body = {"query": query, "channels": {"keyword": 1}}
    return [result["memory"]["id"] for result in who.post("/v1/search", json=body).json()["results"]]


@pytest.mark.parametrize(
    ("on_conflict", "status", "code", "says"),
    [
        ("skip", "skipped", "differs", "Ana lives in Faro."),
        ("error", "rejected", "memory_conflict", "Ana lives in Faro."),
        ("new_version", "updated", "new_version", "Ana lives in Porto."),
    ],
)
def test_a_memory_that_differs_here(
    other: Any, raw: bytes, take_in: Any, outcomes: Any, on_conflict: str, status: str, code: str, says: str
) -> None:
    take_in(other, raw)
    memory_id = memories(raw)[0]["id"]
    mine = other.patch(f"/v1/memories/{memory_id}", json={"content": "Ana lives in Faro."}).json()
    job = take_in(other, raw, on_conflict=on_conflict)
    (outcome,) = [one for one in outcomes(other, job) if one["id"] == memory_id]
    assert (outcome["status"], outcome["code"]) == (status, code)
    now = other.get(f"/v1/memories/{memory_id}").json()
    assert now["content"] == says
    assert now["version"] == mine["version"] + (status == "updated")
    assert found(other, says.split()[-1].rstrip(".")) == [memory_id]
    again = take_in(other, raw, on_conflict=on_conflict)
    assert again["result"]["counts"]["memory"].get("created") is None
    assert other.get(f"/v1/memories/{memory_id}").json()["version"] == now["version"]


def test_another_memory_holds_the_external_id(other: Any, raw: bytes, take_in: Any, outcomes: Any) -> None:
    holder = other.post("/v1/memories", json={"content": "Somebody else's home.", "external_id": "home"}).json()["id"]
    job = take_in(other, raw)
    (outcome,) = [one for one in outcomes(other, job) if one["code"] == "external_id_conflict"]
    assert outcome["status"] == "skipped"
    assert holder in outcome["detail"]
    assert outcome in job["items"]
    refused = take_in(other, raw, on_conflict="error")["result"]["counts"]["memory"]
    assert refused == {"rejected": 1, "skipped": 1}


def test_an_erased_memory_stays_away_under_its_id_and_under_another(
    other: Any, raw: bytes, take_in: Any, outcomes: Any, open_tenancy: Any
) -> None:
    take_in(other, raw)
    gone = memories(raw)[1]
    erase(other, gone["id"], open_tenancy(other.tenant_id))
    job = take_in(other, raw, on_conflict="new_version")
    (outcome,) = [one for one in outcomes(other, job, status="rejected")]
    assert (outcome["id"], outcome["code"]) == (gone["id"], "erased")
    assert other.get(f"/v1/memories/{gone['id']}").status_code == 410
    stranger = {**gone, "id": "01a21111-0000-7000-8000-000000000001"}
    job = take_in(other, bundle_of([stranger]))
    assert [one["code"] for one in outcomes(other, job)] == ["text_erased"]
    assert found(other, "rows") == []
    later = {**stranger, "observed_at": "2099-01-01T00:00:00Z"}
    assert take_in(other, bundle_of([later]))["result"]["counts"] == {"memory": {"created": 1}}


def test_a_past_version_that_was_erased_is_left_out(
    other: Any, raw: bytes, take_in: Any, outcomes: Any, open_tenancy: Any
) -> None:
    said = other.post("/v1/memories", json={"content": "Ana lives in Lisbon."}).json()["id"]
    erase(other, said, open_tenancy(other.tenant_id))
    job = take_in(other, raw)
    (outcome,) = [one for one in outcomes(other, job) if one["code"] not in (None, "present")]
    assert (outcome["status"], outcome["code"]) == ("created", "versions_left_out")
    versions = other.get(f"/v1/memories/{outcome['id']}/versions").json()["data"]
    assert [version["content"] for version in versions] == ["Ana lives in Porto."]


def test_an_erasure_reaches_lines_that_wait(
    other: Any, raw: bytes, take_in: Any, outcomes: Any, open_tenancy: Any, maintenance: Engine
) -> None:
    take_in(other, raw)
    gone = memories(raw)[1]["id"]
    # Cancelled, so that nobody works on it; a retry would go on.
    job_id = other.post("/v1/imports", content=raw, headers=NDJSON).json()["job_id"]
    assert other.post(f"/v1/jobs/{job_id}/cancel").is_success
    erase(other, gone, open_tenancy(other.tenant_id))
    with maintenance.connect() as connection:
        kept = connection.scalars(
            text("SELECT convert_from(record, 'UTF8') FROM import_record WHERE job_id = :job AND record IS NOT NULL"),
            {"job": job_id},
        ).all()
    assert kept
    assert not any("Sundays" in line for line in kept)
    assert other.post(f"/v1/jobs/{job_id}/retry").is_success
    assert consolidate.run_job(open_tenancy(other.tenant_id), UUID(job_id))
    job = other.get(f"/v1/jobs/{job_id}").json()
    assert {"id": gone, "status": "rejected", "code": "erased"}.items() <= next(
        one for one in outcomes(other, job) if one["id"] == gone
    ).items()


def test_spans_of_documents_whose_words_were_erased_are_blank(
    me: Any, other: Any, export: Any, take_in: Any, outcomes: Any, open_tenancy: Any
) -> None:
    boats = " ".join(f"Boat number {n} needs an anchor and a rope." for n in range(60))
    storms = " ".join(f"In storm number {n} the crew stays ashore." for n in range(60))
    body = {"content": f"# Boats\n\n{boats}\n\n# Storms\n\n{storms}\n"}
    made = me.post("/v1/documents", json=body).json()
    assert consolidate.run_job(open_tenancy(me.tenant_id), UUID(made["job_id"]))
    bundle = export(me)
    take_in(other, bundle)
    document = next(record for record in read_bundle(bundle) if record["type"] == "document")["id"]
    chunks = [r["id"] for r in read_bundle(bundle) if r["type"] == "memory" and "ashore" in r["content"]]
    for chunk in chunks:
        erase(other, chunk, open_tenancy(other.tenant_id))
    # As if the rest had been lost since: the document comes anew, the erased words do not.
    assert other.delete(f"/v1/documents/{document}").status_code == 204
    with_text = [r for r in read_bundle(bundle) if r["type"] in ("memory", "document", "document_text")]
    renamed = [
        {**r, "id": "01a21111-0000-7000-8000-000000000002"} if r["type"] == "document"
        else {**r, "document_id": "01a21111-0000-7000-8000-000000000002"} if r["type"] == "document_text"
        else r
        for r in with_text
    ]  # fmt: skip
    report = outcomes(other, take_in(other, bundle_of(renamed)))
    assert {one["kind"]: one["code"] for one in report if one["status"] == "created"} == {
        "document": None,
        "document_text": "spans_left_out",
    }
    content = other.get("/v1/documents/01a21111-0000-7000-8000-000000000002").json()["content"]
    assert "anchor" in content
    assert "ashore" not in content


def test_the_same_ids_live_in_two_tenants_apart(me: Any, other: Any, raw: bytes, take_in: Any) -> None:
    take_in(other, raw)
    memory_id = memories(raw)[0]["id"]
    assert other.patch(f"/v1/memories/{memory_id}", json={"content": "Ana lives in Braga."}).is_success
    assert me.get(f"/v1/memories/{memory_id}").json()["content"] == "Ana lives in Porto."
    assert found(me, "Braga") == []
    assert found(other, "Braga") == [memory_id]


def test_a_core_block_that_is_there_is_never_replaced(
    me: Any, other: Any, export: Any, take_in: Any, outcomes: Any
) -> None:
    assert me.put("/v1/blocks/persona", json={"value": "I help."}).status_code == 201
    assert other.put("/v1/blocks/persona", json={"value": "I do not help."}).status_code == 201
    bundle = export(me, include=["blocks", "versions"])
    for on_conflict, status, code in (
        ("skip", "skipped", "differs"),
        ("new_version", "skipped", "differs"),
        ("error", "rejected", "conflict"),
    ):
        (outcome,) = outcomes(other, take_in(other, bundle, on_conflict=on_conflict))
        assert (outcome["kind"], outcome["status"], outcome["code"]) == ("block", status, code)
    assert other.get("/v1/blocks/persona").json()["value"] == "I do not help."
    (outcome,) = outcomes(me, take_in(me, bundle))
    assert (outcome["status"], outcome["code"]) == ("skipped", "present")


def test_an_erasure_of_a_person_reaches_what_waits_to_come_in(
    me: Any, other: Any, export: Any, outcomes: Any, open_tenancy: Any, maintenance: Engine
) -> None:
    """An import that was posted before a person is erased must not bring the person back after it."""
    word = "quetzalcoatlus"
    for name in ("ada", "ben"):
        body = {"content": f"{name} saw a {word if name == 'ada' else 'heron'}.", "user_id": name}
        assert me.post("/v1/memories", json=body).is_success
        assert me.put("/v1/blocks/human", json={"value": body["content"], "user_id": name}).is_success
        made = me.post("/v1/documents", json={**body, "content": f"# Notes\n\n{body['content']}\n"}).json()
        assert consolidate.run_job(open_tenancy(me.tenant_id), UUID(made["job_id"]))
    job_id = other.post("/v1/imports", content=export(me), headers=NDJSON).json()["job_id"]
    begun = other.post("/v1/erasures", json={"user_id": "ada"}).json()

    def holding() -> set[str]:
        with maintenance.connect() as connection:
            tables = connection.scalars(
                text(
                    "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' "
                    "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
                )
            ).all()
            return {
                table
                for table in tables
                if connection.scalar(
                    text(
                        f"SELECT count(*) FROM {table} t WHERE tenant_id = :tenant AND (position(:word IN CAST(t AS text)) > 0 "
                        "OR position(encode(convert_to(:word, 'UTF8'), 'hex') IN CAST(t AS text)) > 0)"
                    ),
                    {"tenant": other.tenant_id, "word": word},
                )
            }

    assert holding() == set(), "what waits goes before the request is answered"
    assert consolidate.run_job(open_tenancy(other.tenant_id), UUID(begun["job_id"]))
    assert consolidate.run_job(open_tenancy(other.tenant_id), UUID(job_id))
    receipt = other.get(f"/v1/erasures/{begun['erasure_id']}").json()
    assert (receipt["verified"], receipt["remains"]) == (True, {})
    assert receipt["counts"]["import_record"] == 5  # two memories, a block, a document and its text
    assert holding() == set()
    assert {m["user_id"] for m in other.get("/v1/memories").json()["data"]} == {"ben"}
    assert [block["user_id"] for block in other.get("/v1/blocks").json()["data"]] == ["ben"]
    job = other.get(f"/v1/jobs/{job_id}").json()
    assert job["status"] == "succeeded"
    erased = [one for one in outcomes(other, job) if one["code"] == "erased"]
    assert len(erased) == 5
    with maintenance.connect() as connection:
        named = connection.scalar(
            text("SELECT count(*) FROM import_record WHERE tenant_id = :t AND user_id IS NOT NULL"),
            {"t": other.tenant_id},
        )
    assert named == 0, "with its outcome a line forgets whom it was about"


def test_lines_erased_while_a_worker_reads_them_are_not_taken_in(
    me: Any, other: Any, export: Any, open_tenancy: Any
) -> None:
    assert me.post("/v1/memories", json={"content": "Ada saw a heron.", "user_id": "ada"}).is_success
    job_id = UUID(other.post("/v1/imports", content=export(me), headers=NDJSON).json()["job_id"])
    tenancy = open_tenancy(other.tenant_id)
    begun: list[dict[str, Any]] = []

    def encode() -> Any:
        # The worker has read its lines, and holds no transaction while it encodes them.
        begun.append(other.post("/v1/erasures", json={"user_id": "ada"}).json())
        assert consolidate.run_job(tenancy, UUID(begun[0]["job_id"]))
        return tenancy.open_encoding()

    assert consolidate.run_job(open_tenancy(other.tenant_id, open_encoding=encode), job_id)
    assert begun
    assert other.get("/v1/memories").json()["data"] == []
    assert other.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded"
