from pathlib import Path

import pytest

from memory_service.embedded import folders
from memory_service.embedded.folders import fresh_shared_folder, remove_shared_folder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "var" / "run").mkdir(parents=True)
    return tmp_path / "var"


@pytest.fixture
def in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shm"
    folder.mkdir()
    monkeypatch.setattr(folders, "IN_MEMORY", folder)
    return folder


def test_it_is_empty_at_every_start_and_goes_at_the_end(data_dir: Path, in_memory: Path) -> None:
    folder = fresh_shared_folder(data_dir, processes=2)
    assert folder.parent == in_memory
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "rates").write_bytes(b"of a killed run")
    assert fresh_shared_folder(data_dir, processes=2) == folder
    assert list(folder.iterdir()) == []
    remove_shared_folder(folder)
    assert list(in_memory.iterdir()) == []


def test_two_data_folders_share_nothing(data_dir: Path, in_memory: Path, tmp_path: Path) -> None:
    assert fresh_shared_folder(data_dir, processes=2) != fresh_shared_folder(tmp_path / "other", processes=2)


def test_what_somebody_laid_there_is_not_used(data_dir: Path, in_memory: Path) -> None:
    folder = fresh_shared_folder(data_dir, processes=2)
    folder.rmdir()
    folder.write_text("a trap")
    assert fresh_shared_folder(data_dir, processes=2) == data_dir / "run" / "shared"
    assert folder.read_text() == "a trap"


@pytest.mark.parametrize("why", ["none", "full"])
def test_without_room_in_memory_it_lies_in_the_data_folder(
    data_dir: Path, in_memory: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "none":
        in_memory.rmdir()
    else:
        monkeypatch.setattr(folders, "SHARED_ROOM", 1 << 62)
    assert fresh_shared_folder(data_dir, processes=2) == data_dir / "run" / "shared"
