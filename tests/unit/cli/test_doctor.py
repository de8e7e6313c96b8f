import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from memory_service.cli import doctor
from memory_service.cli.main import app
from memory_service.embedded import folders
from memory_service.embedded.failing_file import FailingFile
from memory_service.embedded.folders import fresh_shared_folder
from memory_service.failing_parts import FailingPart

runner = CliRunner()


def verdicts(result: Any) -> dict[str, bool]:
    return {check["name"]: check["ok"] for check in json.loads(result.stdout)["checks"]}


def test_everything_in_order_is_exit_code_0(environment: Any, tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "api-key").write_text("k")
    (folder / "api-key").chmod(0o600)
    result = runner.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    assert {"python", "data folder", "mode of api-key", "service", "ready: database", "api key"} <= set(
        verdicts(result)
    )


def test_a_readable_key_file_is_exit_code_1_with_a_repair(environment: Any, tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "api-key").write_text("k")
    (folder / "api-key").chmod(0o644)
    result = runner.invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert f"chmod 600 {folder / 'api-key'}" in result.stdout
    assert stat.S_IMODE((folder / "api-key").stat().st_mode) == 0o644


def test_a_part_that_is_not_ready_is_named(environment: Any) -> None:
    environment.answers["/readyz"] = lambda body: (
        200,
        {"status": "degraded", "parts": {"database": {"ok": True}, "broker": {"ok": False, "reason": "refused"}}},
    )
    result = runner.invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "ready: broker" in result.stdout
    assert "BROKER_URL" in result.stdout


KILLED = FailingPart("api", 4, "was killed by signal 9", next_at=0.0)


def test_a_part_that_keeps_ending_is_named(environment: Any) -> None:
    environment.answers["/readyz"] = lambda body: (
        200,
        {"status": "degraded", "parts": {"processes": {"ok": False, "reason": KILLED.complaint(now=0.0)}}},
    )
    result = runner.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    (check,) = [one for one in json.loads(result.stdout)["checks"] if one["name"] == "ready: processes"]
    assert "api has failed 4 times in a row" in check["detail"]
    assert check["fix"] == doctor._REPAIRS["processes"]


@pytest.fixture
def in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shm").mkdir()
    monkeypatch.setattr(folders, "IN_MEMORY", tmp_path / "shm")
    return tmp_path / "shm"


@pytest.mark.parametrize("where", ["in memory", "on disk"])
def test_without_any_api_process_the_file_of_the_supervisor_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_memory: Path, where: str
) -> None:
    monkeypatch.setenv("MEMORY_SERVICE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MEMORY_SERVICE_DATA_DIR", str(tmp_path / "var"))
    (tmp_path / "var" / "run").mkdir(parents=True, mode=0o700)
    if where == "on disk":
        in_memory.rmdir()
    folder = fresh_shared_folder(tmp_path / "var", processes=1)
    assert folder.is_relative_to(in_memory) == (where == "in memory")
    assert "processes" not in verdicts(runner.invoke(app, ["doctor", "--json"]))
    FailingFile(folder).write([KILLED])
    result = runner.invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "api has failed 4 times in a row (it was killed by signal 9)" in result.stdout
    assert "logs/api.log" in result.stdout


def test_a_folder_that_somebody_else_laid_there_is_not_believed(
    tmp_path: Path, in_memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "var" / "run").mkdir(parents=True)
    FailingFile(fresh_shared_folder(tmp_path / "var", processes=1)).write([KILLED])
    assert doctor.check_processes(tmp_path / "var")
    own = Path.lstat
    foreign = lambda path: os.stat_result((*own(path)[:4], os.geteuid() + 1, *own(path)[5:10]))  # noqa: E731
    monkeypatch.setattr(Path, "lstat", foreign)
    assert doctor.check_processes(tmp_path / "var") == []


def test_a_refused_key_is_named(environment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_SERVICE_API_KEY", "wrong")
    result = runner.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    assert verdicts(result)["api key"] is False


def test_no_service_still_reports_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEMORY_SERVICE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MEMORY_SERVICE_DATA_DIR", str(tmp_path))
    result = runner.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    assert verdicts(result)["service"] is False
    assert verdicts(result)["disk space"] is True


def test_an_old_python_fails() -> None:
    assert doctor.check_python((3, 10, 9)).fix


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_another_user_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    check = doctor.check_data_folder(tmp_path)
    tmp_path.chmod(0o700)
    assert not check.ok


def test_a_missing_encoder_folder_fails(tmp_path: Path) -> None:
    assert not doctor.check_encoder_weights(str(tmp_path / "none")).ok
