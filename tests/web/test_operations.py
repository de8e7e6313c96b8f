"""Overview, jobs, changesets, erasure and settings: every action, and what the database says after it."""

import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Service, Shot, await_job, log_in


@pytest.fixture
def namespace(api: httpx.Client) -> str:
    """Return a namespace of six memories of which one repeats another."""
    path = f"web/{secrets.token_hex(4)}"
    texts = [
        "Ada prefers tea to coffee.",
        "Ada's office is in Lisbon.",
        "Ada prefers tea to coffee!",
        "Bo plays the cello on Sundays.",
        "The rehearsal was moved to 14 May 2025.",
        "Bo's cello was made in Cremona.",
    ]
    items = [{"content": text, "namespace": path, "user_id": "ada"} for text in texts]
    results = api.post("/v1/memories/batch", json={"items": items}).json()["results"]
    assert [one["status"] for one in results] == ["created"] * len(texts)
    return path


@pytest.fixture
def consolidated(api: httpx.Client, namespace: str) -> str:
    """Return the id of the changeset that consolidated them."""
    job = await_job(api, api.post("/v1/consolidations", json={"namespace": namespace}).json()["job_id"])
    assert job["result"]["changesets"]
    return str(job["result"]["changesets"][0])


def test_the_overview_says_what_is_there(page: Page, api: httpx.Client, demo: str, shot: Shot) -> None:
    report = api.get("/v1/health-report", params={"namespace": demo}).json()
    page.goto(f"/admin/?ns={demo}")
    live = page.locator(".figure", has_text="live memories").locator(".value")
    expect(live).to_have_text(f"{report['memories']['live']:,}")
    expect(page.get_by_role("heading", name="How firm they are")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("memories by day"))).to_be_visible()
    shot(page, "overview", full=True)


def test_an_empty_namespace_teaches_the_first_step(page: Page, api: httpx.Client, shot: Shot) -> None:
    api.post("/v1/namespaces", json={"path": "web/empty"})
    page.goto("/admin/?ns=web/empty")
    expect(page.get_by_role("heading", name="Nothing is remembered here yet")).to_be_visible()
    expect(page.locator("pre")).to_contain_text('"namespace": "web/empty"')
    shot(page, "overview-empty")


def test_a_consolidation_is_begun_and_followed(page: Page, api: httpx.Client, namespace: str, shot: Shot) -> None:
    page.goto(f"/admin/jobs?ns={namespace}")
    page.get_by_role("button", name="Consolidate now").click()
    expect(page.get_by_text(f"Consolidation of {namespace} began.")).to_be_visible()
    row = page.get_by_role("listitem").filter(has_text="consolidate").first
    expect(row.get_by_text("succeeded")).to_be_visible(timeout=60_000)
    shot(page, "jobs")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Job: consolidate")).to_be_visible()
    shot(page, "job", full=True)
    jobs = api.get("/v1/jobs", params={"namespace": namespace}).json()["data"]
    assert any(job["kind"] == "consolidate" and job["status"] == "succeeded" for job in jobs)
    page.get_by_role("link", name=re.compile("^Changeset ")).first.click()
    expect(page.get_by_role("heading", name=re.compile("^Changeset "))).to_be_visible()


def test_a_changeset_is_read_and_reverted(
    page: Page, api: httpx.Client, namespace: str, consolidated: str, shot: Shot
) -> None:
    page.goto(f"/admin/changesets?ns={namespace}")
    page.get_by_role("link", name=consolidated[-8:]).click()
    expect(page.get_by_role("listitem").filter(has_text="notes").first).to_be_visible()
    shot(page, "changeset", full=True)
    page.get_by_label("Step").select_option("notes")
    assert "step=notes" in page.url
    page.get_by_role("button", name="Revert").click()
    assert api.get(f"/v1/changesets/{consolidated}").json()["status"] == "applied"
    page.get_by_role("button", name="Revert it all").click()
    expect(page.get_by_text("everything is as it was before")).to_be_visible()
    assert api.get(f"/v1/changesets/{consolidated}").json()["status"] == "reverted"
    expect(page.get_by_role("button", name="Revert")).to_have_count(0)


