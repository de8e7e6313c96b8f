"""Measurements become numbers, comparisons, promises, a table and a record."""

import io
import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.datasets import Question
from benchmarks.peers.catalogue import FLOOR, PEERS, SERVICE, chosen
from benchmarks.peers.comparison import beside, numbers
from benchmarks.peers.contestants import Memory
from benchmarks.peers.material import read_dataset
from benchmarks.peers.outcome import Asked, Course, Outcome
from benchmarks.peers.record import contestant_record, promises
from benchmarks.peers.table import print_table
from benchmarks.results import finite
from memory_service.cli.failures import CommandFailure

GOLD = ("g",)


def asked(number: int, *, rank: int | None, ms: float, category: str = "temporal", gold: bool = True) -> Asked:
    others = [f"x{place}" for place in range(20)]
    if rank is not None:
        others[rank - 1] = "g"
    question = Question(id=f"q{number}", text="?", category=category, gold=GOLD if gold else ())
    return Asked(conversation="c", question=question, returned=tuple(others), milliseconds=ms)


def outcome(name: str, ranks: list[int | None], *, ms: float, reason: str = "") -> Outcome:
    course = Course(name="file", conversations=1, stored=50, store_s=2.0)
    course.asked = [asked(number, rank=rank, ms=ms) for number, rank in enumerate(ranks)]
    made = Outcome(name, "in the call", f"note on {name}", version="1.0", reason=reason, courses=[course])
    made.disk_bytes, made.memory = 100_000, Memory(rss_mib=300.0, pss_mib=200.0)
    return made


def test_numbers_of_a_course() -> None:
    course = Course(name="f", stored=100, store_s=4.0)
    course.asked = [
        asked(0, rank=1, ms=1.0),
        asked(1, rank=8, ms=2.0),
        asked(2, rank=None, ms=3.0, category="adversarial"),
        asked(3, rank=None, ms=100.0, gold=False),
    ]
    found = numbers(course)
    assert found.questions == 3
    assert found.headline == pytest.approx({"1": 1 / 3, "5": 1 / 3, "10": 2 / 3, "20": 2 / 3})
    assert found.recall["all but adversarial"]["10"] == 1.0
    assert found.search_p50_ms == 2.5, "questions without evidence take time too"
    assert found.stored_per_second == 25.0


def test_only_questions_that_both_answered_are_compared() -> None:
    service = outcome(SERVICE, [1, 1, None, 2], ms=3.0).courses[0]
    other = outcome("other", [None, 1], ms=6.0).courses[0]
    compared = beside(service, other)
    assert compared is not None
    assert compared.questions == 2
    assert compared.recall_gain == 0.5
    assert 0.0 <= compared.recall_gain_low <= 0.5 <= compared.recall_gain_high <= 1.0
    assert compared.time_ratio == 0.5
    assert beside(service, Course(name="f")) is None


def test_promises_are_about_peers_that_were_measured() -> None:
    service, floor = outcome(SERVICE, [1, 1], ms=3.0), outcome(FLOOR.name, [None, None], ms=1.0)
    better, gone = outcome("better", [1, 1], ms=2.0), outcome("gone", [1], ms=1.0, reason="crashed")
    found = promises([floor, better, gone, service])
    assert [(one.name, one.value, one.met) for one in found] == [
        ("recall@10 less that of better, file", 0.0, True),
        ("search p50 / that of better, file", 1.5, False),
    ]
    assert all(one.met is None for one in promises([better, outcome(SERVICE, [], ms=1.0, reason="down")]))


def test_the_table_has_a_row_or_a_reason_for_everybody() -> None:
    service, peer = outcome(SERVICE, [1, 1], ms=3.0), outcome("peer", [None, 1], ms=6.0)
    peer.encoder_cosine = 0.99999
    gone = outcome("gone", [1], ms=1.0, reason="ended with status 3: on fire")
    text = io.StringIO()
    print_table([peer, gone, service], console=Console(file=text))
    lines = text.getvalue().splitlines()
    [row] = [line for line in lines if line.startswith("│ peer ")]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[:8] == ["peer", "1.0", "50.0", "50.0", "50.0", "50.0", "6.0", "6.0"]
    assert cells[8:11] == ["25", "2.0", "200"]
    assert cells[11].startswith("+50.0 (")
    assert cells[12:] == ["× 0.50", "in the call"]
    assert sum(line.startswith(f"│ {SERVICE} ") for line in lines) == 1
    assert "gone has no row: ended with status 3: on fire" in lines
    assert not [line for line in lines if line.startswith("│ gone ")]
    assert "peer: note on peer; its vector's cosine with the floor's 0.99999" in lines


def test_the_table_stands_when_the_service_failed() -> None:
    text = io.StringIO()
    print_table([outcome("peer", [1], ms=1.0), outcome(SERVICE, [], ms=1.0, reason="down")], console=Console(file=text))
    assert "│ peer " in text.getvalue()
    assert f"{SERVICE} has no row: down" in text.getvalue()


def test_the_record_keeps_ranks_and_no_texts() -> None:
    service, peer = outcome(SERVICE, [1, 1], ms=3.0), outcome("peer", [None, 3], ms=6.0)
    kept = json.loads(json.dumps(finite(contestant_record(peer, service=service)), allow_nan=False))
    assert kept["disk_bytes_per_memory"] == 2000.0
    [file] = kept["files"]
    assert file["ranks"] == {"c/q0": "-", "c/q1": "3"}
    assert file["service_beside_it"]["recall_gain"] == 0.5
    assert kept["not_measured"] is None
    alone = contestant_record(service, service=service)
    assert alone["files"][0]["service_beside_it"] is None
    failed = contestant_record(Outcome("x", "", "", reason="no such version"), service=service)
    assert (failed["not_measured"], failed["files"]) == ("no such version", [])


def test_unknown_peers_are_refused_and_slow_ones_run_when_named() -> None:
    assert "superlocalmemory-full" not in {one.name for one in chosen(None)}
    assert [one.name for one in chosen("superlocalmemory-full")] == ["superlocalmemory-full"]
    with pytest.raises(CommandFailure, match="there is no peer letta"):
        chosen("txtai,letta")
    assert len({one.name for one in PEERS}) == len(PEERS)


def test_everybody_gets_the_same_texts(tmp_path: Path) -> None:
    docs = [
        {
            "id": "1",
            "sess": "s",
            "date": "1:56 pm on 8 May, 2023",
            "speaker": "Ann",
            "text": "Hello",
            "caption": "a dog",
        },
        {"id": "2", "sess": "s", "date": "", "speaker": "user", "text": "  "},
    ]
    questions = [{"qid": "q", "q": "Who?", "cat": "c", "gold": ["1"], "qdate": ""}]
    record = {"conv": "v1.2/ä", "docs": docs, "questions": questions}
    path = tmp_path / "two.parts.jsonl"
    path.write_text(json.dumps(record) + "\n" + json.dumps(record) + "\n")
    dataset = read_dataset(path, limit=None, number=3)
    first, second = dataset.talks
    assert first.namespace != second.namespace
    assert "." not in first.namespace
    assert "/" not in first.namespace
    assert [item["external_id"] for item in first.items] == ["1"], "an empty text is no memory"
    assert dataset.oddities.empty == ["v1.2/ä/2", "v1.2/ä/2"]
    assert dataset.name == "two.parts"
    assert len(first.warm_up) == 3
    assert len(read_dataset(path, limit=1).talks) == 1


def test_no_time_is_no_number() -> None:
    assert math.isnan(numbers(Course(name="f")).search_p50_ms)
