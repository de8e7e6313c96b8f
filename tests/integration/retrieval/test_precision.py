"""Memories in every precision tier are found on all three ways of a search, and moving between tiers loses nothing else."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from consolidation import consolidate
from consolidation.precision import raise_waiting
from consolidation.tenancy import Tenancy
from memory_service.api.writing import encoding_of
from memory_service.lifecycle.draft import Encoding
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import find_namespaces
from memory_service.storage.precision import Moved, move_tiers
from memory_service.types import PrecisionTier
from retrieval.feed import vectors_of
from retrieval.quantisation import UNBIASED
from retrieval.resident import Residents

HALF, INT8, BINARY = PrecisionTier.HALF, PrecisionTier.INT8, PrecisionTier.BINARY
FACTS = (
    "Ada keeps eleven hives of bees behind the mill.",
    "Bob repaired the roof of the mill in spring.",
    "The choir rehearses on Thursdays at eight.",
    "The bakery sells rye bread on Saturdays only.",
    "Cyd paints boats by the river.",
)
QUESTIONS = (
    "Where do the insects live?", "Who mended the building?", "When do they sing?", "Where can I buy a loaf?",
    "Who works near the water?",
)  # fmt: skip
WAYS: dict[str, dict[str, Any]] = {"resident": {}, "snapshot": {"include": ["archived"]}, "candidates": {}}


class House:
    """One tenant with a few memories, over HTTP and under it."""

    def __init__(self, me: Any, database: Database, maintenance: Engine, app: FastAPI) -> None:
        self.me, self.database, self.maintenance, self.app = me, database, maintenance, app
        self.ids = [self.remember(fact) for fact in FACTS]

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.me.request(method, path, **({} if body is None else {"json": body}))
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def remember(self, content: str, **fields: Any) -> UUID:
        return UUID(self.ok("POST", "/v1/memories", {"content": content, **fields})["id"])

    def found(self, query: str, *, way: str = "resident", **fields: Any) -> list[UUID]:
        """Return what the vectors alone find, so that no word helps."""
        asked = {"query": query, "explain": True, "channels": {"vector": 1}, "top_k": 50, **fields}
        answer = self.ok("POST", "/v1/search", asked)
        assert answer["explain"]["loaded"] == way
        return [UUID(result["memory"]["id"]) for result in answer["results"]]

    def move(self, ids: Sequence[UUID], tier: PrecisionTier, **options: Any) -> Moved:
        with self.database.transaction(self.me.tenant_id) as session:
            moves = [(one, tier) for one in ids]
            return move_tiers(session, self.me.tenant_id, moves, **{"now": datetime.now(UTC), **options})

    def tier(self, memory_id: UUID, **options: Any) -> str:
        query = f"?as_of={options['as_of']}" if options else ""
        return str(self.ok("GET", f"/v1/memories/{memory_id}{query}")["retention"]["precision_tier"])

    def vectors(self) -> dict[tuple[UUID, int], np.ndarray]:
        with self.database.transaction(self.me.tenant_id) as session:
            (space,) = find_namespaces(session, self.me.tenant_id, ["default"]).values()
            return vectors_of(
                session, self.me.tenant_id, [space.id], shelf=space.shelf, encoder_id=space.encoder_id, ids=None
            )

    def count(self, table: str, memory_id: UUID) -> int:
        with self.maintenance.connect() as connection:
            statement = text(f"SELECT count(*) FROM {table} WHERE memory_id = :id")
            return int(connection.scalar(statement, {"id": memory_id}) or 0)

    @property
    def encoding(self) -> Encoding:
        return encoding_of(self.app.state.services)

    @property
    def tenancy(self) -> Tenancy:
        tenant_id = self.me.tenant_id
        return Tenancy(tenant_id, lambda: self.database.transaction(tenant_id), lambda: datetime.now(UTC))

    def rise(self, **options: Any) -> int:
        with self.database.transaction(self.me.tenant_id) as session:
            (space,) = find_namespaces(session, self.me.tenant_id, ["default"]).values()
        return raise_waiting(self.tenancy, space.id, **{"encoding": self.encoding, **options})


@pytest.fixture
def house(me: Any, database: Database, maintenance: Engine, app: FastAPI, client: Any) -> House:
    return House(me, database, maintenance, app)


@pytest.fixture
def keep(app: FastAPI, client: Any) -> Iterator[Callable[[str], None]]:
    """Return a function that makes searches go one way."""
    services = app.state.services

    def go(way: str) -> None:
        largest = 2 if way == "candidates" else 50_000
        app.state.services = replace(services, residents=Residents(limit_bytes=1 << 28, largest=largest))

    yield go
    app.state.services = services


@pytest.mark.parametrize("way", WAYS)
def test_a_memory_is_found_in_whichever_tier_it_is(house: House, keep: Callable[[str], None], way: str) -> None:
    """Search, move, search again: the process that searched before must notice."""
    keep(way)
    asked = WAYS[way]
    before = house.vectors()
    wanted = [house.found(question, way=way, **asked)[0] for question in QUESTIONS]
    assert wanted == house.ids
    for tier in (INT8, BINARY):
        assert house.move(house.ids, tier).moved == tuple(sorted(house.ids))
        assert [house.found(question, way=way, **asked)[0] for question in QUESTIONS] == wanted
        assert {house.tier(one) for one in house.ids} == {tier.label}
    # Beside memories in half precision, too, where signs alone would look less like any question.
    assert house.rise() == 0
    vectors = {(one, 1): before[one, 1] for one in house.ids[:2]}
    assert house.move(house.ids[:2], HALF, vectors=vectors).moved == tuple(sorted(house.ids[:2]))
    house.move(house.ids[2:3], INT8)
    assert [house.found(question, way=way, **asked)[0] for question in QUESTIONS] == wanted
    assert [house.tier(one) for one in house.ids] == ["half", "half", "binary", "binary", "binary"]


@pytest.mark.parametrize("way", WAYS)
def test_filters_and_the_archive_hold_in_lower_tiers(house: House, keep: Callable[[str], None], way: str) -> None:
    keep(way)
    mine = house.remember("Dee feeds the ducks of the mill.", tags=["birds"], user_id="dee")
    house.move([*house.ids, mine], BINARY)
    only = {**WAYS[way], "filter": {"tags": {"contains": "birds"}}}
    assert house.found("Who cares for animals?", way=way, **only) == [mine]
    house.ok("POST", f"/v1/memories/{mine}/archive")
    assert (mine in house.found("Who cares for animals?", way=way, **WAYS[way])) == (way == "snapshot")
    house.ok("POST", f"/v1/memories/{mine}/restore")
    assert house.found("Who cares for animals?", way=way, **only) == [mine]
    assert house.tier(mine) == "binary", "coming back from the archive is no recall"


def test_vectors_of_lower_tiers_point_where_they_pointed(house: House) -> None:
    before = house.vectors()
    house.move(house.ids[:2], INT8)
    house.move(house.ids[2:4], BINARY)
    after = house.vectors()
    assert after.keys() == before.keys()
    cosines = {key[0]: float(before[key][0] @ after[key][0]) for key in before}
    assert min(cosines[one] for one in house.ids[:2]) > 0.9998
    # A product with the vector that it came from is one, whatever was lost; its length says how much that was.
    for one in house.ids[2:4]:
        assert cosines[one] == pytest.approx(1, abs=0.06)
        assert np.linalg.norm(after[one, 1][0]) == pytest.approx(UNBIASED, rel=1e-5)
    assert np.array_equal(after[house.ids[4], 1], before[house.ids[4], 1])
    for one in house.ids[:4]:
        assert (house.count("embedding", one), house.count("embedding_coarse", one)) == (0, 1)


def test_a_process_that_keeps_the_namespace_ranks_by_what_is_kept(house: House) -> None:
    """Else two processes, or one before and after its restart, would rank differently."""
    residents = Residents(limit_bytes=1 << 28, largest=50_000)

    def row(memory_id: UUID) -> np.ndarray:
        with house.database.transaction(house.me.tenant_id) as session:
            (space,) = find_namespaces(session, house.me.tenant_id, ["default"]).values()
            rows = residents.view(session, house.me.tenant_id, [space], now=datetime.now(UTC).timestamp()).rows
        assert sorted(rows.ids) == sorted(house.ids)
        return np.asarray(rows.vectors[rows.ids.index(memory_id)])

    one = house.ids[1]
    for tier in (HALF, INT8, BINARY):
        if tier is not HALF:
            before = row(one)
            house.move([one], tier)
            assert not np.array_equal(row(one), before)
        assert np.array_equal(row(one), house.vectors()[one, 1][0])


def test_scores_stay_cosines_where_they_are_estimates(house: House) -> None:
    house.move(house.ids, BINARY)
    for fact in FACTS:
        answer = house.ok("POST", "/v1/search", {"query": fact, "channels": {"vector": 1}})
        scores = [result["channels"]["vector"]["score"] for result in answer["results"]]
        assert 0.9 < max(scores) <= 1


def test_eight_bits_become_signs_and_signs_become_eight_bits_of_the_text(house: House) -> None:
    one = house.ids[0]
    at_once = house.ids[1]
    house.move([one], INT8)
    house.move([one, at_once], BINARY)
    signs = house.vectors()[one, 1]
    assert np.unique(np.abs(signs)).size == 1
    (parts,) = house.encoding.chunks(FACTS[:1])
    text_vector = np.stack([chunk.vector for chunk in parts])
    assert house.move([one], INT8, vectors={(one, 1): text_vector}).moved == (one,)
    assert float(house.vectors()[one, 1][0] @ text_vector[0]) > 0.9998
    assert house.tier(one) == "int8"


def test_moving_twice_changes_nothing(house: House) -> None:
    assert house.move(house.ids[:2], INT8) == Moved(tuple(sorted(house.ids[:2])), ())
    before = house.vectors()
    assert house.move(house.ids[:2], INT8) == Moved((), ())
    assert house.move([new_id()], BINARY) == Moved((), ())
    assert {key: value.tolist() for key, value in house.vectors().items()} == {
        key: value.tolist() for key, value in before.items()
    }
    with pytest.raises(ValueError, match="once"):
        house.move([house.ids[0], house.ids[0]], BINARY)


def test_a_version_of_the_record_is_no_part_of_it(house: House) -> None:
    """The tier is a computed value: the ETag stays, and nothing is added to the history."""
    one = house.ids[0]
    before = house.me.get(f"/v1/memories/{one}")
    house.move([one], BINARY)
    after = house.me.get(f"/v1/memories/{one}")
    assert before.headers["ETag"] == after.headers["ETag"]
    assert after.json()["updated_at"] == before.json()["updated_at"]
    assert house.tier(one, as_of=before.json()["created_at"].replace("+", "%2B")) == "binary"


def test_what_should_rise_waits_for_its_text(house: House) -> None:
    """Whoever has no encoder, such as the reverting of a run, leaves it to the worker."""
    one, other = house.ids[:2]
    house.move([one, other], BINARY)
    vector = np.zeros((1, 384), np.float32)
    vector[0, 0] = 1
    for vectors in (None, {(one, 2): vector}, {(one, 1): np.concatenate([vector, vector])}):
        assert house.move([one], HALF, vectors=vectors) == Moved((), (one,))
        assert house.tier(one) == "binary"
        assert house.count("embedding_coarse", one) == 1
    assert house.move([other], INT8) == Moved((), (other,))
    etag = house.me.get(f"/v1/memories/{one}").headers["ETag"]
    assert house.rise() == 2
    assert (house.tier(one), house.tier(other)) == ("half", "int8")
    assert house.me.get(f"/v1/memories/{one}").headers["ETag"] == etag
    assert house.rise() == 0


def test_what_falls_again_waits_no_longer(house: House) -> None:
    one, other = house.ids[:2]
    house.move([one, other], INT8)
    assert house.move([one, other], HALF).unencoded == tuple(sorted((one, other)))
    assert house.move([one], BINARY).moved == (one,)
    assert house.move([other], INT8) == Moved((), ()), "it is there, and should stay"
    assert house.rise() == 0


def test_a_search_that_reinforces_gives_the_precision_back(house: House) -> None:
    house.move(house.ids, INT8)
    house.found(QUESTIONS[0], top_k=1)
    assert house.rise() == 0, "an ignored recall does nothing"
    assert house.found(QUESTIONS[0], top_k=1, reinforce=True) == house.ids[:1]
    assert house.rise() == 1
    assert [house.tier(one) for one in house.ids] == ["half", "int8", "int8", "int8", "int8"]


def test_a_corrected_text_has_half_precision_and_its_history_stays_findable(
    house: House, keep: Callable[[str], None]
) -> None:
    one = house.ids[0]
    house.move([one], BINARY)
    then = datetime.now(UTC).isoformat()
    house.ok("PATCH", f"/v1/memories/{one}", {"content": "Ada flies gliders on Sundays."})
    assert house.tier(one) == "half"
    assert house.found("Who is up in the air?")[0] == one
    assert house.found(QUESTIONS[0], way="snapshot", as_of={"known": then})[0] == one
    keep("candidates")
    assert house.found(QUESTIONS[0], way="candidates", as_of={"known": then})[0] == one
    # Falling again takes what is new along, and leaves one vector for each text.
    house.move([one], INT8)
    assert (house.count("embedding", one), house.count("embedding_coarse", one)) == (0, 2)
    assert house.found("Who is up in the air?", way="candidates")[0] == one
    assert house.found(QUESTIONS[0], way="candidates", as_of={"known": then})[0] == one


def test_a_change_of_words_alone_keeps_the_tier(house: House) -> None:
    one = house.ids[0]
    house.move([one], INT8)
    house.ok("PATCH", f"/v1/memories/{one}", {"title": "The beekeeper"})
    assert house.tier(one) == "int8"
    assert house.found(QUESTIONS[0])[0] == one


def test_what_expires_in_a_lower_tier_is_not_found(house: House, app: FastAPI, keep: Callable[[str], None]) -> None:
    one = house.ids[0]
    house.move([one], BINARY)
    soon = datetime.now(UTC) + timedelta(hours=1)
    house.ok("PATCH", f"/v1/memories/{one}", {"expires_at": soon.isoformat()})
    keep("candidates")
    assert one in house.found(QUESTIONS[0], way="candidates")
    services = app.state.services
    app.state.services = replace(services, clock=lambda: soon + timedelta(seconds=1))
    assert one not in house.found(QUESTIONS[0], way="candidates")
    app.state.services = services


def test_an_erased_memory_leaves_no_vector_of_any_precision(house: House) -> None:
    one = house.ids[0]
    house.move([one], INT8)
    assert house.count("embedding_coarse", one) == 1
    job = house.ok("DELETE", f"/v1/memories/{one}?erase=true")["job_id"]
    assert consolidate.run_job(house.tenancy, UUID(job))
    assert house.count("embedding_coarse", one) == 0
    assert one not in house.found(QUESTIONS[0])


def test_a_useful_recall_gives_the_precision_back(house: House) -> None:
    before = house.vectors()
    house.move(house.ids, BINARY)
    useful, useless, _, _, _ = house.ids
    answer = house.ok("POST", "/v1/search", {"query": "the mill"})
    trace = f"/v1/traces/{answer['search_id']}/feedback"
    house.ok("POST", trace, {"memory_id": str(useful), "useful": True})
    house.ok("POST", trace, {"memory_id": str(useless), "useful": False})
    assert house.rise() == 1
    assert [house.tier(one) for one in house.ids] == ["half", "binary", "binary", "binary", "binary"]
    after = house.vectors()
    assert float(after[useful, 1][0] @ before[useful, 1][0]) > 0.999
    assert house.found(QUESTIONS[0])[0] == useful
    # It falls again later; the recall of before does not count twice.
    house.move([useful], INT8)
    assert house.rise() == 0
    assert house.tier(useful) == "int8"


def test_a_text_that_changes_while_it_is_encoded_is_left_alone(house: House) -> None:
    one = house.ids[0]
    house.move([one], BINARY)
    answer = house.ok("POST", "/v1/search", {"query": "bees"})
    house.ok("POST", f"/v1/traces/{answer['search_id']}/feedback", {"memory_id": str(one), "useful": True})
    honest = house.encoding

    def encode(texts: Sequence[str]) -> Any:
        house.ok("PATCH", f"/v1/memories/{one}", {"content": "Ada flies gliders on Sundays."})
        return honest.encode(texts)

    assert house.rise(encoding=replace(honest, encode=encode)) == 0
    assert house.count("embedding", one) == 1
    assert house.found("Who is up in the air?")[0] == one
