"""The command line against the service itself: each command, what it prints, and with which code it ends."""

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import Result
from typer.testing import CliRunner

from memory_service.cli.following import finished_job
from memory_service.cli.main import app
from memory_service.storage.bootstrap import RoleUrls

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Run = Callable[..., Result]
PROGRAM = [sys.executable, "-m", "memory_service.cli.main"]


@pytest.fixture(scope="module")
def url(serve: Any, data_dir: Path, role_urls: RoleUrls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("cli") / "server.log"
    settings = {
        "MEMORY_SERVICE_OWNER_DATABASE_URL": role_urls.owner,
        "MEMORY_SERVICE_MAINTENANCE_DATABASE_URL": role_urls.maintenance,
        "MEMORY_SERVICE_SERVICE_DATABASE_URL": role_urls.service,
    }
    with serve(data_dir, log, BROKER_URL="", **settings) as served:
        yield served.url


@pytest.fixture
def run(url: str, make_tenant: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command as a fresh tenant; it must end with ``code``."""
    _, key = make_tenant()
    monkeypatch.setenv("MEMORY_SERVICE_URL", url)
    monkeypatch.setenv("MEMORY_SERVICE_API_KEY", key)

    def run(*words: str, code: int = 0, input: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(app, words, input=input)
        assert result.exit_code == code, f"{words}: {result.output}"
        return result

    return run


def rows(result: Result) -> list[list[str]]:
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_what_is_added_is_found_and_the_same_again_is_nothing(run: Run) -> None:
    first = run("add", "Ana moved to Lisbon in March.", "--user-id", "ana", "--tag", "moving")
    again = run("add", "Ana moved to Lisbon in March.", "--user-id", "ana")
    assert first.stdout == again.stdout
    assert first.stderr == "stored\n"
    assert "nothing was stored" in again.stderr
    [[rank, score, age, memory_id, text, why]] = rows(run("search", "Where does Ana live?", "--user-id", "ana"))
    assert (rank, age, memory_id) == ("1", "now", first.stdout.strip())
    assert float(score) == 0  # Scores compare results of one answer, and here is only one.
    assert text == "Ana moved to Lisbon in March."
    assert "vector rank 1" in why


def test_search_says_how_sure_it_is_and_keeps_what_was_asked(run: Run) -> None:
    for number, space in enumerate(("users/1", "users/2", "other")):
        run("add", f"Heron number {number}.", "-n", space, "--user-id", "u", "--metadata", f'{{"n": {number}}}')
    asked = run("search", "heron", "-n", "users/1", "-n", "other")
    assert {row[4] for row in rows(asked)} == {"Heron number 0.", "Heron number 2."}
    assert "2 found, confidence " in asked.stderr
    assert {row[4] for row in rows(run("search", "heron", "--prefix", "users"))} == {
        "Heron number 0.",
        "Heron number 1.",
    }
    by_filter = run("search", "heron", "--prefix", "users", "--filter", '{"metadata.n": {"gt": 0}}', "--explain")
    assert [row[4] for row in rows(by_filter)] == ["Heron number 1."]
    assert rows(by_filter)[0][5].startswith("vector ")
    answer = json.loads(run("search", "submarine", "-n", "users/1", "-k", "1", "--json").stdout)
    assert set(answer) >= {"search_id", "results", "confidence", "abstain", "timings_ms"}
    assert (
        "would abstain" in run("search", "Which submarine did we buy?", "-n", "users/1").stderr or not answer["abstain"]
    )
    assert rows(run("search", "heron", "-n", "other", "--known-at", "2001-01-01T00:00:00Z")) == []


def test_why_explains_what_was_found_and_what_was_not(run: Run) -> None:
    kept = run("add", "The heron stands in the river.").stdout.strip()
    missed = run("add", "Tax forms are due in April.").stdout.strip()
    search_id = json.loads(run("search", "Where is the heron?", "-k", "1", "--json").stdout)["search_id"]
    assert "found: It was found, at rank 1." in run("why", search_id, kept).stdout
    reason = run("why", search_id, missed).stdout
    assert "below top k: " in reason
    assert "would bring it in: top_k 2" in reason
    assert next(row for row in rows(run("why", search_id, missed)) if row[0] == "vector")[:2] == ["vector", "2"]
    listed = rows(run("why", search_id))
    assert [row[2] for row in listed[2:]] == [kept, missed]
    both = json.loads(run("why", search_id, missed, "--json").stdout)
    assert both["why_not"]["stage"] == "below_top_k"
    assert both["trace"]["search_id"] == search_id


def test_context_is_the_packed_text_and_its_citations(run: Run) -> None:
    memory_id = run("add", "Ana is allergic to peanuts.").stdout.strip()
    text = run("context", "What must I not cook?", "--token-budget", "100").stdout
    assert text.startswith("[1] ")
    assert text.endswith("Ana is allergic to peanuts.\n")
    cited = run("context", "What must I not cook?", "--citations").stdout.splitlines()
    assert cited[-1].split("\t") == ["[1]", memory_id, "0-27"]
    answer = json.loads(run("context", "What must I not cook?", "--order", "time", "--json").stdout)
    assert set(answer) >= {"text", "citations", "tokens", "search_id", "prefix_hash"}


def test_a_list_is_newest_first_and_json_lines_are_memories(run: Run) -> None:
    lines = "".join(f'{{"content": "Fact {n}.", "tags": ["t{n % 2}"]}}\n' for n in range(30))
    added = run("add", "-", "--ndjson", "--json", "--user-id", "u", input=lines)
    ids = [json.loads(line)["id"] for line in added.stdout.splitlines()]
    assert len(set(ids)) == 30
    assert "30 created" in added.stderr
    assert "30 skipped" in run("add", "-", "--ndjson", "--user-id", "u", input=lines).stderr
    assert [row[0] for row in rows(run("list"))] == ids[::-1][:20]
    assert len(rows(run("list", "--all"))) == 30
    assert len(rows(run("list", "--limit", "25", "--tag", "t1", "--user-id", "u"))) == 15
    assert rows(run("list", "--user-id", "v")) == []
    memories = [json.loads(line) for line in run("list", "--json", "-l", "3").stdout.splitlines()]
    assert [memory["content"] for memory in memories] == ["Fact 29.", "Fact 28.", "Fact 27."]


def test_a_memory_is_shown_with_all_that_hangs_on_it(run: Run, url: str) -> None:
    from memory_service.cli.client import ServiceClient
    from memory_service.cli.connection import find_connection

    memory_id = run(
        "add", "I live in Lisbon.", "--speaker", "Ana", "--observed-at", "2026-03-14T18:00:00Z"
    ).stdout.strip()
    with ServiceClient(find_connection()) as client:
        client.call("PATCH", f"/v1/memories/{memory_id}", body={"content": "I live in Porto.", "tags": ["home"]})
        newer = client.post(f"/v1/memories/{memory_id}/supersede", {"content": "I live in Faro."})["id"]
    shown = run("show", memory_id).stdout
    for part in (
        memory_id,
        "I live in Porto.",
        "Ana",
        "2026-03-14 18:00",
        f"by {newer}",
        "home",
        "verbatim",
        "0.95 in 7 d",
    ):
        assert part in shown, part
    assert f"← supersedes\t1.00\t{newer}" in shown
    dossier = json.loads(run("show", memory_id, "--json").stdout)
    assert set(dossier) == {"memory", "provenance", "versions", "links", "retention"}
    assert len(dossier["versions"]) == 3
    past = run("history", memory_id).stdout
    assert past.index("version 1  ") < past.index("version 2  ") < past.index("version 3  ")
    assert "  -I live in Lisbon.\n  +I live in Porto." in past
    assert f'superseded_by: null → "{newer}"' in past
    assert '  tags: [] → ["home"]' in past
    last = run("history", memory_id, "-l", "1").stdout
    assert "version 2  " not in last
    assert "superseded_by: null" in last
    assert [json.loads(line)["version"] for line in run("history", memory_id, "--json").stdout.splitlines()] == [
        1,
        2,
        3,
    ]


def test_what_is_forgotten_comes_back_unless_it_is_erased(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    one = run("add", "A heron in the river.").stdout.strip()
    two = run("add", "A heron on the roof.").stdout.strip()
    run("forget", one, two)
    assert rows(run("search", "heron")) == []
    assert {row[3] for row in rows(run("search", "heron", "--archived"))} == {one, two}
    assert {row[0] for row in rows(run("list", "--archived"))} == {one, two}
    run("restore", one)
    assert [row[3] for row in rows(run("search", "heron"))] == [one]
    assert "Erase 1 memories" in run("forget", two, "--erase", input="n\n", code=1).stderr
    run("show", two)
    monkeypatch.setattr("memory_service.cli.following.finished_job", partial(finished_job, patience_s=0.5))
    assert (
        "worker" in run("forget", two, "--erase", "--yes", code=1).stderr
    )  # None runs here; see docs/quickstart/cli.md.


def test_namespaces_are_listed(run: Run) -> None:
    run("add", "x y z", "-n", "users/4")
    run("add", "x y z", "-n", "users/42")
    assert [row[0] for row in rows(run("namespaces"))] == ["default", "users/4", "users/42"]
    assert [row[0] for row in rows(run("namespaces", "--prefix", "users/4"))] == ["users/4"]
    paths = [json.loads(line)["path"] for line in run("namespaces", "--json").stdout.splitlines()]
    assert paths == ["default", "users/4", "users/42"]


def test_refusals_have_their_codes_and_a_way_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = run("search", "x", "-n", "nobody", code=5)
    assert "hint: `memory-service namespaces`" in unknown.stderr
    assert "--document" in run("add", "-", input="x" * 70_000, code=5).stderr
    assert "404" in run("show", str(uuid4()), code=5).stderr
    run("show", "../../healthz", code=5)
    run("search", " ", code=5)
    run("why", str(uuid4()), code=5)
    run("search", "x", "--filter", '{"no": 1}', code=5)
    monkeypatch.setenv("MEMORY_SERVICE_API_KEY", "wrong")
    assert "refused the key" in run("list", code=4).stderr
    assert "make run" in run("list", "--url", "http://127.0.0.1:9", code=3).stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_an_output_that_takes_nothing_is_one_line_and_no_success(run: Run) -> None:
    memory_id = run("add", "A heron in the river.").stdout.strip()
    for words in (
        ["--help"],
        ["version"],
        ["add", "A heron on the roof."],
        ["search", "heron"],
        ["search", "heron", "--json"],
        ["context", "heron"],
        ["list"],
        ["list", "--json"],
        ["show", memory_id],
        ["history", memory_id],
        ["namespaces"],
        ["keys", "list"],
        ["export", "-"],
        ["doctor"],
    ):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run([*PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 1, words
        assert "error: standard output cannot be written (No space left on device)" in done.stderr, words
        assert "Traceback" not in done.stderr, words
        assert "Exception ignored" not in done.stderr, words
    # Whoever reads no further has what they wanted: nothing is said of that.
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run([*PROGRAM, "list"], stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-"])
def test_remarks_that_cannot_be_written_stop_nothing(run: Run, where: str) -> None:
    one, two = (run("add", f"A heron on roof {n}.").stdout.strip() for n in range(2))

    def program(*words: str) -> "subprocess.CompletedProcess[str]":
        command = f"{shlex.join([*PROGRAM, *words])} {where}"
        return subprocess.run(["/bin/sh", "-c", command], stdout=subprocess.PIPE, text=True, check=False)

    assert program("forget", one, two).returncode == 0
    assert {row[0] for row in rows(run("list", "--archived"))} == {one, two}
    added = program("add", "A heron in the river.")
    assert (added.returncode, len(added.stdout.split())) == (0, 1)
    made = program("keys", "create", "notebook")
    assert (made.returncode, len(made.stdout.split())) == (0, 1)
    exported = program("export", "-")
    assert (exported.returncode, json.loads(exported.stdout.splitlines()[-1])["type"]) == (0, "end")
    assert program("show", str(uuid4())).returncode == 5


def test_an_output_that_is_closed_takes_nothing(run: Run) -> None:
    run("add", "A heron in the river.")
    for words in (["list"], ["export", "-"], ["version"]):
        command = f"{shlex.join([*PROGRAM, *words])} >&-"
        done = subprocess.run(["/bin/sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), words


def test_an_empty_option_is_refused_and_not_left_out(run: Run) -> None:
    # A variable of a script that was never set: the key would never end, and the past would be the present.
    memory_id = run("add", "A heron in the river.", "--tag", "birds").stdout.strip()
    run("keys", "create", "for a day", "--expires-at", "", code=5)
    assert [row[4] for row in rows(run("keys", "list"))] != ["for a day"]
    run("search", "heron", "--known-at", "", code=5)
    run("search", "heron", "--valid-at", "", code=5)
    run("context", "heron", "--order", "", code=5)
    run("show", memory_id, "--as-of", "", code=5)
    run("namespaces", "--prefix", "", code=5)
    run("list", "--url", "", code=1)
    run("why", str(uuid4()), "", code=5)
    assert rows(run("list", "--tag", "")) == []


def test_a_line_that_ends_it_says_how_many_were_sent_before(run: Run) -> None:
    good = "".join(f'{{"content": "Fact {n}."}}\n' for n in range(250))
    broken = run("add", "-", "--ndjson", input=good + "nonsense\n", code=6)
    assert "line 251 of standard input is not JSON" in broken.stderr
    assert "200 were sent before this" in broken.stderr
    assert len(rows(run("list", "--all"))) == 200
    assert "sent before" not in run("add", "-", "--ndjson", input="nonsense\n", code=6).stderr
    assert "50 created, 200 skipped" in run("add", "-", "--ndjson", input=good).stderr


@pytest.mark.parametrize("options", [[], ["--from", "bundle"]])
def test_a_bundle_comes_in_through_a_pipe_that_has_a_name(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    # As `import <(zcat bundle.gz)` does; no worker runs here, so the job is begun and not waited for to its end.
    monkeypatch.setattr("memory_service.cli.importing.finished_job", partial(finished_job, patience_s=0.5))
    run("add", "A heron in the river.", "-n", "birds")
    bundle, pipe = tmp_path / "birds.ndjson", tmp_path / "pipe"
    run("export", str(bundle), "-n", "birds")
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(bundle.read_bytes(),))
    writer.start()
    try:
        begun = run("import", str(pipe), *options, code=1)
    finally:
        writer.join()
    assert "the job " in begun.stderr


def test_an_object_of_endless_depth_is_wrong_usage(run: Run) -> None:
    deep = '{"a": ' + "[" * 5000 + "]" * 5000 + "}"
    run("add", "x", "--metadata", deep, code=2)
    run("list", "--filter", deep, code=2)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_json_is_json_in_every_encoding(run: Run, encoding: str) -> None:
    text = "naïve 日本語 👩‍👩‍👧 \x9b"
    memory_id = run("add", text).stdout.strip()
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    for words in (["list", "--json"], ["show", memory_id, "--json"]):
        done = subprocess.run([*PROGRAM, *words], stdout=subprocess.PIPE, env=environment, check=True)
        said = json.loads(done.stdout.decode(encoding))
        assert said.get("memory", said)["content"] == text


def test_text_of_any_kind_comes_back_as_it_was(run: Run) -> None:
    text = "naïve 日本語 👩‍👩‍👧 <b>&amp;</b> [bold]no markup[/bold] \x1b[2J tab\there"
    memory_id = run("add", "-", input=text).stdout.strip()
    assert json.loads(run("show", memory_id, "--json").stdout)["memory"]["content"] == text
    assert "[bold]no markup[/bold] \\x1b[2J" in run("show", memory_id).stdout
    run("add", "-", input="a\0b", code=5)
    run("add", "half \udcff", code=5)


def test_an_export_holds_what_there_is_and_mem0_s_memories_come_in(run: Run, tmp_path: Path) -> None:
    memory_id = run("add", "A heron in the river.", "-n", "birds").stdout.strip()
    run("add", "A tap that drips.", "-n", "house")
    bundle = tmp_path / "birds.ndjson"
    assert "1 memory" in run("export", str(bundle), "-n", "birds").stderr
    records = [json.loads(line) for line in bundle.read_text().splitlines()]
    assert [record["id"] for record in records if record["type"] == "memory"] == [memory_id]
    assert len(run("export", "-").stdout.splitlines()) > len(records)
    run("export", str(tmp_path / "none"), "-n", "nobody", code=5)
    cut = tmp_path / "cut.ndjson"
    cut.write_text("\n".join(bundle.read_text().splitlines()[:-1]) + "\n")
    assert "cut off" in run("import", str(cut), code=5).stderr
    assert "standard input is empty" in run("import", "-", input="", code=6).stderr
    export = tmp_path / "mem0.json"
    export.write_text(json.dumps({"results": [{"id": "m1", "memory": "Ana likes fado.", "user_id": "ana"}]}))
    assert "1 created" in run("import", str(export), "-n", "moved").stderr
    assert "1 skipped" in run("import", str(export), "-n", "moved").stderr
    [[_, _, _, text]] = rows(run("list", "-n", "moved", "--user-id", "ana"))
    assert text == "Ana likes fado."
