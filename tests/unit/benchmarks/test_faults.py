import pytest

from benchmarks.faults import _options
from benchmarks.victim import BOTH
from benchmarks.witness import Verdict, require_all_stored
from memory_service.cli.failures import CommandFailure


def test_an_acknowledged_batch_with_a_rejected_item_fails() -> None:
    require_all_stored([{"status": "created"}, {"status": "skipped"}])
    with pytest.raises(CommandFailure, match="1 memories"):
        require_all_stored([{"status": "created"}, {"status": "rejected", "problem": {}}])


def test_half_a_record_is_damage() -> None:
    assert Verdict(present=1).clean
    assert not Verdict(present=1, half=["w1"]).clean


def test_twenty_rounds_kill_both_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["faults"])
    options = _options()
    assert (options.rounds, options.extra) == (20, 0)
    assert "api" in BOTH
    assert "postgres" in BOTH
