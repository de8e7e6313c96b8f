"""How a namespace is searched: its policy, what feedback taught on top, the saved queries that guard it."""

import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.integration.learning.test_learning import TOPICS, fill
from tests.web.conftest import Shot, await_job


@pytest.fixture
def namespace(api: httpx.Client) -> str:
    """Return a namespace of three memories."""
    path = f"web/{secrets.token_hex(4)}"
    texts = ["Ada prefers tea to coffee.", "Ada's office is in Lisbon.", "Bo plays the cello on Sundays."]
    made = api.post("/v1/memories/batch", json={"items": [{"content": one, "namespace": path} for one in texts]})
    assert [one["status"] for one in made.json()["results"]] == ["created"] * len(texts)
    return path


def policy(api: httpx.Client, namespace: str) -> dict[str, Any]:
    answer: dict[str, Any] = api.get("/v1/policies/fusion", params={"namespace": namespace}).json()
    return answer


def open_page(page: Page, namespace: str) -> None:
    page.goto(f"/admin/settings/search?ns={namespace}")
    expect(page.get_by_role("heading", name=f"How {namespace} is searched")).to_be_visible()


def test_a_policy_is_seen_changed_and_taken_back(
    page: Page, phone: Page, api: httpx.Client, namespace: str, shot: Shot, axe: Callable[[Page], None]
) -> None:
    assert policy(api, namespace)["id"] is None
    open_page(page, namespace)
    expect(page.get_by_text("as everywhere", exact=True)).to_be_visible()
    force = page.get_by_role("button", name="Put in force")
    expect(force).to_be_disabled()
    page.get_by_label("Preset").select_option("thorough")
    page.get_by_label("Choose channels").check()
    page.get_by_role("checkbox", name="graph").uncheck()
    page.get_by_label("Factor on vector").fill("0.3")
    shot(page, "settings-search", full=True)
    axe(page)
    force.click()
    expect(page.get_by_text(f"Searches of {namespace} go by it.")).to_be_visible()
    expect(page.get_by_text("own policy", exact=True)).to_be_visible()
    said = policy(api, namespace)["policy"]
    assert (said["preset"], said["channels"]) == ("thorough", {"vector": 0.3, "keyword": 1, "temporal": 1})
    # It is what a search goes by that says nothing itself.
    found = api.post("/v1/search", json={"query": "tea", "namespace": namespace, "explain": True}).json()["explain"]
    assert found["policy"]["policy"]["preset"] == "thorough" if "policy" in found["policy"] else found["policy"]
    assert "graph" not in found["weights"]
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("as everywhere", exact=True)).to_be_visible()
    assert policy(api, namespace)["id"] is None
    # A policy of one's own is given up, and that taken back as well.
    put = api.put("/v1/policies/fusion", params={"namespace": namespace}, json={"preset": "fast"})
    assert put.status_code == 200
    open_page(page, namespace)
    expect(page.get_by_label("Preset")).to_have_value("fast")
    page.get_by_role("button", name="Search as everywhere").click()
    expect(page.get_by_text("Searched as everywhere again.")).to_be_visible()
    assert policy(api, namespace)["id"] is None
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("own policy", exact=True)).to_be_visible()
    assert policy(api, namespace)["policy"]["preset"] == "fast"
    phone.goto(f"/admin/settings/search?ns={namespace}")
    expect(phone.get_by_label("Preset")).to_have_value("fast")
    shot(phone, "settings-search-phone", full=True)
    axe(phone)
    assert phone.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_a_policy_that_finds_nothing_is_refused_in_words(page: Page, api: httpx.Client, namespace: str) -> None:
    open_page(page, namespace)
    page.get_by_label("Choose channels").check()
    for channel in ("vector", "keyword", "graph", "temporal"):
        page.get_by_role("checkbox", name=channel).uncheck()
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_role("alert")).to_contain_text("channel")
    assert policy(api, namespace)["id"] is None
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_what_somebody_else_changed_is_not_written_over(page: Page, api: httpx.Client, namespace: str) -> None:
    open_page(page, namespace)
    page.get_by_label("Preset").select_option("fast")
    assert api.put("/v1/policies/fusion", params={"namespace": namespace}, json={"preset": "thorough"}).is_success
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody else changed the policy")
    assert policy(api, namespace)["policy"]["preset"] == "thorough"


