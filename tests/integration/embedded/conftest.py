import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory_service.embedded.folders import fits, inside_socket_folder, outside_socket_folder


def remove_data_dir(data_dir: Path) -> None:
    for part in ("postgres", "broker"):
        shutil.rmtree(outside_socket_folder(data_dir, part), ignore_errors=True)
    shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may pass through, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="memory-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose sockets lie in it, however long the path of TMPDIR is: some tests leave things beside them."""
    short = None if fits(inside_socket_folder(tmp_path / "var", "postgres")) else Path(tempfile.mkdtemp(dir="/tmp"))
    folder = (short or tmp_path) / "var"
    yield folder
    remove_data_dir(folder)
    if short is not None:
        short.rmdir()


@pytest.fixture
def open_data_dir(open_folder: Path) -> Iterator[Path]:
    folder = open_folder / "var"
    yield folder
    remove_data_dir(folder)
