"""Task trees: steps that wait for each other, close into an outcome, are rolled back and replaced."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from memory_service.storage.database import Database

URL = "/v1/tasks"


class Tree:
    """Tasks of one tenant, every answer checked."""

    def __init__(self, me: Any) -> None:
        self.me = me

    def make(self, title: str, parent: Any = None, **fields: Any) -> dict[str, Any]:
        above = {} if parent is None else {"parent_id": parent["id"]}
        answer = self.me.post(URL, json={"title": title, **above, **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def get(self, task: Any) -> dict[str, Any]:
        answer = self.me.get(f"{URL}/{task['id']}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def call(self, task: Any, verb: str, /, *, answers: int = 200, **body: Any) -> dict[str, Any]:
        answer = self.me.post(f"{URL}/{task['id']}/{verb}", json=body)
        assert answer.status_code == answers, answer.text
        done: dict[str, Any] = answer.json()
        return done

    def patch(self, task: Any, **body: Any) -> Any:
        return self.me.patch(f"{URL}/{task['id']}", json=body)

    def context(self, task: Any, **parameters: Any) -> dict[str, Any]:
        answer = self.me.get(f"{URL}/{task['id']}/context", params=parameters)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def statuses(self, *tasks: Any) -> list[str]:
        return [self.get(task)["status"] for task in tasks]


@pytest.fixture
def tree(me: Any) -> Tree:
    return Tree(me)


def test_a_task_is_made_read_and_changed(tree: Tree, me: Any) -> None:
    made = me.post(URL, json={"title": "Plan the trip", "input": {"to": "Lisbon"}, "namespace": "team", "user_id": "u"})
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    root = made.json()
    assert made.headers["location"] == f"/v1/tasks/{root['id']}"
    assert me.get(made.headers["location"]).json() == root
    assert (root["status"], root["ready"], root["depth"], root["parent_id"]) == ("open", True, 0, None)
    assert (root["root_id"], root["children"]) == (root["id"], {"open": 0, "closed": 0})
    child = tree.make("Book a flight", root, agent_id="booker", depends_on=[])
    assert (child["namespace"], child["user_id"], child["agent_id"]) == ("team", "u", "booker")
    assert (child["root_id"], child["parent_id"], child["depth"]) == (root["id"], root["id"], 1)
    assert tree.get(root)["children"] == {"open": 1, "closed": 0}
    changed = tree.patch(child, status="running", output=[1, 2], metadata={"a": 1})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert (changed.json()["status"], changed.json()["output"], changed.json()["ready"]) == ("running", [1, 2], False)
    assert tree.patch(child, status="running").json()["version"] == 2
    assert tree.patch(child, metadata={"a": True}).json()["version"] == 3


def test_what_cannot_be_a_task_is_refused(me: Any, problem: Any, tree: Tree) -> None:
    for body, pointer in (
        ({}, "/title"),
        ({"title": " \u200b"}, "/title"),
        ({"title": "x" * 257}, "/title"),
        ({"title": "a\0b"}, "/title"),
        ({"title": "a", "depends_on": ["x"]}, "/depends_on/0"),
        ({"title": "a", "depends_on": [str(uuid4())] * 65}, "/depends_on"),
        ({"title": "a", "parent_id": 5}, "/parent_id"),
        ({"title": "a", "status": "succeeded"}, "/status"),
    ):
        problem(me.post(URL, json=body), 422, pointer=pointer)
    problem(me.post(URL, json={"title": "a", "namespace": "a//b"}), 422, "invalid_namespace")
    problem(me.post(URL, json={"title": "a", "input": "x" * 70_000}), 413, "value_too_large")
    task = tree.make("a")
    problem(tree.patch(task), 422)
    problem(tree.patch(task, status="failed"), 422, pointer="/status")
    problem(tree.patch(task, title=None), 422, pointer="/title")
    problem(me.get(f"{URL}/{uuid4()}"), 404, "task_not_found")
    problem(me.get(f"{URL}/not-an-id"), 404, "task_not_found")
    assert me.get(URL).json()["data"] == [task]


def test_what_says_nothing_may_be_left_out(tree: Tree, me: Any, problem: Any) -> None:
    task, other = tree.make("a"), tree.make("b")
    closed = me.post(f"{URL}/{task['id']}/close", headers={"Idempotency-Key": "once"})
    assert (closed.status_code, closed.json()["status"]) == (200, "succeeded")
    again = me.post(f"{URL}/{task['id']}/close", json={}, headers={"Idempotency-Key": "once"})
    assert again.headers["idempotent-replayed"] == "true"
    assert me.post(f"{URL}/{other['id']}/close", content=b"").status_code == 200
    assert me.post("/v1/consolidations").status_code == 202
    assert me.post("/v1/memories/query").json()["data"] == []
    assert me.post("/v1/exports").status_code == 200
    # Not where something must be said, nor where the body is what there is to be.
    problem(me.post(URL), 422)
    problem(me.post("/v1/memories/archive"), 422)
    problem(me.patch(f"{URL}/{task['id']}"), 422)
    problem(me.put("/v1/policies/fusion"), 422)


def test_parents_and_dependencies_lie_in_one_namespace(tree: Tree, me: Any, problem: Any) -> None:
    here, there = tree.make("here"), tree.make("there", namespace="other")
    nobody = str(uuid4())
    for body, pointer in (
        ({"parent_id": nobody}, "/parent_id"),
        ({"parent_id": there["id"], "namespace": "default"}, "/parent_id"),
        ({"depends_on": [here["id"], there["id"]]}, "/depends_on/1"),
        ({"depends_on": [nobody]}, "/depends_on/0"),
    ):
        problem(me.post(URL, json={"title": "a", **body}), 422, "unknown_task", pointer=pointer)
    problem(tree.patch(here, depends_on=[there["id"]]), 422, "unknown_task", pointer="/depends_on/0")
    problem(me.post(URL, json={"title": "a", "parent_id": here["id"], "user_id": "u"}), 422, pointer="/user_id")


def test_a_task_is_ready_when_what_it_depends_on_has_succeeded(tree: Tree) -> None:
    root = tree.make("root")
    first, second = tree.make("first", root), tree.make("second", root)
    last = tree.make("last", root, depends_on=[first["id"], second["id"]])
    assert last["ready"] is False
    tree.call(first, "close", output="one")
    assert tree.get(last)["ready"] is False
    tree.call(second, "close", status="failed")
    assert tree.get(last)["ready"] is False
    tree.patch(last, depends_on=[first["id"]])
    assert tree.get(last)["ready"] is True


def test_tasks_never_wait_for_each_other(tree: Tree, me: Any, problem: Any) -> None:
    root = tree.make("root")
    a = tree.make("a", root)
    b = tree.make("b", root, depends_on=[a["id"]])
    below_b = tree.make("below b", b)
    elsewhere = tree.make("elsewhere", depends_on=[b["id"]])
    for task, target in (
        (a, a),
        (a, b),
        (a, below_b),
        (a, root),
        (below_b, root),
        (below_b, elsewhere),
        (a, elsewhere),
    ):
        if (task, target) == (a, below_b):
            # What lies below b may be done before b is: nobody waits in a circle.
            assert tree.patch(task, depends_on=[target["id"]]).status_code == 200
            assert tree.patch(task, depends_on=[]).status_code == 200
            continue
        problem(tree.patch(task, depends_on=[target["id"]]), 409, "dependency_cycle", pointer="/depends_on")
        assert tree.get(task)["depends_on"] == ([a["id"]] if task is b else [])
    problem(
        me.post(URL, json={"title": "c", "parent_id": root["id"], "depends_on": [root["id"]]}), 409, "dependency_cycle"
    )


def test_of_two_that_would_wait_for_each_other_one_is_refused(tree: Tree) -> None:
    for _ in range(5):
        a, b = tree.make("a"), tree.make("b")
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda p: tree.patch(p[0], depends_on=[p[1]["id"]]), [(a, b), (b, a)]))
        assert sorted(answer.status_code for answer in answers) == [200, 409]


def test_closing_with_open_steps_is_an_error_or_forced(tree: Tree, me: Any, problem: Any) -> None:
    root = tree.make("root")
    child = tree.make("child", root)
    done, deep = tree.make("done", child), tree.make("deep", child)
    tree.call(done, "close", output="x")
    told = problem(me.post(f"{URL}/{root['id']}/close", json={}), 409, "open_children")
    assert {error["detail"].split()[1] for error in told["errors"]} == {child["id"], deep["id"]}
    closed = tree.call(root, "close", output={"n": 1}, outcome="All is well.", force=True)
    assert (closed["status"], closed["output"], closed["outcome"]) == ("succeeded", {"n": 1}, "All is well.")
    assert closed["closed_at"] == closed["updated_at"]
    assert set(closed["cancelled"]) == {child["id"], deep["id"]}
    assert tree.statuses(root, child, done, deep) == ["succeeded", "cancelled", "succeeded", "cancelled"]
    problem(me.post(f"{URL}/{root['id']}/close", json={}), 409, "task_closed")
    problem(tree.patch(root, title="b"), 409, "task_closed")
    problem(me.post(URL, json={"title": "late", "parent_id": root["id"]}), 409, "task_closed")


def test_closing_before_what_it_depends_on(tree: Tree, me: Any, problem: Any) -> None:
    first = tree.make("first")
    second = tree.make("second", depends_on=[first["id"]])
    problem(me.post(f"{URL}/{second['id']}/close", json={}), 409, "open_dependencies")
    assert tree.call(second, "close", status="failed", outcome="Gave up.")["status"] == "failed"
    third = tree.make("third", depends_on=[first["id"]])
    assert tree.call(third, "close", force=True)["status"] == "succeeded"


def test_closing_keeps_the_output_that_was_there(tree: Tree) -> None:
    task = tree.make("a")
    tree.patch(task, output="so far")
    assert tree.call(task, "close")["output"] == "so far"
    other = tree.make("b")
    tree.patch(other, output="so far")
    assert tree.call(other, "close", output=None)["output"] is None


def test_a_rollback_to_the_beginning(tree: Tree, me: Any) -> None:
    root = tree.make("root")
    task = tree.make("task", root, input="as made")
    tree.patch(task, input="changed")
    step = tree.make("step", task)
    tree.call(step, "close", output="stale")
    waiting = tree.make("waiting", root, depends_on=[task["id"]])
    tree.call(task, "close", output="stale too")
    assert tree.get(waiting)["ready"] is True
    back = tree.call(task, "rollback")
    assert (back["status"], back["input"], back["output"], back["closed_at"]) == ("open", "as made", None, None)
    assert [(u["task_id"], u["action"], u["status_before"], u["status"]) for u in back["undone"]] == [
        (task["id"], "restored", "succeeded", "open"),
        (step["id"], "discarded", "succeeded", "discarded"),
    ]
    assert back["undone"][0]["restored_version"] == 1
    assert back["affected"] == [waiting["id"]]
    assert tree.get(waiting)["ready"] is False
    assert tree.get(task)["children"] == {"open": 0, "closed": 0}
    # Nothing is lost: the history has it all.
    states = me.get(f"{URL}/{task['id']}/versions").json()["data"]
    assert [(s["operation"], s["status"], s["output"]) for s in states] == [
        ("rollback", "open", None),
        ("close", "succeeded", "stale too"),
        ("patch", "open", None),
        ("create", "open", None),
    ]
    assert [s["known_to"] for s in states[1:]] == [s["known_from"] for s in states[:-1]]
    assert "stale" not in tree.context(waiting)["text"]
    assert "stale" not in tree.context(task)["text"]
    # Done already.
    assert tree.call(task, "rollback")["undone"] == []


def test_a_rollback_to_a_version_undoes_what_came_after_it(tree: Tree) -> None:
    task = tree.make("task")
    early = tree.make("early", task)
    tree.call(early, "close", output="kept")
    changed = tree.patch(task, input="second").json()
    late = tree.make("late", task)
    tree.call(late, "close")
    tree.call(task, "close", output="end")
    only_the_end = tree.call(task, "rollback", version=changed["version"])
    assert [u["task_id"] for u in only_the_end["undone"]] == [task["id"]]
    assert tree.statuses(task, early, late) == ["open", "succeeded", "succeeded"]
    further = tree.call(task, "rollback", version=1)
    assert (further["input"], tree.statuses(task, early, late)) == (None, ["open", "succeeded", "discarded"])
    # The version before the rollback brings back what it undid.
    again = tree.call(task, "rollback", version=only_the_end["version"])
    assert (again["input"], tree.statuses(task, early, late)) == ("second", ["open", "succeeded", "succeeded"])
    assert tree.call(task, "rollback", version=again["version"])["undone"] == []


def test_a_rollback_to_a_time(tree: Tree, me: Any, problem: Any) -> None:
    task = tree.make("task")
    step = tree.make("step", task)
    closed = tree.call(step, "close", output="one")
    late = tree.make("late", task)
    back = tree.call(task, "rollback", to=closed["updated_at"])
    assert [(u["task_id"], u["action"]) for u in back["undone"]] == [(late["id"], "discarded")]
    assert tree.call(task, "rollback", to=step["updated_at"])["undone"][0]["status"] == "open"
    problem(me.post(f"{URL}/{task['id']}/rollback", json={"to": "2020-01-01T00:00:00Z"}), 404, "version_not_found")
    problem(me.post(f"{URL}/{task['id']}/rollback", json={"version": 9}), 404, "version_not_found")
    problem(me.post(f"{URL}/{task['id']}/rollback", json={"version": 1, "to": "2020-01-01T00:00:00Z"}), 422)


def test_a_rollback_below_a_closed_task_is_refused(tree: Tree, me: Any, problem: Any) -> None:
    root = tree.make("root")
    step = tree.make("step", root)
    tree.call(step, "close")
    tree.call(root, "close")
    problem(me.post(f"{URL}/{step['id']}/rollback", json={}), 409, "task_closed")
    problem(me.delete(f"{URL}/{step['id']}"), 409, "task_closed")


def test_a_failed_task_gives_way_to_another_plan(tree: Tree, me: Any, problem: Any) -> None:
    root = tree.make("root")
    before = tree.make("before", root)
    tree.call(before, "close", output="ground")
    plan_a = tree.make("plan a", root, input="by train", depends_on=[before["id"]], agent_id="x", metadata={"k": 1})
    part = tree.make("part", plan_a)
    after = tree.make("after", root, depends_on=[plan_a["id"]])
    plan_b = tree.call(plan_a, "replace", answers=201, title="plan b", input="by bus")
    assert (plan_b["replaces"], plan_b["parent_id"], plan_b["depends_on"]) == (plan_a["id"], root["id"], [before["id"]])
    assert (plan_b["agent_id"], plan_b["metadata"], plan_b["status"], plan_b["ready"]) == ("x", {"k": 1}, "open", True)
    old = tree.get(plan_a)
    assert (old["status"], old["superseded_by"], old["title"]) == ("superseded", plan_b["id"], "plan a")
    assert tree.statuses(part) == ["cancelled"]
    assert tree.get(after)["depends_on"] == [plan_b["id"]]
    assert tree.get(root)["children"] == {"open": 2, "closed": 1}
    for verb in ("replace", "rollback"):
        problem(me.post(f"{URL}/{plan_a['id']}/{verb}", json={}), 409, "task_superseded")
    problem(me.post(f"{URL}/{plan_a['id']}/close", json={}), 409, "task_closed")
    problem(tree.patch(after, depends_on=[plan_a["id"]]), 409, "task_superseded")
    problem(me.post(f"{URL}/{plan_b['id']}/replace", json={"depends_on": [plan_b["id"]]}), 422, pointer="/depends_on")
    problem(me.post(f"{URL}/{plan_b['id']}/replace", json={"depends_on": [after["id"]]}), 409, "dependency_cycle")
    assert tree.get(plan_b)["version"] == 1
    # A rollback of what stands above takes the replacement back.
    tree.call(root, "rollback", to=after["updated_at"])
    assert tree.statuses(plan_a, plan_b, part) == ["open", "discarded", "open"]
    assert tree.get(after)["depends_on"] == [plan_a["id"]]


def test_a_root_can_be_replaced(tree: Tree) -> None:
    root = tree.make("root", user_id="u", namespace="team")
    new = tree.call(root, "replace", answers=201)
    assert (new["title"], new["user_id"], new["namespace"], new["root_id"]) == ("root", "u", "team", new["id"])


def test_the_context_holds_what_the_work_needs_and_nothing_stale(tree: Tree) -> None:
    root = tree.make("Plan the trip", input="Ten days in Portugal")
    flights = tree.make("Book flights", root)
    quotes = tree.make("Compare quotes", flights)
    tree.call(quotes, "close", output="inner detail")
    tree.call(flights, "close", output={"pnr": "X1", "log": "a" * 50}, outcome="TAP on 9 May.")
    hotel_a = tree.make("Hotel by phone", root)
    tree.call(hotel_a, "close", status="failed", outcome="Nobody answers.")
    hotel = tree.call(hotel_a, "replace", answers=201, title="Hotel online")
    tree.call(hotel, "close", output="Casa Azul")
    dropped = tree.make("Dropped", root)
    tree.me.delete(f"{URL}/{dropped['id']}")
    days = tree.make("Plan the days", root, input="Two cities", depends_on=[flights["id"]])
    porto, lisbon = tree.make("Porto", days), tree.make("Lisbon", days)
    tree.call(porto, "close", output="Three days of port")
    made = tree.context(days)
    assert made["text"].splitlines() == [
        "Goal: Plan the trip: Ten days in Portugal",
        "Task: Plan the days: Two cities",
        "Needs [succeeded]: Book flights: TAP on 9 May.",
        "Done before [succeeded]: Hotel online: Casa Azul",
        "Done in it [succeeded]: Porto: Three days of port",
        "Step [open]: Lisbon",
    ]
    assert [(i["kind"], i["task_id"]) for i in made["items"]] == [
        ("path", root["id"]),
        ("task", days["id"]),
        ("dependency", flights["id"]),
        ("sibling", hotel["id"]),
        ("step_done", porto["id"]),
        ("step_open", lisbon["id"]),
    ]
    assert (made["left_out"], made["search_id"], made["version"]) == (0, None, 1)


@pytest.mark.parametrize("budget", [1, 5, 12, 30, 60, 400])
def test_the_context_keeps_its_budget_and_begins_with_the_task(tree: Tree, budget: int) -> None:
    root = tree.make("Root", input="why " * 50)
    for number in range(20):
        tree.call(tree.make(f"Step {number}", root), "close", output=f"result {number} " * 5)
    task = tree.make("The task itself", root, input="word " * 100)
    made = tree.context(task, token_budget=budget)
    assert made["tokens"] <= budget
    assert len(made["items"]) + made["left_out"] == 22
    if made["items"]:
        assert "task" in [item["kind"] for item in made["items"]]
    if budget == 400:
        kinds = [item["kind"] for item in made["items"]]
        assert kinds[:2] == ["path", "task"]
        assert kinds[2:] == ["sibling"] * len(kinds[2:])
        # The latest results come first into the room there is.
        assert made["items"][-1]["text"].startswith("Done before [succeeded]: Step 19")


def test_the_context_brings_memories_when_asked(tree: Tree, api: Any) -> None:
    kept = api.remember("Ana is allergic to shellfish.", user_id="ana")
    api.remember("Bob is allergic to peanuts.", user_id="bob")
    task = tree.make("Choose a restaurant", input="Mind what Ana is allergic to", user_id="ana")
    assert "memory" not in [item["kind"] for item in tree.context(task)["items"]]
    made = tree.context(task, include_memories=True)
    assert [i["memory_id"] for i in made["items"] if i["kind"] == "memory"] == [kept["id"]]
    assert "shellfish" in made["text"]
    assert tree.me.get(f"/v1/traces/{made['search_id']}").status_code == 200
    assert tree.context(task, include_memories=True, token_budget=12)["tokens"] <= 12
    assert (
        tree.me.get(f"{URL}/{task['id']}/context", params={"include_memories": True, "query": " "}).status_code == 422
    )


def test_lists_are_narrowed_and_paged(tree: Tree, me: Any, problem: Any) -> None:
    root = tree.make("root", session_id="s1", namespace="team")
    steps = [tree.make(f"step {n}", root, agent_id=f"a{n % 2}") for n in range(4)]
    other = tree.make("other")
    tree.call(steps[0], "close")

    def listed(**parameters: Any) -> list[str]:
        return [task["id"] for task in me.get(URL, params=parameters).json()["data"]]

    assert listed(namespace="team") == [t["id"] for t in [*reversed(steps), root]]
    assert listed(parent_id=root["id"], status="open") == [t["id"] for t in reversed(steps[1:])]
    assert listed(roots=True) == [other["id"], root["id"]]
    assert listed(session_id="s1", agent_id="a0") == [steps[2]["id"], steps[0]["id"]]
    assert listed(root_id=root["id"], status="succeeded") == [steps[0]["id"]]
    assert listed(user_id="nobody") == []
    assert listed(parent_id=str(uuid4())) == []
    first = me.get(URL, params={"limit": 2, "namespace": "team"}).json()
    tree.make("new", root)
    rest = me.get(URL, params={"limit": 9, "namespace": "team", "cursor": first["next_cursor"]}).json()
    assert [t["id"] for t in [*first["data"], *rest["data"]]] == [t["id"] for t in [*reversed(steps), root]]
    problem(me.get(URL, params={"limit": 2, "cursor": first["next_cursor"]}), 422, "invalid_cursor")
    problem(me.get(URL, params={"namespace": "nowhere"}), 404, "namespace_not_found")
    problem(me.get(URL, params={"status": "done"}), 422, pointer="?status")


def test_if_match_and_repeated_calls(tree: Tree, me: Any, problem: Any) -> None:
    task = tree.make("a")
    stale = {"If-Match": '"7"'}
    url = f"{URL}/{task['id']}"
    problem(me.patch(url, json={"title": "b"}, headers=stale), 412, "version_mismatch")
    problem(me.delete(url, headers=stale), 412, "version_mismatch")
    for verb in ("close", "rollback", "replace"):
        problem(me.post(f"{url}/{verb}", json={}, headers=stale), 412, "version_mismatch")
    key = {"Idempotency-Key": "make-1"}
    made = [me.post(URL, json={"title": "once"}, headers=key) for _ in range(2)]
    assert made[0].json() == made[1].json()
    assert made[1].headers["Idempotent-Replayed"] == "true"
    closed = [me.post(f"{url}/close", json={}, headers={"Idempotency-Key": "close-1"}) for _ in range(2)]
    assert closed[0].json() == closed[1].json()
    replaced = [
        me.post(f"{URL}/{made[0].json()['id']}/replace", json={}, headers={"Idempotency-Key": "r"}) for _ in "ab"
    ]
    assert replaced[0].json()["id"] == replaced[1].json()["id"]
    assert len(me.get(URL).json()["data"]) == 3


def test_a_discarded_task_leaves_contexts_and_comes_back(tree: Tree, me: Any) -> None:
    root = tree.make("root")
    step = tree.make("step", root)
    deep = tree.make("deep", step)
    assert me.delete(f"{URL}/{step['id']}").status_code == 204
    assert tree.statuses(step, deep) == ["discarded", "discarded"]
    assert "step" not in tree.context(root)["text"]
    tree.call(step, "rollback", version=1)
    assert tree.statuses(step, deep) == ["open", "open"]


def test_an_erased_tree_leaves_nothing(tree: Tree, me: Any, problem: Any, database: Database) -> None:
    from sqlalchemy import text

    root = me.post(URL, json={"title": "a secret"}, headers={"Idempotency-Key": "k"}).json()
    step = tree.make("secret step", root)
    kept = tree.make("kept", depends_on=[step["id"]])
    assert me.delete(f"{URL}/{root['id']}?erase=true").status_code == 204
    for task in (root, step):
        problem(me.get(f"{URL}/{task['id']}"), 404, "task_not_found")
    # What is gone is waited for no more.
    assert (tree.get(kept)["depends_on"], tree.get(kept)["ready"]) == ([], True)
    with database.transaction(me.tenant_id) as session:
        params = {"t": me.tenant_id}
        assert session.scalars(text("SELECT title FROM task_version WHERE tenant_id = :t"), params).all() == ["kept"]
        assert session.scalar(text("SELECT count(*) FROM idempotency_key WHERE tenant_id = :t"), params) == 0


def test_a_tree_has_a_bottom(tree: Tree, me: Any, problem: Any) -> None:
    task = tree.make("0")
    for depth in range(1, 65):
        task = tree.make(str(depth), task)
    problem(me.post(URL, json={"title": "65", "parent_id": task["id"]}), 422, pointer="/parent_id")
    assert tree.context(task)["items"][0]["text"] == "Goal: 0"


def test_many_agents_work_on_one_tree(tree: Tree) -> None:
    root = tree.make("root")
    with ThreadPoolExecutor(8) as pool:
        steps = list(pool.map(lambda n: tree.make(f"step {n}", root), range(24)))
        list(pool.map(lambda step: tree.call(step, "close", output="x"), steps))
    assert tree.get(root)["children"] == {"open": 0, "closed": 24}
    back = tree.call(root, "rollback")
    assert len(back["undone"]) == 24
