"""What registering and reindexing refuse, and who may."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from memory_service.api.app import create_app
from memory_service.encoder import EncoderMismatch
from memory_service.types import KeyScope


def test_encoders_are_listed_and_registered_once(place: Any) -> None:
    listed = place.me.get("/v1/encoders").json()
    assert listed["data"][0]["default"] is True
    to = place.register()
    again = place.me.post("/v1/encoders", json={"name": str(place.second)})
    assert (again.status_code, again.json()["id"]) == (200, to)
    one = place.me.get(f"/v1/encoders/{to}").json()
    assert (one["dimension"], one["state"], one["namespaces"], one["default"]) == (48, "registered", 0, False)
    assert len(one["fingerprint"]) == 64
    first = place.me.get("/v1/encoders", params={"limit": 1}).json()
    second = place.me.get("/v1/encoders", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert [one["id"] for one in first["data"] + second["data"]] == [1, to]
    place.remember(["cat dog"], namespace="n")
    assert place.me.get("/v1/encoders/1").json()["memories"] == 1
    assert place.me.get("/v1/encoders/77").status_code == 404
    assert place.me.get("/v1/encoders/77000").status_code == 422


@pytest.mark.parametrize("name", ["", "no/such/folder/here", "a" * 300, "nul\0byte", "../..", " "])
def test_what_is_no_model_is_refused(place: Any, name: str) -> None:
    answer = place.me.post("/v1/encoders", json={"name": name})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text


def test_only_operators_register_and_turn(make_place: Callable[..., Any], place: Any) -> None:
    to = place.register()
    admin = make_place(tuple(scope for scope in KeyScope if scope is not KeyScope.OPERATOR))
    admin.remember(["cat dog"], namespace="n")
    assert admin.me.get("/v1/encoders").status_code == 200
    assert admin.me.post("/v1/encoders", json={"name": str(place.second)}).status_code == 403
    for path in ("reindex", "reindex/cut-over", "reindex/roll-back", "reindex/finish", "default"):
        body = {} if path == "default" else {"namespace": "n"}
        assert admin.me.post(f"/v1/encoders/{to}/{path}", json=body).status_code == 403, path
    reader = make_place((KeyScope.READ,))
    assert reader.me.get("/v1/encoders").status_code == 403


def test_other_tenants_see_nothing_of_it(make_place: Callable[..., Any], place: Any) -> None:
    place.remember(["cat dog"], namespace="mine")
    to = place.register()
    place.begin("mine", to)
    stranger = make_place()
    assert stranger.me.get(f"/v1/encoders/{to}/reindex").json()["data"] == []
    for step in ("", "/cut-over", "/roll-back", "/finish"):
        answer = stranger.me.post(f"/v1/encoders/{to}/reindex{step}", json={"namespace": "mine"})
        assert (answer.status_code, answer.json()["code"]) == (404, "namespace_not_found"), step


@pytest.mark.parametrize(
    "body",
    [{}, {"namespace": "n", "all": True}, {"all": False}, {"namespace": None}, {"all": "yes"}, {"namespace": "a//b"}],
)
def test_one_namespace_or_all(place: Any, body: dict[str, Any]) -> None:
    place.remember(["cat dog"], namespace="n")
    to = place.register()
    assert place.me.post(f"/v1/encoders/{to}/reindex", json=body).status_code == 422


def test_steps_out_of_order_are_conflicts(place: Any, texts: list[str]) -> None:
    place.remember(texts[:3], namespace="n")
    to = place.register()

    def code(path: str, **fields: Any) -> tuple[int, str]:
        answer = place.me.post(f"/v1/encoders/{to}/{path}", json={"namespace": "n", **fields})
        return answer.status_code, answer.json().get("code", "")

    assert code("reindex/cut-over") == (404, "reindex_not_found")
    assert code("reindex/finish") == (404, "reindex_not_found")
    job_id = place.begin("n", to)
    assert code("reindex/cut-over", force=True) == (409, "reindex_incomplete")
    assert code("reindex/roll-back") == (409, "reindex_state")
    place.run(job_id)
    place.turn("cut-over", "n", to, force=True)
    assert code("reindex/cut-over") == (409, "reindex_state")
    assert code("reindex") == (409, "reindex_in_progress")
    place.turn("finish", "n", to, status=202)
    assert code("reindex/roll-back") == (409, "reindex_state"), "after finishing there is no way back"
    assert code("reindex/finish") == (409, "reindex_state")
    unknown = place.me.post("/v1/encoders/1/reindex", json={"namespace": "nowhere"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "namespace_not_found")


def test_a_namespace_has_its_encoder_already(place: Any, texts: list[str]) -> None:
    place.remember(texts[:3], namespace="n")
    answer = place.me.post("/v1/encoders/1/reindex", json={"namespace": "n"})
    assert (answer.status_code, answer.json()["code"]) == (409, "encoder_in_use")


def test_the_job_may_be_asked_for_twice_with_one_key(place: Any, texts: list[str]) -> None:
    place.remember(texts[:3], namespace="n")
    to = place.register()
    key = {"Idempotency-Key": "reindex-once"}
    answers = [place.me.post(f"/v1/encoders/{to}/reindex", json={"namespace": "n"}, headers=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert place.run(UUID(answers[0].json()["job_id"]))["status"] == "succeeded"


def test_new_namespaces_begin_with_the_default(
    place: Any, texts: list[str], tiny: Any, tiny_models: tuple[Path, Path]
) -> None:
    to = place.register()
    settings = tiny[4]
    try:
        assert place.me.post(f"/v1/encoders/{to}/default").json()["default"] is True
        place.remember(texts[:3], namespace="born-later")
        assert place.vectors("born-later") == {to: 3}
        assert place.all_found(texts[:3], namespace="born-later")
        # A process that starts now goes by the database, whichever of the registered encoders its settings name.
        for model in tiny_models:
            again = create_app(settings.model_copy(update={"encoder": str(model)}))
            with TestClient(again, base_url="http://127.0.0.1:8000") as client:
                headers = {"Authorization": f"Bearer {place.me.key}"}
                body = {"query": texts[1], "namespace": "born-later", "channels": {"vector": 1}}
                answer = client.post("/v1/search", json=body, headers=headers).json()
                assert answer["results"][0]["memory"]["content"] == texts[1]
                assert again.state.services.encoder_id == to
        with (
            pytest.raises(EncoderMismatch),
            TestClient(create_app(settings.model_copy(update={"encoder": "packaged-minilm"}))),
        ):
            pass
    finally:
        place.me.post("/v1/encoders/1/default")
    assert place.me.get("/v1/encoders/1").json()["default"] is True


def test_a_model_that_is_gone_makes_its_namespaces_unavailable_and_no_others(
    place: Any, texts: list[str], tiny: Any, tmp_path: Path
) -> None:
    import shutil

    place.remember(texts[:3], namespace="n")
    place.remember(texts[:3], namespace="other")
    to = place.register()
    place.run(place.begin("n", to))
    place.turn("cut-over", "n", to, force=True)
    again = create_app(tiny[4])
    shutil.move(place.second, tmp_path / "elsewhere")
    try:
        with TestClient(again, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
            headers = {"Authorization": f"Bearer {place.me.key}"}
            answer = client.post("/v1/search", json={"query": "cat", "namespace": "n"}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "encoder_unavailable")
            answer = client.post("/v1/search", json={"query": "cat", "namespace": "other"}, headers=headers)
            assert answer.status_code == 200
            words = {"query": "cat", "namespace": "n", "channels": {"keyword": 1}}
            assert client.post("/v1/search", json=words, headers=headers).status_code == 200
    finally:
        shutil.move(tmp_path / "elsewhere", place.second)
