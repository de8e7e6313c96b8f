import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.datasets import read_conversations
from benchmarks.loading import BATCH_CONTENT_LIMIT, CONTENT_LIMIT, LoadReport, batches, memories
from benchmarks.moments import in_order, read_moment
from benchmarks.provenance import command_line
from benchmarks.results import write_result

NOON = datetime(2024, 3, 15, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1:56 pm on 8 May, 2023", "2023-05-08T13:56:00+00:00"),
        ("12:09 am on 13 September, 2023", "2023-09-13T00:09:00+00:00"),
        ("29.12.2023, 22:42:04", "2023-12-29T22:42:04+00:00"),
        ("March-15-2024", "2024-03-15T00:00:00+00:00"),
        ("2023/05/20 (Sat) 02:21", "2023-05-20T02:21:00+00:00"),
        ("2024-03-15T12:00:00Z", "2024-03-15T12:00:00+00:00"),
        ("2024-03-15", "2024-03-15T00:00:00+00:00"),
    ],
)
def test_known_forms_of_time(text: str, moment: str) -> None:
    found = read_moment(text)
    assert found is not None
    assert found.isoformat() == moment


def test_no_time_is_none_and_an_unknown_form_is_an_error() -> None:
    assert read_moment("  ") is None
    with pytest.raises(ValueError, match="no known form"):
        read_moment("a week ago")


def test_turns_of_a_session_keep_their_order() -> None:
    placed = in_order([("s", NOON), ("s", NOON), ("s", NOON + SECOND), ("s", NOON - 5 * SECOND)])
    assert placed == [NOON, NOON + SECOND, NOON + 2 * SECOND, NOON + 3 * SECOND]


def test_sessions_of_one_day_keep_their_order() -> None:
    assert in_order([("a", NOON), ("a", NOON), ("b", NOON)]) == [NOON, NOON + SECOND, NOON + 2 * SECOND]


def test_a_session_before_the_one_above_stays_where_it_says() -> None:
    assert in_order([("a", NOON), ("b", NOON - timedelta(days=3))])[1] == NOON - timedelta(days=3)


def test_undated_turns_follow() -> None:
    assert in_order([("a", None), ("b", NOON), ("c", None), ("b", None)]) == [None, NOON, NOON + SECOND, NOON + SECOND]


def write(tmp_path: Path, value: Any) -> Path:
    path = tmp_path / "file.json"
    path.write_text(json.dumps(value))
    return path


def test_published_locomo_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        [
            {
                "sample_id": "conv-1",
                "conversation": {
                    "speaker_a": "Ada",
                    "speaker_b": "Ben",
                    "session_2_date_time": "2:00 pm on 9 May, 2023",
                    "session_2": [{"speaker": "Ben", "dia_id": "D2:1", "text": "Hi", "blip_caption": "a heron"}],
                    "session_1_date_time": "1:56 pm on 8 May, 2023",
                    "session_1": [{"speaker": "Ada", "dia_id": "D1:1", "text": "Hello"}],
                    "session_3_date_time": "1:00 pm on 10 May, 2023",
                },
                "qa": [
                    {"question": "Who?", "answer": "Ada", "evidence": ["D1:1; D2:1", "D9:9"], "category": 1},
                    {"question": "What?", "adversarial_answer": "no", "evidence": ["D2:1"], "category": 5},
                    {"question": "Why?", "answer": "x", "evidence": [], "category": 3},
                ],
            }
        ],
    )
    [talk] = read_conversations(path)
    assert [document.id for document in talk.documents] == ["D1:1", "D2:1"]
    assert talk.documents[1].caption == "a heron"
    assert [question.category for question in talk.questions] == ["multi-hop", "adversarial", "open-domain"]
    assert talk.questions[0].gold == ("D1:1", "D2:1")
    assert talk.questions[2].gold == ()
    assert talk.questions[0].id == "conv-1-q0"


def test_longmemeval_file(tmp_path: Path) -> None:
    def question(name: str) -> dict[str, Any]:
        return {
            "question_id": name,
            "question_type": "single-session-user",
            "question": "Which bird?",
            "answer": "a heron",
            "question_date": "2023/05/30 (Tue) 23:40",
            "haystack_session_ids": ["s1", "answer_1", "s1"],
            "haystack_dates": ["2023/05/20 (Sat) 02:21", "2023/05/21 (Sun) 02:21", "2023/05/22 (Mon) 02:21"],
            "haystack_sessions": [
                [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}],
                [{"role": "user", "content": "I adopted a heron", "has_answer": True}],
                [{"role": "user", "content": "hello", "has_answer": False}],
            ],
            "answer_session_ids": ["answer_1"],
        }

    first, abstention = read_conversations(write(tmp_path, [question("q1"), question("q1_abs")]))
    assert first.questions[0].gold == ("1:answer_1:0",)
    assert first.questions[0].asked_at == datetime(2023, 5, 30, 23, 40, tzinfo=UTC)
    assert len({document.id for document in first.documents}) == 4
    assert abstention.questions[0].gold == ()
    assert abstention.questions[0].category == "abstention"


def test_long_texts_are_cut_at_a_character_and_counted(tmp_path: Path) -> None:
    record = {
        "conv": "c",
        "docs": [
            {"id": "1", "sess": "s", "date": "", "speaker": "assistant", "text": "é" * CONTENT_LIMIT},
            {"id": "2", "sess": "s", "date": "", "speaker": "assistant", "text": "lone \ud83d surrogate"},
        ],
        "questions": [],
    }
    [talk] = read_conversations(write(tmp_path, record))
    report = LoadReport()
    items = memories(talk.documents, conversation="c", report=report)
    assert len(items[0]["content"].encode()) == CONTENT_LIMIT
    assert report.cut == ["c/1"]
    assert items[1]["content"] == "lone ? surrogate"
    assert report.repaired == 1
    assert "observed_at" not in items[0]


def test_batches_respect_both_limits() -> None:
    items = [{"content": "x" * CONTENT_LIMIT} for _ in range(70)]
    sizes = [len(batch) for batch in batches(items, size=1000)]
    assert sum(sizes) == 70
    assert max(sizes) * CONTENT_LIMIT <= BATCH_CONTENT_LIMIT
    assert [len(batch) for batch in batches(items[:5], size=2)] == [2, 2, 1]


def test_a_command_line_keeps_no_folders() -> None:
    shown = command_line(
        ["/srv/venv/bin/memory-service", "bench", "--out=/srv/a.json", "/srv/x.jsonl", "--url", "http://h/p"]
    )
    assert shown == "memory-service bench --out=a.json x.jsonl --url http://h/p"
    assert command_line(["/srv/benchmarks/search.py", "--blocks", "2"]) == "python -m benchmarks.search --blocks 2"


def test_results_are_written_whole(tmp_path: Path) -> None:
    write_result(tmp_path / "deep" / "r.json", {"mean": float("nan")})
    assert json.loads((tmp_path / "deep" / "r.json").read_text()) == {"mean": None}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["r.json"]
