"""What was erased here stays away when an old bundle is imported: core blocks and documents, too; what was not comes in."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from consolidation import consolidate

from .conftest import bundle_of, read_bundle

Record = dict[str, Any]


@pytest.fixture
def work(open_tenancy: Callable[..., Any]) -> Callable[[Any, str], None]:
    """Return a function that works on a job until it has ended."""

    def run(who: Any, job_id: str) -> None:
        assert consolidate.run_job(open_tenancy(who.tenant_id), UUID(job_id))

    return run


@pytest.fixture
def write(work: Any) -> Callable[..., Record]:
    """Return a function that writes a core block and a document of somebody: their ids."""

    def write_(who: Any, name: str, **owners: str) -> Record:
        block = {name: value for name, value in owners.items() if name != "session_id"}
        said = {"value": f"{name} was born in 1980.", "metadata": {"of": name}, **block}
        made = who.put("/v1/blocks/human", json=said)
        assert made.is_success, made.text
        text = f"# Report\n\nThe blood sugar of {name} is high.\n"
        posted = who.post(
            "/v1/documents",
            json={
                "content": text,
                "title": f"Report of {name}",
                "metadata": {"patient": name},
                "external_id": f"report of {name}",
                **owners,
            },
        ).json()
        work(who, posted["job_id"])
        return {"block": made.json()["id"], "document": posted["document_id"]}

    return write_


@pytest.fixture
def erase(work: Any) -> Callable[..., None]:
    """Return a function that erases and sees the receipt verified."""

    def erase_(who: Any, **body: Any) -> None:
        begun = who.post("/v1/erasures", json=body).json()
        work(who, begun["job_id"])
        assert who.get(f"/v1/erasures/{begun['erasure_id']}").json()["verified"] is True

    return erase_


@pytest.fixture
def brought(take_in: Any, outcomes: Any) -> Callable[..., dict[str, tuple[str, str | None]]]:
    """Return a function that imports a bundle: what became of blocks, documents and texts, by kind and id."""

    def bring(who: Any, raw: bytes) -> dict[str, tuple[str, str | None]]:
        report = outcomes(who, take_in(who, raw))
        kinds = ("block", "document", "document_text")
        return {f"{one['kind']} {one['id']}": (one["status"], one["code"]) for one in report if one["kind"] in kinds}

    return bring


def of(made: Record, became: tuple[str, str | None]) -> dict[str, tuple[str, str | None]]:
    """Return the outcomes of all that `write` made."""
    return {
        f"block {made['block']}": became,
        f"document {made['document']}": became,
        f"document_text {made['document']}": became,
    }


ERASED = ("rejected", "erased")
CREATED = ("created", None)


def said_anywhere(who: Any, word: str, export: Any) -> bool:
    """Say whether a word stands in anything that the tenant has."""
    return word in bytes(export(who)).decode()


def test_an_erased_person_does_not_come_back_and_others_do(
    me: Any, export: Any, write: Any, erase: Any, brought: Any
) -> None:
    vera, ben = write(me, "Vera", user_id="vera"), write(me, "Ben", user_id="ben")
    shared = me.put("/v1/blocks/house", json={"value": "Be kind."}).json()["id"]
    raw = export(me)
    erase(me, user_id="vera")
    for block in ("human?user_id=ben", "house"):
        assert me.delete(f"/v1/blocks/{block}").is_success
    report = brought(me, raw)
    assert of(vera, ERASED).items() <= report.items()
    assert not said_anywhere(me, "Vera", export)
    assert not said_anywhere(me, "vera", export)
    assert {report[f"block {ben['block']}"], report[f"block {shared}"]} == {("skipped", "differs")}
    assert report[f"document {ben['document']}"] == ("skipped", "present")
    assert brought(me, raw) == report, "the same bundle again changes nothing"


@pytest.mark.parametrize(
    ("owners", "erased", "taken"),
    [
        ({"user_id": "vera", "agent_id": "bot"}, {"agent_id": "bot"}, {"block", "document"}),
        ({"user_id": "vera", "agent_id": "bot"}, {"user_id": "vera", "agent_id": "bot"}, {"block", "document"}),
        ({"user_id": "vera", "session_id": "s"}, {"session_id": "s"}, {"document"}),
        ({"user_id": "vera"}, {"user_id": "vera", "namespace": "default"}, {"block", "document"}),
        ({"user_id": "vera"}, {"user_id": "vera", "namespace": "attic"}, set()),
        ({"user_id": "vera"}, {"filter": {}, "namespace": "default"}, {"block", "document"}),
        ({"user_id": "vera"}, {"user_id": "vera", "agent_id": "bot"}, set()),
        ({"user_id": "vera"}, {"filter": {"user_id": "vera"}}, {"document"}),
    ],
)
def test_what_an_erasure_took_is_known_under_its_id_and_what_it_left_is_there(
    me: Any, export: Any, write: Any, erase: Any, brought: Any,
    owners: dict[str, str], erased: Record, taken: set[str],
) -> None:  # fmt: skip
    assert me.post("/v1/memories", json={"content": "Up there.", "namespace": "attic"}).is_success
    made = write(me, "Vera", **owners)
    raw = export(me)
    erase(me, **erased)
    report = brought(me, raw)
    for kind in ("block", "document"):
        assert report[f"{kind} {made[kind]}"] == (ERASED if kind in taken else ("skipped", "present")), kind


def under_other_ids(raw: bytes, number: int, **changes: Any) -> bytes:
    """Return the blocks and documents of a bundle as somebody else's: under other ids."""
    named = {"block": "id", "document": "id", "document_text": "document_id"}
    places = {"block": 10 * number, "document": 10 * number + 1, "document_text": 10 * number + 1}
    return bundle_of(
        {
            **record,
            named[record["type"]]: f"01a21111-0000-7000-8000-{places[record['type']]:012d}",
            **({"chunks": []} if record["type"] == "document_text" else changes),
        }
        for record in read_bundle(raw)
        if record["type"] in named
    )


