"""What was computed of a memory: shown on its page while an engine can load it, and no longer."""

import re
import secrets
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from memory_service.activation.transformer.computing import fingerprint_of_folder
from tests.web.conftest import Shot, await_job

BLOCK = 8  # tokens


@pytest.fixture
def computed(api: httpx.Client, tiny_model: Path) -> Callable[..., tuple[list[str], dict[str, Any]]]:
    """Return a function that stores texts and has a worker compute their blocks: ids, and the record of what was stored."""
    own = fingerprint_of_folder(tiny_model, dtype="float32", block_size=BLOCK)
    api.put(f"/v1/kv/engines/{own.digest()}", json={**asdict(own), "model": "tiny", "bytes_per_token": 512})

    def compute(*texts: str) -> tuple[list[str], dict[str, Any]]:
        namespace = f"web/{secrets.token_hex(4)}"
        ids = [
            api.post("/v1/memories", json={"content": one, "namespace": namespace, "extract": "none"}).json()["id"]
            for one in texts
        ]
        prompt = {"namespace": namespace, "model": "tiny", "system": "Be brief.", "memory_ids": ids, "hot_from": 0}
        begun = api.post("/v1/kv/precompute", json=prompt)
        assert begun.status_code == 202, begun.text
        items = await_job(api, begun.json()["job_id"])["items"]
        # What of a prompt is the same for everybody was computed before; the last stretch is that of these memories.
        assert items[-1]["status"] == "stored", items
        return ids, api.get(f"/v1/kv/memories/{items[-1]['kv_memory_id']}").json()

    return compute


def card(page: Page) -> Locator:
    return page.locator(".card").filter(has=page.get_by_role("heading", name=re.compile("KV blob")))


def test_the_page_of_a_memory_says_what_was_computed_of_it(
    page: Page,
    phone: Page,
    api: httpx.Client,
    computed: Callable[..., tuple[list[str], dict[str, Any]]],
    axe: Callable[[Page], None],
    shot: Shot,
) -> None:
    (ana, runa), stored = computed("Ana lives in Lyon and keeps a cat.", "Runa repairs boats every Tuesday.")
    assert {one["memory_id"] for one in stored["sources"]} == {ana, runa}
    for memory in (ana, runa):
        page.goto(f"/admin/memories/{memory}")
        expect(card(page)).to_contain_text("1 KV blob")
        span = next(one for one in stored["sources"] if one["memory_id"] == memory)
        expect(card(page)).to_contain_text(f"tokens {span['token_start']}–{span['token_end']}")
        expect(card(page)).to_contain_text("tiny")
        expect(card(page)).to_contain_text(f"{stored['blocks']} blocks")
    axe(page)
    card(page).scroll_into_view_if_needed()
    shot(page, "memory-kv")
    phone.goto(f"/admin/memories/{ana}")
    card(phone).scroll_into_view_if_needed()
    shot(phone, "memory-kv-phone")
    # One blob holds both memories: what goes with one of them can no longer be loaded for the other.
    namespace = api.get(f"/v1/memories/{ana}").json()["namespace"]
    page.goto(f"/admin/erasures?ns={namespace}&ids={ana}")
    page.get_by_role("button", name="Show what would go").click()
    page.get_by_label(re.compile("Type 1 to erase")).fill("1")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("nothing of it is left")).to_be_visible(timeout=60_000)
    assert api.get(f"/v1/memories/{ana}").status_code == 410
    assert api.get("/v1/kv/memories", params={"memory_id": runa}).json()["data"] == []
    assert api.get(f"/v1/kv/memories/{stored['id']}/blob").status_code == 410
    page.goto(f"/admin/memories/{runa}")
    expect(page.locator(".memory-text")).to_have_text("Runa repairs boats every Tuesday.")
    expect(page.get_by_role("heading", name="Source")).to_be_visible()
    page.wait_for_load_state("networkidle")
    expect(card(page)).to_have_count(0)


def test_a_correction_empties_it_at_once(
    page: Page, api: httpx.Client, computed: Callable[..., tuple[list[str], dict[str, Any]]]
) -> None:
    (ana,), _ = computed("Ana lives in Lyon and keeps a cat.")
    page.goto(f"/admin/memories/{ana}")
    expect(card(page)).to_contain_text("1 KV blob")
    page.get_by_role("button", name="Correct").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What it says").fill("Ana lives in Porto and keeps a cat.")
    dialog.get_by_role("button", name="Save the next version").click()
    expect(page.locator(".memory-text")).to_have_text("Ana lives in Porto and keeps a cat.")
    expect(card(page)).to_have_count(0)
    assert api.get("/v1/kv/memories", params={"memory_id": ana}).json()["data"] == []