def test_what_changed_since_is_asked_about(page: Page, api: httpx.Client, namespace: str, consolidated: str) -> None:
    changes = api.get(f"/v1/changesets/{consolidated}/changes", params={"limit": 200}).json()["data"]
    touched = next(one["memory_id"] for one in changes if one["step"] == "notes" and one["memory_id"])
    assert api.patch(f"/v1/memories/{touched}", json={"content": "Corrected by hand."}).is_success
    page.goto(f"/admin/changesets/{consolidated}?ns={namespace}")
    page.get_by_role("button", name="Revert").click()
    page.get_by_role("button", name="Revert it all").click()
    expect(page.get_by_role("dialog", name="Some memories changed since")).to_be_visible()
    assert api.get(f"/v1/changesets/{consolidated}").json()["status"] == "applied"
    page.get_by_role("button", name="Revert the others").click()
    expect(page.get_by_text("stayed as they are", exact=False).last).to_be_visible()
    assert api.get(f"/v1/changesets/{consolidated}").json()["status"] == "reverted"
    assert api.get(f"/v1/memories/{touched}").json()["content"] == "Corrected by hand."


def test_an_erasure_shows_what_goes_and_leaves_a_receipt(
    page: Page, api: httpx.Client, namespace: str, consolidated: str, shot: Shot, axe: Callable[[Page], None]
) -> None:
    listed = api.post("/v1/memories/query", json={"namespace": namespace, "limit": 50}).json()["data"]
    named = next(one["id"] for one in listed if "cello on Sundays" in one["content"])
    page.goto(f"/admin/erasures?ns={namespace}&ids={named}")
    page.get_by_role("button", name="Show what would go").click()
    blast = page.get_by_role("region", name="What would go")
    expect(blast.get_by_role("cell", name="embedding")).to_be_visible()
    erase = blast.get_by_role("button", name="Erase for good")
    expect(erase).to_be_disabled()
    shot(page, "erasure-preview", full=True)
    axe(page)
    assert api.get(f"/v1/memories/{named}").is_success, "a preview erases nothing"
    blast.get_by_label(re.compile("Type 1 to erase")).fill("1")
    erase.click()
    expect(page.get_by_text("nothing of it is left")).to_be_visible(timeout=60_000)
    shot(page, "erasure-receipt", full=True)
    assert api.get(f"/v1/memories/{named}").status_code == 410
    expect(page.get_by_role("link", name=re.compile("1 memory erased"))).to_be_visible()


def test_a_filter_that_is_not_json_is_not_sent(page: Page, namespace: str) -> None:
    page.goto(f"/admin/erasures?ns={namespace}")
    page.get_by_label("A filter", exact=True).check()
    page.get_by_label("Filter", exact=True).fill("{oops")
    expect(page.get_by_role("button", name="Show what would go")).to_be_disabled()
    expect(page.get_by_text("not JSON yet")).to_be_visible()
    page.get_by_label("Filter", exact=True).fill('{"no_such_field": 1}')
    page.get_by_role("button", name="Show what would go").click()
    expect(page.get_by_role("alert")).to_contain_text("no_such_field")


def test_namespaces_are_made_and_set_with_a_way_back(page: Page, api: httpx.Client, namespace: str, shot: Shot) -> None:
    page.goto(f"/admin/settings/namespaces?ns={namespace}")
    made = f"{namespace}/made"
    page.get_by_label("Path").fill(made)
    page.get_by_role("button", name="Make it").click()
    row = page.get_by_role("listitem").filter(has=page.get_by_text(made, exact=True))
    expect(row).to_be_visible()
    row.get_by_label("Consolidation").select_option("manual")
    expect(page.get_by_text(f"Consolidation of {made} is manual.")).to_be_visible()
    shot(page, "settings-namespaces")

    def stored() -> str:
        path = made.replace("/", "%2F")
        return str(api.get(f"/v1/namespaces/{path}").json()["settings"]["consolidation"])

    assert stored() == "manual"
    page.get_by_role("button", name="Undo").last.click()
    expect(row.get_by_label("Consolidation")).to_have_value("auto")
    assert stored() == "auto"


