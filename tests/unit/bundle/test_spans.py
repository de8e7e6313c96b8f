"""When the texts of a memory were to be found, worked out of its states."""

from datetime import UTC, datetime
from typing import Any

import pytest

from memory_service.bundle.framing import Frame, read_end, read_header
from memory_service.bundle.lines import Refused, memories_named, read_record
from memory_service.bundle.records import EmbeddingRecord, StateRecord
from memory_service.bundle.spans import live_texts
from memory_service.errors import InvalidRequest


def day(number: int) -> datetime:
    return datetime(2024, 5, number, tzinfo=UTC)


def state(version: int, content_version: int, *, at: int, **fields: Any) -> StateRecord:
    values = {
        "namespace": "default", "version": version, "content_version": content_version, "content": f"text {content_version}",
        "importance": 0.5, "confidence": 1.0, "observed_at": day(1), "created_at": day(1), "updated_at": day(at),
    }  # fmt: skip
    return StateRecord.model_validate(values | fields)


def spans(*states: StateRecord) -> list[tuple[int, int, int | None]]:
    return [(t.version, t.known_from.day, t.known_to.day if t.known_to else None) for t in live_texts(states)]


def test_a_text_is_found_until_the_next_one() -> None:
    assert spans(state(1, 1, at=1)) == [(1, 1, None)]
    assert spans(state(1, 1, at=1), state(2, 1, at=2), state(3, 3, at=3)) == [(1, 1, 3), (3, 3, None)]


def test_an_archived_memory_was_found_until_then_and_again_once_restored() -> None:
    gone = state(2, 1, at=4, state="archived")
    assert spans(state(1, 1, at=1), gone) == [(1, 1, 4)]
    assert spans(state(1, 1, at=1), gone, state(3, 3, at=6)) == [(1, 1, 4), (3, 6, None)]


def test_a_text_that_came_while_archived_was_never_found() -> None:
    assert spans(state(1, 1, at=1), state(2, 1, at=2, state="archived"), state(3, 3, at=5, state="archived")) == [
        (1, 1, 2),
        (3, 5, 5),
    ]


def test_what_expires_is_found_until_it_does() -> None:
    assert spans(state(1, 1, at=1, expires_at=day(9))) == [(1, 1, 9)]
    assert spans(state(1, 1, at=5, expires_at=day(2))) == [(1, 5, 5)], "never before it begins"


def test_without_its_first_versions_a_text_is_found_from_the_first_that_is_known() -> None:
    assert spans(state(4, 2, at=7)) == [(2, 7, None)]


def test_a_frame_says_whether_a_bundle_is_whole() -> None:
    frame = Frame()
    lines = [frame.header({}), frame.record({"type": "namespace", "path": "a"}), frame.end()]
    assert read_header(lines[0]).version == 1
    digest = frame.digest.hexdigest()
    read_end(lines[2], records=1, sha256=digest)
    for end, records, sha256 in (
        (lines[2], 2, digest),
        (lines[2], 1, "0" * 64),
        (lines[1], 1, digest),
        (b"", 1, digest),
    ):
        with pytest.raises(InvalidRequest) as caught:
            read_end(end, records=records, sha256=sha256)
        assert caught.value.specific_code == "incomplete_bundle"


@pytest.mark.parametrize("vector", ["", "AAA=", "A", "AAAA", "//8=", "AHw=", "é"])
def test_what_is_no_vector_is_none(vector: str) -> None:
    assert EmbeddingRecord(version=1, chunk=0, span=(0, 1), vector=vector).numbers() is None


def test_lines_that_name_memories_are_known_by_them() -> None:
    one = "01a21111-0000-7000-8000-000000000001"
    assert [str(i) for i in memories_named({"type": "memory", "id": one})] == [one]
    assert [
        str(i) for i in memories_named({"type": "document_text", "chunks": [{"memory_id": one}, {"memory_id": 7}, 3]})
    ] == [one]
    for odd in ({}, {"type": "memory"}, {"type": "memory", "id": [1]}, {"type": "document_text", "chunks": "x"}):
        assert memories_named(odd) == []


@pytest.mark.parametrize("raw", [b"", b"null", b"{}", b'{"type": 7}', b'{"type": "memory"}', b'{"type":"link","id":1}'])
def test_what_is_no_record_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused) as caught:
        read_record(raw)
    assert caught.value.code
    assert caught.value.detail
