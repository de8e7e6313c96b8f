"""A real process at the other end of the pipe: asked, failing, hanging, dying, and leaving something behind."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep

import pytest

from benchmarks.datasets import Question
from benchmarks.peers.catalogue import FLOOR
from benchmarks.peers.contestants import ContestantFailed
from benchmarks.peers.marked import marked
from benchmarks.peers.material import Talk
from benchmarks.peers.opening import open_peer
from benchmarks.peers.pipe import Command, PeerProcess

TINY = Path(__file__).with_name("tiny_peer.py")
QUESTIONS = (
    Question(id="q0", text="Who plays the cello?", category="x", gold=("a",)),
    Question(id="q1", text="What grows on the allotment?", category="x", gold=("b",)),
)


def item(name: str, text: str) -> dict[str, str]:
    return {"content": text, "external_id": name, "session_id": "s", "speaker": "Runa"}


TALK = Talk(
    namespace="file-0-1",
    conversation="1",
    items=(item("b", "Leeks grows on the allotment."), item("a", "Maren plays the cello.")),
    questions=QUESTIONS,
    warm_up=("Where is Bergen?",),
)


def tiny(setup: str, folder: Path, *, budget_s: float = 60.0) -> PeerProcess:
    command = Command(python=Path(sys.executable), arguments=(str(TINY),), setup=setup, environ={"EXTRA": "1"})
    return PeerProcess(command, folder=folder / "tiny", budget_s=budget_s)


def test_a_peer_stores_and_answers(tmp_path: Path) -> None:
    with tiny("plain", tmp_path) as peer:
        assert peer.version == "1.2.3"
        empty = peer.disk_bytes()
        assert peer.store(TALK) == 0.5
        peer.warm_up(TALK, k=2)
        answers = peer.ask(TALK, QUESTIONS, k=2)
        assert answers.ids == (("a", "b"), ("b", "a"))
        assert answers.milliseconds == (2.0, 2.0)
        assert peer.disk_bytes() > empty
        assert peer.memory().rss_mib > 3
    kept = json.loads((tmp_path / "tiny" / "data" / "file-0-1.json").read_text())
    assert kept[0]["text"] == "Runa: Leeks grows on the allotment."


def test_a_peer_gets_none_of_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("MEMORY_SERVICE_API_KEY", "secret")
    with tiny("plain", tmp_path):
        seen = json.loads((tmp_path / "tiny" / "data" / "environment.json").read_text())
    assert "secret" not in seen.values()
    assert seen["EXTRA"] == "1"
    assert seen["OMP_NUM_THREADS"] == "1"
    assert seen["HF_HUB_OFFLINE"] == "1"
    assert Path(seen["HOME"]).is_relative_to(tmp_path)


def test_what_a_peer_says_of_its_failure_is_the_reason(tmp_path: Path) -> None:
    with tiny("cannot store", tmp_path) as peer, pytest.raises(ContestantFailed, match=r"^ValueError: no room$"):
        peer.store(TALK)


def test_a_peer_that_dies_is_quoted(tmp_path: Path) -> None:
    with tiny("dies", tmp_path) as peer:
        peer.store(TALK)
        with pytest.raises(ContestantFailed, match=r"ended with status 3: the index is on fire"):
            peer.ask(TALK, QUESTIONS, k=2)


def test_a_peer_that_hangs_is_ended_when_its_time_is_up(tmp_path: Path) -> None:
    with tiny("hangs", tmp_path, budget_s=3.0) as peer:
        peer.store(TALK)
        with pytest.raises(ContestantFailed, match=r"not done after 0\.05 minutes"):
            peer.ask(TALK, QUESTIONS, k=2)
        token = peer.token
        assert len(marked(token)) == 1
    assert not marked(token)


def test_what_a_peer_started_and_left_is_counted_and_ended(tmp_path: Path) -> None:
    with tiny("leaves a daemon", tmp_path) as peer:
        token = peer.token
        # What has just been started has no environment yet.
        deadline = monotonic() + 10
        while len(marked(token)) < 2 and monotonic() < deadline:
            sleep(0.05)
        assert len(marked(token)) == 2
    assert not marked(token)


def test_a_program_that_cannot_start_is_a_failure(tmp_path: Path) -> None:
    command = Command(python=Path(sys.executable), arguments=("-m", "no_such_module_at_all"), setup="", environ={})
    with pytest.raises(ContestantFailed, match="No module named no_such_module_at_all"):
        PeerProcess(command, folder=tmp_path / "peer", budget_s=60.0)


def test_a_peer_that_is_not_installed_has_its_reason(tmp_path: Path) -> None:
    installed = {FLOOR.requirements: ContestantFailed("not installed: no such version")}
    with ExitStack() as stack, pytest.raises(ContestantFailed, match="no such version"):
        open_peer(FLOOR, stack, installed=installed, folder=tmp_path, budget_s=60.0)


def test_the_floor_is_a_peer_with_the_real_encoder(tmp_path: Path) -> None:
    installed = {FLOOR.requirements: Path(sys.executable)}
    with ExitStack() as stack:
        floor = open_peer(FLOOR, stack, installed=installed, folder=tmp_path, budget_s=300.0)
        vector = floor.encode("Maren plays the cello.")
        assert vector is not None
        assert len(vector) == 384
        assert floor.disk_bytes() == 0
        assert floor.store(TALK) > 0
        answers = floor.ask(TALK, QUESTIONS, k=2)
        assert [ids[0] for ids in answers.ids] == ["a", "b"]
        assert floor.disk_bytes() == 2 * 384 * 4
