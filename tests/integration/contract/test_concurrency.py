"""Many at once: one wins, nobody is told a lie, nobody gets a 500."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

THREADS = 16


def at_once(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """Run ``work(n)`` in threads that start together, and return the answers."""
    barrier = Barrier(threads)

    def run(number: int) -> Any:
        barrier.wait(10)
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def statuses(answers: list[Any]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def test_the_same_external_id_is_created_once(me: Any, api: Any) -> None:
    answers = at_once(lambda n: me.post("/v1/memories", json={"content": f"Version {n}.", "external_id": "x"}))
    assert statuses(answers) == {201: 1, 200: THREADS - 1}, [a.text for a in answers if a.status_code >= 400]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(api.query({"external_id": "x"})) == 1


def test_the_same_content_is_created_once(me: Any, api: Any) -> None:
    answers = at_once(lambda _n: me.post("/v1/memories", json={"content": "The same."}))
    assert statuses(answers) == {201: 1, 200: THREADS - 1}
    assert len(api.query({})) == 1


def test_copies_with_external_ids_each_keep_theirs(me: Any, api: Any) -> None:
    made = api.remember("The same.")
    answers = at_once(lambda n: me.post("/v1/memories", json={"content": "The same.", "external_id": f"x{n % 4}"}))
    assert statuses(answers) == {201: 3, 200: THREADS - 3}, [a.text for a in answers if a.status_code >= 400]
    held = [api.query({"external_id": f"x{n}"}) for n in range(4)]
    assert [len(ids) for ids in held] == [1] * 4
    assert sorted(ids[0] for ids in held) == sorted(api.query({}))
    assert [made["id"]] in held


def test_on_conflict_error_lets_one_through(me: Any) -> None:
    body = {"external_id": "x", "on_conflict": "error"}
    answers = at_once(lambda n: me.post("/v1/memories", json={"content": f"V{n}.", **body}))
    assert statuses(answers) == {201: 1, 409: THREADS - 1}


def test_superseding_by_external_id_makes_one_chain(me: Any, api: Any) -> None:
    body = {"external_id": "x", "on_conflict": "supersede"}
    answers = at_once(lambda n: me.post("/v1/memories", json={"content": f"V{n}.", **body}))
    assert statuses(answers) == {201: THREADS}
    ids = {a.json()["id"] for a in answers}
    successors = [api.read(i)["superseded_by"] for i in ids]
    assert successors.count(None) == 1
    assert len(set(successors)) == len(ids)
    assert len(api.query({"external_id": "x"})) == 1


def test_if_match_lets_one_change_through(me: Any, api: Any) -> None:
    made = api.remember("Contended.")
    path = f"/v1/memories/{made['id']}"
    answers = at_once(lambda n: me.patch(path, json={"title": f"t{n}"}, headers={"If-Match": '"1"'}))
    assert statuses(answers) == {200: 1, 412: THREADS - 1}
    winner = next(a for a in answers if a.status_code == 200)
    assert api.read(made["id"])["title"] == winner.json()["title"]
    assert len(me.get(f"{path}/versions").json()["data"]) == 2


def test_without_if_match_every_change_is_a_version(me: Any, api: Any) -> None:
    made = api.remember("Busy.")
    path = f"/v1/memories/{made['id']}"
    answers = at_once(lambda n: me.patch(path, json={"content": f"Busy with {n}."}))
    assert statuses(answers) == {200: THREADS}
    listed = me.get(f"{path}/versions").json()["data"]
    assert [v["version"] for v in listed] == list(range(THREADS + 1, 0, -1))
    assert all(v["known_from"] <= v["known_to"] for v in listed[1:])
    assert api.found("busy") == [made["id"]]


def test_one_successor(me: Any, api: Any) -> None:
    made = api.remember("Old.", external_id="x")
    answers = at_once(lambda n: me.post(f"/v1/memories/{made['id']}/supersede", json={"content": f"New {n}."}))
    assert statuses(answers) == {201: 1, 409: THREADS - 1}
    winner = next(a.json() for a in answers if a.status_code == 201)
    assert api.read(made["id"])["superseded_by"] == winner["id"]
    assert set(api.query({})) == {made["id"], winner["id"]}


def test_an_external_id_is_given_to_one(me: Any, api: Any) -> None:
    ids = [api.remember(f"Number {n}.")["id"] for n in range(8)]
    answers = at_once(lambda n: me.patch(f"/v1/memories/{ids[n]}", json={"external_id": "prize"}), 8)
    assert statuses(answers)[200] == 1
    assert set(statuses(answers)) <= {200, 409, 503}
    assert len(api.query({"external_id": "prize"})) == 1


def test_restoring_two_holders_at_once(me: Any, api: Any) -> None:
    ids = []
    for n in range(6):
        ids.append(api.remember(f"Number {n}.", external_id="x")["id"])
        me.delete(f"/v1/memories/{ids[-1]}")
    answers = at_once(lambda n: me.post(f"/v1/memories/{ids[n]}/restore"), 6)
    assert statuses(answers)[200] == 1
    assert set(statuses(answers)) <= {200, 409, 503}


def test_crossing_batches(me: Any, api: Any) -> None:
    def send(n: int) -> Any:
        items = [{"content": f"Item {i} of {n}.", "external_id": str(i)} for i in range(40)]
        return me.post("/v1/memories/batch", json={"items": items[:: 1 if n % 2 else -1]})

    answers = at_once(send, 8)
    assert set(statuses(answers)) <= {200, 503}, [a.text for a in answers if a.status_code not in {200, 503}]
    assert statuses(answers)[200] >= 1
    assert len(api.query({}, limit=1000)) == 40


def test_archive_restore_pin_and_search_at_once(me: Any, api: Any) -> None:
    made = api.remember("A revolving door.")
    path = f"/v1/memories/{made['id']}"
    verbs = ["archive", "restore", "pin", "unpin"]

    def act(n: int) -> Any:
        if n % 5 == 4:
            return me.post("/v1/search", json={"query": "revolving door"})
        return me.post(f"{path}/{verbs[n % 4]}")

    assert set(statuses(at_once(act))) == {200}
    me.post(f"{path}/restore")
    assert api.found("revolving door", channels={"keyword": 1}) == [made["id"]]
    numbers = [v["version"] for v in me.get(f"{path}/versions").json()["data"]]
    assert numbers == list(range(numbers[0], 0, -1))


def test_reinforcing_the_same_memories_in_another_order(me: Any, api: Any) -> None:
    for n in range(8):
        api.remember(f"Lamp {n} of the {'north' if n % 2 else 'south'} pier is lit.")
    queries = ["lamp of the north pier", "lamp of the south pier"]
    answers = at_once(lambda n: me.post("/v1/search", json={"query": queries[n % 2], "reinforce": True}))
    assert statuses(answers) == {200: THREADS}
    counts = {r["memory"]["retention"]["recall_count"] for r in api.search("lamp")["results"]}
    assert counts == {THREADS}


def test_one_namespace_made_by_many(me: Any, api: Any) -> None:
    answers = at_once(lambda n: me.post("/v1/memories", json={"content": f"First {n}.", "namespace": "new/one"}))
    assert statuses(answers) == {201: THREADS}
    assert len(api.found("first", namespace="new/one", top_k=50)) == THREADS
