import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from memory_service.cli.main import app

runner = CliRunner()

HEAD = '{"type":"bundle","format":"memory-service-bundle","version":1}\n'
RECORDS = '{"type":"namespace","path":"a"}\n{"type":"memory","content":"naïve"}\n'


def bundle(records: str = RECORDS, *, said: int | None = None) -> str:
    count = records.count("\n") if said is None else said
    digest = hashlib.sha256((HEAD + records).encode()).hexdigest()
    end = {"type": "end", "records": count, "counts": {"memory": count}, "sha256": digest}
    return HEAD + records + json.dumps(end) + "\n"


def finished(**counts: int) -> dict[str, Any]:
    items = [{"line": 3, "status": "rejected", "detail": "the text was erased"}] if counts.get("rejected") else []
    return {
        "status": "succeeded",
        "progress": {"done": 2, "total": 2},
        "items": items,
        "result": {"counts": {"memory": counts}},
    }


def test_a_whole_bundle_gets_its_name_and_is_for_its_owner_alone(environment: Any) -> None:
    environment.answers["/v1/exports"] = lambda body: (200, bundle())
    result = runner.invoke(app, ["export", "all.ndjson", "-n", "a", "-n", "b", "--include", "versions"])
    assert result.exit_code == 0, result.output
    assert Path("all.ndjson").read_text() == bundle()
    assert stat.S_IMODE(Path("all.ndjson").stat().st_mode) == 0o600
    assert environment.requests[-1][2] == {"namespaces": ["a", "b"], "include": ["versions"]}
    assert "2 records: 2 memory" in result.stderr
    assert result.stdout == ""


def test_a_bundle_goes_into_a_pipe_as_it_is(environment: Any) -> None:
    environment.answers["/v1/exports"] = lambda body: (200, bundle())
    assert runner.invoke(app, ["export", "-"]).stdout_bytes == bundle().encode()
    assert environment.requests[-1][2] == {}
    assert runner.invoke(app, ["export", "-", "--json"]).exit_code == 2
    runner.invoke(app, ["export", "-", "--include", "none"])
    assert environment.requests[-1][2] == {"include": []}


@pytest.mark.parametrize(
    "sent",
    ["", HEAD, HEAD + RECORDS, bundle()[:-9], bundle(said=5), bundle().replace("naïve", "Naïve"), bundle() + "{}\n"],
)
def test_a_bundle_that_is_not_whole_leaves_no_file(environment: Any, sent: str) -> None:
    environment.answers["/v1/exports"] = lambda body: (200, sent)
    result = runner.invoke(app, ["export", "all.ndjson"])
    assert result.exit_code == 1
    assert "cut off" in result.stderr
    assert list(Path.cwd().glob("all*")) == []


def test_a_file_that_is_there_stays_unless_told_otherwise(environment: Any) -> None:
    environment.answers["/v1/exports"] = lambda body: (200, bundle())
    Path("all.ndjson").write_text("mine")
    assert runner.invoke(app, ["export", "all.ndjson"]).exit_code == 6
    assert environment.requests == []
    assert Path("all.ndjson").read_text() == "mine"
    result = runner.invoke(app, ["export", "all.ndjson", "--force", "--json"])
    assert json.loads(result.stdout)["records"] == 2
    assert Path("all.ndjson").read_text() == bundle()
    assert runner.invoke(app, ["export", "no/such/folder.ndjson"]).exit_code == 6


def test_a_bundle_takes_the_place_of_files_alone(environment: Any) -> None:
    # Root may move a file over a device, and then everybody's /dev/null is a bundle.
    environment.answers["/v1/exports"] = lambda body: (200, bundle())
    os.mkfifo("pipe")
    Path("folder").mkdir()
    for name in ("pipe", "folder"):
        result = runner.invoke(app, ["export", name, "--force"])
        assert result.exit_code == 6
        assert "no file that can be written over" in result.stderr
    assert Path("pipe").is_fifo()
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["folder", "pipe"]