def test_what_belonged_to_an_erased_person_before_is_known_under_other_ids(
    me: Any, other: Any, export: Any, write: Any, erase: Any, brought: Any
) -> None:
    """Never here, or here under other ids: a line that waited would have gone with the erasure."""
    write(me, "Vera", user_id="vera")
    old = export(me)
    erase(other, user_id="vera")
    assert set(brought(other, under_other_ids(old, 1)).values()) == {ERASED}
    assert not said_anywhere(other, "vera", export)
    assert set(brought(other, under_other_ids(old, 2, user_id="ben")).values()) == {CREATED}


def test_an_erasure_in_one_namespace_or_tenant_says_nothing_of_another(
    me: Any, other: Any, export: Any, write: Any, erase: Any, brought: Any
) -> None:
    made = write(me, "Vera", user_id="vera")
    old = export(me)
    erase(me, user_id="vera", namespace="default")
    assert set(brought(me, under_other_ids(old, 1)).values()) == {ERASED}
    assert set(brought(me, under_other_ids(old, 2, namespace="attic")).values()) == {CREATED}
    assert of(made, CREATED).items() <= brought(other, old).items()
    assert other.get("/v1/blocks/human?user_id=vera").json()["value"] == "Vera was born in 1980."


def test_who_came_back_after_the_erasure_comes_in_with_what_is_new(
    me: Any, other: Any, export: Any, write: Any, erase: Any, brought: Any
) -> None:
    old = write(me, "Vera", user_id="vera")
    first = export(me)
    brought(other, first)
    for who in (me, other):
        erase(who, user_id="vera")
    new = write(me, "Vera anew", user_id="vera")
    report = brought(other, export(me))
    assert of(new, CREATED).items() <= report.items()
    assert of(old, ERASED).items() <= brought(other, first).items()
    assert other.get("/v1/blocks/human?user_id=vera").json()["value"] == "Vera anew was born in 1980."


def test_a_single_block_and_a_single_document_stay_away(
    me: Any, export: Any, write: Any, brought: Any, work: Any
) -> None:
    vera = write(me, "Vera", user_id="vera")
    raw = export(me)
    assert me.delete("/v1/blocks/human?user_id=vera&erase=true").status_code == 204
    work(me, me.delete(f"/v1/documents/{vera['document']}?erase=true").json()["job_id"])
    assert of(vera, ERASED).items() <= brought(me, raw).items()
    assert me.put("/v1/blocks/human", json={"value": "Vera again.", "user_id": "vera"}).status_code == 201


def test_a_cancelled_erasure_keeps_nothing_away(me: Any, other: Any, export: Any, write: Any, brought: Any) -> None:
    made = write(me, "Vera", user_id="vera")
    begun = other.post("/v1/erasures", json={"user_id": "vera"}).json()
    assert other.post(f"/v1/jobs/{begun['job_id']}/cancel").is_success
    assert of(made, CREATED).items() <= brought(other, export(me)).items()
