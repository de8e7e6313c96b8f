import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.provenance import CHECKOUT
from memory_service.cli.inputs import count_lines
from memory_service.cli.main import app
from memory_service.cli.sending import BATCH_BYTES, BATCH_ITEMS, batches

runner = CliRunner()


@pytest.fixture
def taken(environment: Any) -> list[dict[str, Any]]:
    """Return the memories that the service is sent, one by one or in batches."""
    items: list[dict[str, Any]] = []

    def one(body: Any) -> tuple[int, Any]:
        items.append(body)
        return 201, {"id": f"m{len(items)}", **body}

    def many(body: Any) -> tuple[int, Any]:
        items.extend(body["items"])
        results = []
        for index, item in enumerate(body["items"]):
            bad = item["content"] == "bad"
            problem = {"detail": "is bad"} if bad else None
            status = "rejected" if bad else "created"
            results.append({"index": index, "status": status, "id": None if bad else f"m{index}", "problem": problem})
        return 200, {"results": results}

    environment.answers["/v1/memories"] = one
    environment.answers["/v1/memories/batch"] = many
    return items


def test_a_text_is_sent_with_what_was_said_about_it(taken: list[dict[str, Any]]) -> None:
    words = [
        "add",
        "a heron",
        "-n",
        "users/1",
        "--user-id",
        "u",
        "--tag",
        "a",
        "--tag",
        "b",
        "--metadata",
        '{"k": [1]}',
    ]
    result = runner.invoke(app, [*words, "--pinned", "--wait"])
    assert result.exit_code == 0, result.output
    assert result.stdout == "m1\n"
    sent = {"namespace": "users/1", "user_id": "u", "tags": ["a", "b"], "metadata": {"k": [1]}, "pinned": True}
    assert taken == [{"content": "a heron", **sent, "wait": "consolidated", "timeout_s": 30}]