def test_learning_is_switched_begun_and_refused_with_its_reason(page: Page, api: httpx.Client, namespace: str) -> None:
    path = f"/v1/namespaces/{namespace.replace('/', '%2F')}"

    def learns() -> bool:
        return bool(api.get(path).json()["settings"]["fusion"]["learn"])

    open_page(page, namespace)
    expect(page.get_by_text("No factors are in force")).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing was proposed yet")).to_be_visible()
    page.get_by_label("Learn by itself").check()
    expect(page.get_by_text(f"{namespace} learns from feedback.")).to_be_visible()
    assert learns()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Learn by itself")).not_to_be_checked()
    assert not learns()
    page.get_by_role("button", name="Learn now").click()
    row = page.get_by_role("article", name="Proposal, refused")
    expect(row).to_be_visible(timeout=60_000)
    decision = api.get("/v1/fusion-weights", params={"namespace": namespace}).json()["data"][0]
    expect(row).to_contain_text(decision["reason"])
    expect(page.get_by_role("button", name="Take back")).to_have_count(0)


def test_saved_queries_are_dropped_and_kept_again(page: Page, api: httpx.Client, namespace: str) -> None:
    memory = api.get("/v1/memories", params={"namespace": namespace}).json()["data"][0]["id"]
    saved = api.post(
        "/v1/saved-queries", json={"query": "What does Bo play?", "relevant": [memory], "namespace": namespace}
    )
    assert saved.status_code == 201

    def kept() -> list[tuple[str, list[str]]]:
        listed = api.get("/v1/saved-queries", params={"namespace": namespace}).json()["data"]
        return [(one["query"], one["relevant"]) for one in listed]

    open_page(page, namespace)
    row = page.get_by_role("list", name="Saved queries").get_by_role("listitem")
    expect(row).to_contain_text("saved by hand")
    page.get_by_role("button", name="Do not keep What does Bo play?").click()
    expect(page.get_by_role("heading", name="No query is saved yet")).to_be_visible()
    assert kept() == []
    page.get_by_role("button", name="Undo").click()
    expect(row).to_contain_text("What does Bo play?")
    assert kept() == [("What does Bo play?", [memory])]
    row.get_by_role("link", name="What does Bo play?").click()
    expect(page.get_by_role("heading", name="Recall lab")).to_be_visible()


def test_factors_that_feedback_taught_are_shown_and_taken_back(
    page: Page, api: httpx.Client, shot: Shot, axe: Callable[[Page], None]
) -> None:
    namespace = f"taught-{secrets.token_hex(3)}"
    topics = fill(api, namespace)
    assert len(topics) == len(TOPICS)
    for question, good, bad in topics:
        for wording in (question, f"I wonder: {question}"):
            found = api.post("/v1/search", json={"query": wording, "namespace": namespace, "top_k": 200}).json()
            for memory, useful in ((good, True), (bad, False)):
                path = f"/v1/traces/{found['search_id']}/feedback"
                assert api.post(path, json={"memory_id": memory, "useful": useful}).status_code == 200
    # It learns by itself meanwhile; a run under way has not seen all of it, and refuses for want of it.
    asking = {"params": {"namespace": namespace, "limit": 50}}
    while (answer := api.post("/v1/fusion-weights/learn", json={"namespace": namespace})).status_code == 409:
        for job in api.get("/v1/jobs", **asking).json()["data"]:
            if job["kind"] == "learn" and job["status"] in {"queued", "running"}:
                await_job(api, job["id"])
    await_job(api, answer.json()["job_id"])

    def factors() -> dict[str, float]:
        found: dict[str, float] = api.get(f"/v1/namespaces/{namespace}").json()["factors"]
        return found

    taught = factors()
    assert taught.get("keyword", 1) < 1, api.get("/v1/fusion-weights", params={"namespace": namespace}).text
    open_page(page, namespace)
    expect(page.get_by_role("group", name="Factors in force")).to_contain_text(f"× {taught['keyword']:.2f}")
    in_force = page.get_by_role("article", name="Proposal, accepted").filter(has_text="in force")
    expect(in_force).to_contain_text("it had not seen: nDCG@10")
    expect(page.get_by_role("list", name="Saved queries").get_by_role("listitem").first).to_contain_text(
        "from feedback"
    )
    shot(page, "settings-search-learned", full=True)
    axe(page)
    before = taught
    page.get_by_role("button", name="Take back").click()
    assert factors() == before, "asked twice"
    page.get_by_role("button", name="Back to the factors before").click()
    expect(page.get_by_text("The factors before are in force.")).to_be_visible()
    assert factors() != before
    expect(page.get_by_role("article", name="Proposal, reverted").first).to_be_visible()