def test_a_refused_export_is_the_services_word(environment: Any) -> None:
    environment.answers["/v1/exports"] = lambda body: (
        404,
        {"title": "x", "detail": "no such namespace", "code": "namespace_not_found"},
    )
    result = runner.invoke(app, ["export", "all.ndjson", "-n", "a"])
    assert result.exit_code == 5
    assert "no such namespace" in result.stderr
    assert list(Path.cwd().glob("all*")) == []


def test_a_bundle_is_sent_whole_again_after_a_broken_connection(environment: Any) -> None:
    sent: list[str] = []

    def take(body: str) -> tuple[int, Any]:
        sent.append(body)
        return (0, None) if len(sent) == 1 else (202, {"job_id": "j1", "records": 2})

    environment.answers["/v1/imports"] = take
    environment.answers["/v1/jobs/j1"] = lambda body: (200, finished(created=1, skipped=1))
    Path("all.ndjson").write_text(bundle())
    result = runner.invoke(app, ["import", "all.ndjson", "--on-conflict", "new_version"])
    assert result.exit_code == 0, result.output
    assert sent == [bundle(), bundle()]
    paths = [path for method, path, _ in environment.requests if method == "POST"]
    assert paths == ["/v1/imports?on_conflict=new_version"] * 2
    assert len({key for key in environment.idempotency_keys if key}) == 1
    assert result.stdout == "memory\tcreated\t1\nmemory\tskipped\t1\n"


def test_a_bundle_comes_from_a_pipe_and_its_refusals_are_named(environment: Any) -> None:
    sent: list[str] = []
    environment.answers["/v1/imports"] = lambda body: sent.append(body) or (202, {"job_id": "j1", "records": 2})
    environment.answers["/v1/jobs/j1"] = lambda body: (200, finished(created=1, rejected=1))
    result = runner.invoke(app, ["import", "-", "--json"], input=bundle())
    assert sent == [bundle()]
    assert result.exit_code == 5
    assert "line 3: the text was erased" in result.stderr
    assert json.loads(result.stdout)["result"]["counts"] == {"memory": {"created": 1, "rejected": 1}}


def test_what_mem0_exported_is_sent_in_batches(environment: Any) -> None:
    taken: list[dict[str, Any]] = []

    def many(body: Any) -> tuple[int, Any]:
        taken.extend(body["items"])
        return 200, {"results": [{"index": i, "status": "created"} for i in range(len(body["items"]))]}

    environment.answers["/v1/memories/batch"] = many
    rows = [{"id": f"m{n}", "memory": f"fact {n}", "user_id": "u"} for n in range(3)]
    Path("mem0.json").write_text(json.dumps({"results": [*rows, {"id": "m9", "memory": "", "user_id": "u"}]}))
    result = runner.invoke(app, ["import", "mem0.json", "-n", "moved"])
    assert result.exit_code == 0, result.output
    assert [(item["content"], item["namespace"]) for item in taken] == [(f"fact {n}", "moved") for n in range(3)]
    assert "3 created" in result.stderr
    assert "1 left out" in result.stderr
    summary = json.loads(runner.invoke(app, ["import", "mem0.json", "--json"]).stdout)
    assert summary["counts"]["created"] == 3
    assert summary["read"] == 4


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["none.json"], 6),
        (["."], 6),
        (["odd.txt"], 6),
        (["graph.jsonl", "--from", "mem0"], 6),
        (["postgresql://ana:secret@127.0.0.1:9/agents"], 6),
        (["odd.txt", "--from", "elsewhere"], 2),
        (["odd.txt", "--on-conflict", "skip"], 1),
        (["all.ndjson", "-n", "a"], 1),
        (["-", "--from", "mem0"], 1),
    ],
)
def test_what_cannot_be_brought_in_sends_nothing(environment: Any, words: list[str], code: int) -> None:
    Path("odd.txt").write_text("what is this?")
    Path("graph.jsonl").write_text(
        '{"type": "entity", "name": "Ana", "entityType": "person", "observations": []}\n' * 2
    )
    Path("all.ndjson").write_text(bundle())
    result = runner.invoke(app, ["import", *words])
    assert result.exit_code == code, result.output
    assert "secret" not in result.output
    assert environment.requests == []
