"""The OpenAPI document and the page that shows it."""

import re

from starlette.testclient import TestClient


def test_every_operation_is_named_tagged_and_says_what_can_go_wrong(client: TestClient) -> None:
    contract = client.get("/openapi.json").json()
    assert contract["openapi"].startswith("3.1")
    assert set(contract["components"]["securitySchemes"]) == {"bearer", "apiKey", "session"}
    tags = {tag["name"] for tag in contract["tags"]}
    names = []
    for path, operations in contract["paths"].items():
        for method, operation in operations.items():
            place = f"{method} {path}"
            names.append(operation["operationId"])
            assert set(operation["tags"]) <= tags, place
            assert {"4XX", "5XX"} <= set(operation["responses"]), place
            assert operation["description"], place
            opened = operation["security"] == []
            assert opened == (path in {"/healthz", "/readyz", "/metrics"}), place
            assert all(re.fullmatch(r"[a-z_]+", name) for name in names), place
    assert len(names) == len(set(names))
    assert "HTTPValidationError" not in str(contract)


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 4
    for link in links:
        assert link.startswith("/docs/")
        assert client.get(link).status_code == 200, link
    assert "<script>" not in page.text