def test_a_policy_is_simulated_put_in_force_and_taken_back(
    page: Page, api: httpx.Client, demo: str, shot: Shot, axe: Callable[[Page], None]
) -> None:
    def stored() -> dict[str, Any]:
        answer: dict[str, Any] = api.get("/v1/policies/retention", params={"namespace": demo}).json()
        return answer

    assert stored()["id"] is None
    page.goto(f"/admin/settings/retention?ns={demo}")
    page.get_by_role("spinbutton", name="episodic").fill("0.1")
    page.get_by_label(re.compile("Archive below")).fill("0.45")
    page.get_by_role("button", name="Simulate").click()
    expect(page.get_by_text(re.compile("would have archived"))).to_be_visible()
    shot(page, "settings-retention", full=True)
    axe(page)
    assert stored()["id"] is None, "a simulation changes nothing"
    page.get_by_label("Curve").select_option("ebbinghaus")
    page.get_by_label(re.compile("Archive below")).fill("0.2")
    page.get_by_role("spinbutton", name="episodic").fill("21")
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_text("The policy is in force.")).to_be_visible()
    assert stored()["policy"]["stability_days"]["episodic"] == 21
    assert stored()["policy"]["curve"] == "ebbinghaus"
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("the defaults", exact=True)).to_be_visible()
    assert stored()["id"] is None


def test_a_policy_that_makes_no_sense_is_refused_in_words(page: Page, api: httpx.Client, demo: str) -> None:
    page.goto(f"/admin/settings/retention?ns={demo}")
    page.get_by_role("spinbutton", name="episodic").fill("-3")
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_role("alert")).to_contain_text("stability_days")
    assert api.get("/v1/policies/retention", params={"namespace": demo}).json()["id"] is None


def test_keys_are_made_shown_once_rotated_and_revoked(
    page: Page, api: httpx.Client, service: Service, shot: Shot, axe: Callable[[Page], None]
) -> None:
    name = f"robot {secrets.token_hex(3)}"
    page.goto("/admin/settings/keys")
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog", name="New key")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Days until it expires").fill("7")
    axe(page)
    dialog.get_by_role("button", name="Make the key").click()
    secret = page.locator(".secret").inner_text()
    assert httpx.get(f"{service.url}/v1/memories", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    page.get_by_role("button", name="I have kept it").click()
    row = page.get_by_role("listitem").filter(has_text=name)
    shot(page, "settings-keys")
    expect(page.get_by_text(secret)).to_have_count(0)
    row.get_by_role("button", name="Revoke").click()
    row.get_by_role("button", name="Revoke for good").click()
    expect(row.get_by_text("revoked", exact=True)).to_be_visible()
    listed = api.get("/v1/api-keys", params={"limit": 200}).json()["data"]
    assert next(key for key in listed if key["name"] == name)["revoked_at"] is not None


def test_the_audit_names_who_and_proves_itself(page: Page, shot: Shot) -> None:
    page.goto("/admin/settings/audit")
    expect(page.get_by_role("listitem").first).to_be_visible()
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.get_by_role("status").filter(has_text="Intact")).to_be_visible()
    shot(page, "settings-audit")


@pytest.fixture
def reader(api: httpx.Client) -> Iterator[str]:
    """Return a key that may only read."""
    made = api.post("/v1/api-keys", json={"name": "reader", "scopes": ["memories:read"]}).json()
    yield made["key"]
    api.delete(f"/v1/api-keys/{made['id']}")


def test_a_key_that_may_only_read_is_told_so(open_page: Callable[..., Page], service: Service, reader: str) -> None:
    page = log_in(open_page(), Service(service.url, reader, service.data_dir))
    for path in ("erasures", "settings/keys", "settings/audit"):
        page.goto(f"/admin/{path}")
        expect(page.get_by_text(re.compile("scope", re.IGNORECASE)).first).to_be_visible()


def test_a_service_that_is_away_is_said_to_be_and_asked_again(page: Page, demo: str) -> None:
    page.route("**/v1/jobs*", lambda route: route.abort("connectionrefused"))
    page.goto(f"/admin/jobs?ns={demo}")
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    page.unroute("**/v1/jobs*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("list", name="Jobs")).to_be_visible()
