"""The secret of salts is drawn once, kept for itself, and never half of it."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from memory_service.chat_model.salt_secret import FILE, SECRET_BYTES, salt_secret
from memory_service.errors import Misconfigured
from memory_service.settings import Settings


def test_it_is_drawn_once_and_nobody_else_reads_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    first = salt_secret(settings)
    file = tmp_path / "new" / FILE
    assert len(first) == SECRET_BYTES
    assert salt_secret(settings) == first == file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in file.parent.iterdir()] == [FILE]
    assert salt_secret(Settings(data_dir=tmp_path / "other")) != first


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        drawn = list(threads.map(lambda _: salt_secret(Settings(data_dir=tmp_path)), range(32)))
    assert len(set(drawn)) == 1


def test_a_setting_goes_before_the_file(tmp_path: Path) -> None:
    assert salt_secret(Settings(data_dir=tmp_path, upstream_salt_secret=SecretStr("said"))) == b"said"
    assert not (tmp_path / FILE).exists()


def test_a_damaged_file_is_said_and_left(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"half")
    with pytest.raises(Misconfigured, match="remove it"):
        salt_secret(Settings(data_dir=tmp_path))
    assert (tmp_path / FILE).read_bytes() == b"half"
