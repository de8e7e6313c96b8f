import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from memory_service.cli import doctor
from memory_service.cli.main import app

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
