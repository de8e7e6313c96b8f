import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.provenance import CHECKOUT, RESULTS
from benchmarks.retrieval import default_out
from memory_service.cli.main import app
from memory_service.settings import get_settings

runner = CliRunner()

BROKEN = 0  # What the local service takes for: close the connection without an answer.

WHEN = "1:56 pm on 8 May, 2023"
CONVERSATION = {
    "conv": "talk 1",
    "speakers": ["Ada", "Ben"],
    "docs": [
        {"id": "D1", "sess": "s1", "date": WHEN, "speaker": "Ada", "text": "I adopted a heron", "caption": ""},
        {"id": "D2", "sess": "s1", "date": WHEN, "speaker": "Ben", "text": "A heron?", "caption": "a tall bird"},
        {"id": "D3", "sess": "s1", "date": "", "speaker": "Ada", "text": " ", "caption": ""},
        {"id": "D4", "sess": "s1", "date": "", "speaker": "user", "text": "bad \0 text", "caption": ""},
    ],
    "questions": [
        {"qid": "q1", "q": "adopted", "cat": "single-hop", "gold": ["D1"], "qdate": "2024/01/02 (Tue) 10:00"},
        {"qid": "q2", "q": "tall bird", "cat": "adversarial", "gold": ["D2", "D9"], "qdate": ""},
        {"qid": "q3", "q": "submarine", "cat": "abstention", "gold": [], "qdate": ""},
    ],
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "talk.jsonl"
    path.write_text(json.dumps(CONVERSATION) + "\n")
    return path


def test_help_is_quick_enough_to_be_imported_lazily() -> None:
    heavy = {"httpx", "numpy", "fastapi", "pydantic", "torch", "rich.progress"}
    code = f"import sys, memory_service.cli.main; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_has_help() -> None:
    for words in (
        [],
        ["demo"],
        ["doctor"],
        ["run"],
        ["migrate"],
        ["version"],
        ["bench", "retrieval"],
        ["keys", "create"],
    ):
        assert runner.invoke(app, [*words, "--help"]).exit_code == 0


@pytest.mark.parametrize(
    ("words", "default"),
    [
        (["demo"], "(MEMORY_SERVICE_URL, else http://127.0.0.1:8000)"),
        (["demo"], "(MEMORY_SERVICE_API_KEY, else api-key in the data folder)"),
        (["keys", "create"], "(memories:read, memories:write)"),
        (["bench", "retrieval"], "(the file's)"),
    ],
)
def test_help_states_defaults(words: list[str], default: str) -> None:
    shown = runner.invoke(app, [*words, "--help"], terminal_width=200, env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
    assert f"[default: {default}]" in " ".join(shown.replace("│", " ").split())


def test_raw_results_have_a_place_without_being_asked(environment: Any, file: Path) -> None:
    result = runner.invoke(app, ["bench", "retrieval", str(file), "--name", "a/b"])
    [written] = Path.cwd().glob("bench-a_b-*.json")
    assert json.loads(written.read_text())["questions"]
    assert f"raw results: {written}" in result.stdout
    assert default_out("x", run="1", folder=CHECKOUT / "docs") == RESULTS / "bench-x-1.json"


def test_a_place_that_cannot_be_written_is_known_before_anything_is_sent(environment: Any, file: Path) -> None:
    result = runner.invoke(app, ["bench", "retrieval", str(file), "--out", str(file / "out.json")])
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert environment.requests == []


def test_a_binary_file_is_refused_without_its_bytes(environment: Any, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"\x93secret\xff" * 5000)
    result = runner.invoke(app, ["bench", "retrieval", str(tmp_path / "weights.bin")])
    assert result.exit_code == 6
    assert "not text" in result.stderr
    assert "secret" not in result.stderr
    assert len(result.stderr) < 1000


def test_a_problem_is_printed_once(environment: Any) -> None:
    errors = [{"pointer": "/name", "detail": "too long"}, {"pointer": "/scopes/0", "detail": "unknown"}]
    problem = {"title": "Invalid", "detail": "/name: too long (1 more)", "code": "invalid_request", "errors": errors}
    environment.answers["/v1/api-keys"] = lambda body: (422, problem)
    result = runner.invoke(app, ["keys", "create", "x"])
    assert result.exit_code == 5
    assert result.stderr.count("too long") == 1
    assert result.stderr.count("/scopes/0: unknown") == 1


@pytest.mark.parametrize(
    "variables",
    [
        {"MEMORY_SERVICE_URL": "", "MEMORY_SERVICE_PORT": "abc"},
        {"MEMORY_SERVICE_URL": "http://127.0.0.1:abc"},
        {"MEMORY_SERVICE_API_KEY": "schlüssel"},
    ],
)
def test_variables_that_cannot_be_used_are_a_line(
    environment: Any, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = runner.invoke(app, ["keys", "list"])
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("error: ")


def test_bench_retrieval_measures_and_writes(environment: Any, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "results" / "talk.json"
    result = runner.invoke(app, ["bench", "retrieval", str(file), "--out", str(out), "--channels", "keyword=1"])
    assert result.exit_code == 0, result.output
    stored = json.loads(out.read_text())
    assert stored["loading"]["created"] == 2
    assert stored["loading"]["rejected"] == 1
    assert stored["loading"]["empty"] == ["talk 1/D3"]
    assert stored["summary"]["groups"]["single-hop"]["recall"]["1"] == 1.0
    assert stored["summary"]["groups"]["adversarial"]["recall"]["50"] == 0.5
    assert stored["summary"]["groups"]["all but adversarial"]["questions"] == 1
    assert stored["summary"]["groups"]["all"]["questions"] == 2
    assert stored["summary"]["unanswerable"]["questions"] == 1
    assert stored["questions"][1]["ranks"] == [1, None]
    assert str(tmp_path) not in out.read_text()
    assert {"command", "revision", "versions", "machine", "date"} <= set(stored)
    assert "REJECTED" in result.stdout


def test_bench_retrieval_sends_memories_as_promised(environment: Any, file: Path) -> None:
    assert runner.invoke(app, ["bench", "retrieval", str(file), "--top-k", "20"]).exit_code == 0
    items = [item for _, path, body in environment.requests if path == "/v1/memories/batch" for item in body["items"]]
    assert [item["observed_at"] for item in items] == [
        "2023-05-08T13:56:00+00:00",
        "2023-05-08T13:56:01+00:00",
        "2023-05-08T13:56:03+00:00",
    ]
    assert items[1]["content"] == "A heron? [shares image: a tall bird]"
    assert items[0]["speaker"] == "Ada"
    assert items[2]["role"] == "user"
    assert "speaker" not in items[2]
    assert {item["namespace"] for item in items} == set(environment.memories)
    searches = [body for _, path, body in environment.requests if path == "/v1/search"]
    assert searches[0]["now"] == "2024-01-02T10:00:00+00:00"
    assert "now" not in searches[1]
    assert {body["top_k"] for body in searches} == {20}


def test_bench_retrieval_uses_a_fresh_namespace_and_can_clean_up(environment: Any, file: Path) -> None:
    for _ in range(2):
        assert runner.invoke(app, ["bench", "retrieval", str(file)]).exit_code == 0
    assert len(environment.memories) == 2
    assert all(name.startswith("bench/") and name.endswith("/talk_1") for name in environment.memories)
    assert runner.invoke(app, ["bench", "retrieval", str(file), "--cleanup"]).exit_code == 0
    assert len(environment.memories) == 2


@pytest.mark.parametrize("content", ["", "nonsense", '{"conv": 1}', "[1, 2]", '{"docs": [{}], "conv": "x"}'])
def test_an_unknown_file_is_exit_code_6(environment: Any, tmp_path: Path, content: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(content)
    result = runner.invoke(app, ["bench", "retrieval", str(path)])
    assert result.exit_code == 6, result.output


def test_a_missing_file_is_exit_code_6(environment: Any, tmp_path: Path) -> None:
    assert runner.invoke(app, ["bench", "retrieval", str(tmp_path / "none.jsonl")]).exit_code == 6


@pytest.mark.parametrize("weights", ["vector", "vector=-1", "=1", "vector=1;keyword=1"])
def test_channel_weights_are_checked(environment: Any, file: Path, weights: str) -> None:
    result = runner.invoke(app, ["bench", "retrieval", str(file), "--channels", weights])
    assert result.exit_code == 1
    assert "channel weight" in result.stderr


def test_keys_are_made_listed_and_revoked(environment: Any) -> None:
    made = {"id": "k1", "name": "notebook", "key": "ms_secret", "scopes": ["memories:read"]}
    row = {"id": "k1", "name": "notebook", "scopes": ["memories:read"], "created_at": "2026-11-20T11:00:33.303495Z"}
    page = {"data": [{**row, "revoked_at": "2026-11-21T11:00:33Z"}], "has_more": False}
    answers = iter([(201, made), (200, page)])
    environment.answers["/v1/api-keys"] = lambda body: next(answers)
    environment.answers["/v1/api-keys/k1"] = lambda body: (204, None)
    created = runner.invoke(app, ["keys", "create", "notebook", "--scope", "memories:read"])
    assert created.stdout == "ms_secret\n"
    assert environment.requests[-1][2] == {"name": "notebook", "scopes": ["memories:read"]}
    listed = runner.invoke(app, ["keys", "list"])
    identity, made_ago, used, ends, name, scopes = listed.stdout.rstrip("\n").split("\t")
    assert (identity, used, ends, name, scopes) == ("k1", "", "REVOKED", "notebook", "memories:read")
    assert made_ago
    assert runner.invoke(app, ["keys", "revoke", "k1"]).exit_code == 0
    assert environment.requests[-1][0] == "DELETE"


def test_migrate_without_a_database_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MEMORY_SERVICE_OWNER_DATABASE_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    get_settings.cache_clear()
    result = runner.invoke(app, ["migrate"])
    assert result.exit_code == 1
    assert "MEMORY_SERVICE_OWNER_DATABASE_URL" in result.stderr


def test_a_link_to_the_web_view_goes_behind_the_address_of_the_service(environment: Any) -> None:
    made = {"id": "l1", "token": "msl_t", "path": "/admin/#login=msl_t", "expires_at": "2026-11-20T11:15:00Z"}
    environment.answers["/admin/links"] = lambda body: (201, made)
    shown = runner.invoke(app, ["admin-link"])
    assert shown.stdout == f"{environment.url}/admin/#login=msl_t\n"
    assert json.loads(runner.invoke(app, ["admin-link", "--json"]).stdout) == {**made, "url": shown.stdout.strip()}
    # A replayed answer holds no token: a link that leads nowhere is not printed.
    environment.answers["/admin/links"] = lambda body: (201, {**made, "token": None, "path": None})
    lost = runner.invoke(app, ["admin-link"])
    assert (lost.exit_code, lost.stdout) == (1, "")


@pytest.mark.parametrize("given", ["", ".", ".."])
@pytest.mark.parametrize("words", [["show"], ["history"], ["forget"], ["restore"], ["why"], ["keys", "revoke"]])
def test_what_is_no_id_is_wrong_usage_and_asks_nothing(environment: Any, words: list[str], given: str) -> None:
    # An empty variable of a script would else be a call of another address, and dots a step up.
    result = runner.invoke(app, [*words, given])
    assert result.exit_code == 2
    assert "id" in result.stderr.splitlines()[0]
    assert environment.requests == []


def test_what_was_erased_before_a_refusal_is_said(environment: Any) -> None:
    environment.answers["/v1/memories/one"] = lambda body: (202, {"job_id": "j1"})
    environment.answers["/v1/jobs/j1"] = lambda body: (200, {"status": "succeeded", "error": None})
    environment.answers["/v1/memories/two"] = lambda body: (404, {"title": "Not found", "code": "memory_not_found"})
    result = runner.invoke(app, ["forget", "one", "two", "three", "--erase", "--yes"])
    assert result.exit_code == 5
    assert result.stderr.splitlines()[0] == "erased one"
    assert [path for method, path, _ in environment.requests if method == "DELETE"] == [
        "/v1/memories/one?erase=true",
        "/v1/memories/two?erase=true",
    ]


def test_an_erasure_whose_answer_was_lost_is_no_failure(environment: Any) -> None:
    answers = [(BROKEN, None), (410, {"title": "Gone", "code": "erased"})]
    environment.answers["/v1/memories/one"] = lambda body: answers.pop(0)
    result = runner.invoke(app, ["forget", "one", "--erase", "--yes"])
    assert result.exit_code == 0
    assert result.stderr == "one is erased already\n"