def test_standard_input_and_files_are_read(taken: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_bytes("\ufeffnaïve\r\ntext\r\n".encode())
    assert runner.invoke(app, ["add", "-"], input="one\ntwo\n").exit_code == 0
    assert runner.invoke(app, ["add", "--file", str(tmp_path / "note.txt")]).exit_code == 0
    assert [item["content"] for item in taken] == ["one\ntwo", "naïve\r\ntext"]


def test_lines_are_memories_and_a_refused_one_stops_no_other(taken: list[dict[str, Any]]) -> None:
    result = runner.invoke(app, ["add", "-", "--lines", "--user-id", "u"], input="one\n\nbad\nthree\n")
    assert [(item["content"], item["user_id"]) for item in taken] == [("one", "u"), ("bad", "u"), ("three", "u")]
    assert result.exit_code == 5
    assert "line 3: is bad" in result.stderr
    assert "2 created, 1 rejected" in result.stderr
    assert result.stdout == ""


def test_objects_overrule_what_was_said_of_all(taken: list[dict[str, Any]]) -> None:
    rows = [{"content": "one", "user_id": "v"}, {"content": "two"}]
    result = runner.invoke(
        app, ["add", "-", "--ndjson", "--user-id", "u", "--json"], input="\n".join(map(json.dumps, rows))
    )
    assert result.exit_code == 0
    assert [item["user_id"] for item in taken] == ["v", "u"]
    assert [json.loads(row)["index"] for row in result.stdout.splitlines()] == [0, 1]


@pytest.mark.parametrize(
    ("words", "content", "said"),
    [
        (["--lines"], b"fine\n\xff\n", "line 2 of standard input is not text in UTF-8"),
        ([], b"\xff", "standard input is not text"),
        ([], b" \n", "holds no text"),
        (["--lines"], b"\n\n", "holds no line"),
        (["--ndjson"], b'{"content": "x"}\nnonsense', "line 2 of standard input is not JSON"),
        (["--ndjson"], b'{"importance": NaN}', "NaN is no number"),
        (["--ndjson"], b"[1]", "is no JSON object"),
        (["--ndjson"], b"[" * 100_000, "is not JSON"),
        (["--document"], b"", "is empty"),
    ],
)
def test_input_that_cannot_be_used_is_exit_code_6(
    taken: list[dict[str, Any]], words: list[str], content: bytes, said: str
) -> None:
    result = runner.invoke(app, ["add", "-", *words], input=content)
    assert result.exit_code == 6, result.output
    assert said in result.stderr


@pytest.mark.parametrize("name", ["none.txt", "."])
def test_a_file_that_cannot_be_read_is_exit_code_6(taken: list[dict[str, Any]], name: str) -> None:
    for words in ([], ["--lines"], ["--document"]):
        result = runner.invoke(app, ["add", "--file", name, *words])
        assert result.exit_code == 6, result.output
    assert taken == []


@pytest.mark.parametrize(
    "words",
    [[], ["x", "--file", "y"], ["x", "--lines"], ["-", "--lines", "--ndjson"], ["x", "--metadata", "[1]"],
     ["x", "--metadata", '{"a": NaN}'], ["x", "--importance", "2"]],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2_and_sends_nothing(taken: list[dict[str, Any]], words: list[str]) -> None:
    assert runner.invoke(app, ["add", *words]).exit_code == 2
    assert taken == []


def test_a_service_lost_half_way_says_how_much_was_sent(environment: Any) -> None:
    answers = [(200, {"results": [{"index": i, "status": "created", "id": "m", "problem": None} for i in range(200)]})]
    environment.answers["/v1/memories/batch"] = lambda body: answers.pop() if answers else (0, None)
    result = runner.invoke(app, ["add", "-", "--lines"], input="".join(f"line {n}\n" for n in range(250)))
    assert result.exit_code == 3
    assert "200 were sent before this" in result.stderr


def test_one_item_too_large_is_refused_alone(environment: Any) -> None:
    def many(body: Any) -> tuple[int, Any]:
        if any(len(item["content"]) > 3_000_000 for item in body["items"]):
            return 413, {"title": "Too large", "detail": "too large", "code": "too_large"}
        return 200, {"results": [{"index": i, "status": "created"} for i in range(len(body["items"]))]}

    environment.answers["/v1/memories/batch"] = many
    result = runner.invoke(app, ["add", "-", "--lines"], input=f"a\n{'x' * 3_000_001}\nb\n")
    assert "line 2: too large" in result.stderr
    assert "2 created, 1 rejected" in result.stderr
    assert result.exit_code == 5


def test_batches_keep_order_and_stay_below_what_a_call_may_hold() -> None:
    items = [(f"line {n}", {"content": "é" * (n % 7) * 20_000}) for n in range(500)]
    cut = list(batches(items))
    assert [item for batch in cut for item in batch] == items
    for batch in cut:
        assert len(batch) <= BATCH_ITEMS
        assert sum(len(json.dumps(item)) for _, item in batch) <= BATCH_BYTES
    assert list(batches([])) == []
    assert [len(batch) for batch in batches((f"{n}", {"content": "x"}) for n in range(401))] == [200, 200, 1]


def test_progress_is_no_part_of_a_pipe(taken: list[dict[str, Any]]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "memory_service.cli.main", "add", "-", "--lines"],
        input="one\ntwo\n", capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert done.stdout == ""
    assert done.stderr == "2 created\n"


def test_the_shell_completes_namespaces(environment: Any) -> None:
    spaces = {"data": [{"path": "users/1"}, {"path": "users/2"}, {"path": "notes"}], "has_more": False}
    environment.answers["/v1/namespaces"] = lambda body: (200, spaces)

    def completed(**variables: str) -> list[str]:
        environment_ = {**os.environ, "PYTHONPATH": str(CHECKOUT), **variables}
        environment_ |= {"_MEMORY_SERVICE_COMPLETE": "complete_bash", "COMP_WORDS": "memory-service search -n us"}
        code = "from memory_service.cli.main import app; app(prog_name='memory-service')"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**environment_, "COMP_CWORD": "3"}
        )
        assert done.stderr == ""
        return done.stdout.split()

    assert completed() == ["users/1", "users/2"]
    assert completed(MEMORY_SERVICE_URL="http://127.0.0.1:9") == []
    assert completed(MEMORY_SERVICE_URL="nonsense") == []
    assert completed(MEMORY_SERVICE_API_KEY="wrong key") == []


@pytest.mark.timeout(30)
def test_a_pipe_is_not_read_to_be_counted(tmp_path: Path) -> None:
    # Its lines would be gone; here nobody even writes them.
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("one\n\ntwo\n")
    assert count_lines(str(tmp_path / "pipe")) is None
    assert count_lines(str(tmp_path / "file")) == 2
    assert count_lines("-") is None
