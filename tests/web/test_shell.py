"""Getting in, getting around, getting out; and what every page owes to everybody."""

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Service, Shot

PAGES = {
    "/admin/": "Overview",
    "/admin/graph": "Graph",
    "/admin/recall": "Recall lab",
    "/admin/memories": "Memories",
    "/admin/timeline": "Timeline",
    "/admin/topics": "Topics",
    "/admin/entities": "Entities",
    "/admin/reviews": "Review",
    "/admin/jobs": "Jobs",
    "/admin/changesets": "Changesets",
    "/admin/erasures": "Erasure",
    "/admin/settings": "Settings",
}


def test_a_key_opens_the_door(open_page: Callable[..., Page], service: Service, shot: Shot) -> None:
    page = open_page()
    page.goto("/admin/")
    page.get_by_label("API key").fill("ms_wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    shot(page, "login")
    page.get_by_label("API key").fill(service.api_key)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    # No script can read what logs the person in.
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    page.goto("/admin/memories")
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_session_that_ended_leads_back_to_the_door(page: Page, service: Service) -> None:
    page.goto("/admin/jobs")
    expect(page.get_by_role("heading", name="Jobs", level=1)).to_be_visible()
    page.context.clear_cookies()
    page.get_by_role("link", name="Memories", exact=True).click()
    expect(page.get_by_label("API key")).to_be_visible()


@pytest.mark.parametrize(("path", "heading"), PAGES.items(), ids=list(PAGES.values()))
def test_every_page_has_a_link_a_name_and_room_on_a_telephone(
    page: Page, phone: Page, demo: str, axe: Callable[[Page], None], shot: Shot, path: str, heading: str
) -> None:
    name = heading.lower().replace(" ", "-")
    for view, kind in ((page, "wide"), (phone, "narrow")):
        view.goto(f"{path}?ns={demo}")
        expect(view.get_by_role("heading", name=heading, level=1)).to_be_attached()
        view.wait_for_load_state("networkidle")
        expect(view.locator(".skeleton")).to_have_count(0)
        shot(view, f"{name}-{kind}")
        axe(view)
        assert heading in view.title()
        width = view.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0, f"{path} scrolls sideways by {width} px ({kind})"


def test_menu_and_theme_on_a_telephone(phone: Page, demo: str, shot: Shot) -> None:
    phone.goto(f"/admin/?ns={demo}")
    phone.get_by_role("button", name="Menu").click()
    expect(phone.get_by_role("link", name="Erasure")).to_be_visible()
    shot(phone, "menu-narrow")
    phone.get_by_role("link", name="Erasure").click()
    expect(phone.get_by_role("heading", name="Erasure", level=1)).to_be_visible()
    expect(phone.get_by_role("link", name="Erasure")).to_be_hidden()
    assert phone.evaluate("document.documentElement.dataset.theme") == "dark"
    phone.get_by_role("button", name="Use the light theme").click()
    phone.reload()
    expect(phone.get_by_role("heading", name="Erasure", level=1)).to_be_visible()
    assert phone.evaluate("document.documentElement.dataset.theme") == "light"


def test_the_keyboard_reaches_search_and_content(page: Page, demo: str) -> None:
    page.goto(f"/admin/?ns={demo}")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Ask the memory")).to_be_focused()
    page.keyboard.type("car")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Recall lab", level=1)).to_be_visible()
    assert "q=car" in page.url
    assert f"ns={demo}" in page.url


def test_no_key_is_lost_between_a_page_and_its_first_picture(page: Page, demo: str) -> None:
    # Keys pressed in the very turn in which the field appears: no picture has been drawn by then.
    page.add_init_script("""
        new MutationObserver((_, observer) => {
            const field = document.querySelector("input[type=search]");
            if (!field) return;
            observer.disconnect();
            document.dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true }));
            window.focused = document.activeElement === field;
            field.value = "c";
            field.dispatchEvent(new InputEvent("input", { data: "c", bubbles: true }));
        }).observe(document, { childList: true, subtree: true });
    """)
    page.goto(f"/admin/?ns={demo}")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    assert page.evaluate("window.focused")
    page.keyboard.press("End")
    page.keyboard.type("ar")
    expect(page.get_by_label("Ask the memory")).to_have_value("car")


def test_text_of_a_memory_is_never_a_page(page: Page, api: httpx.Client) -> None:
    """What an agent remembered may have been written by anybody."""
    namespace = "attack"
    attacks = [
        "<script>window.hacked = 1</script> Mara has a bicycle.",
        '<img src="x" onerror="window.hacked = 1"> Mara has a boat.',
        '"><svg onload="window.hacked=1"></svg> Mara has a kite.',
        "javascript:window.hacked=1 [click](javascript:window.hacked=1) Mara has a canoe.",
        "</style><style>*{display:none}</style> Mara has a tent.",
        "{{constructor.constructor('window.hacked=1')()}} Mara has a drum.",
    ]
    ids = [
        api.post("/v1/memories", json={"namespace": namespace, "content": text, "tags": [text[:60]]}).json()["id"]
        for text in attacks
    ]
    for path in (
        "memories",
        "recall?q=Mara",
        "graph",
        "timeline",
        "entities",
        "topics",
        *(f"memories/{i}" for i in ids),
    ):
        page.goto(f"/admin/{path}{'&' if '?' in path else '?'}ns={namespace}")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.hacked") is None, path
        assert page.locator("#app script, #app img[src='x'], #app style").count() == 0, path
        assert page.locator("a[href^='javascript']").count() == 0, path


def test_another_site_cannot_write_with_the_cookie(page: Page, service: Service, api: httpx.Client) -> None:
    page.goto("/admin/")
    body = {"content": "Forged by another page.", "namespace": "forged"}
    bare = page.request.post(f"{service.url}/v1/memories", data=body)
    assert bare.status == 403
    elsewhere = {"X-Requested-By": "admin", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert page.request.post(f"{service.url}/v1/memories", data=body, headers=elsewhere).status == 403
    assert api.post("/v1/memories/query", json={"namespace": "forged"}).json().get("data", []) == []


def test_a_link_logs_in_once_and_asks_before_it_does(
    open_page: Callable[..., Page], api: httpx.Client, shot: Shot
) -> None:
    link = api.post("/admin/links").json()["path"]
    page = open_page()
    page.goto(link)
    expect(page.get_by_role("heading", name="Log in by this link?")).to_be_visible()
    shot(page, "login-link")
    assert "login=" not in page.url
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    # Somebody else's link must not replace the session behind the reader's back.
    page.goto("about:blank")
    page.goto(link)
    expect(page.get_by_text("The link replaces that")).to_be_visible()
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("button", name="Stay logged in").click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
