"""A disk without space, as far as it can be had without one: everything that writes says ENOSPC."""

import doctest
import errno
import io
import os
import re
import subprocess
from pathlib import Path

import pytest

from memory_service import jobs
from memory_service.embedded import failing_file, folders, readiness, roster
from memory_service.embedded.console import Console, banner
from memory_service.embedded.failing_file import FailingFile
from memory_service.embedded.restarts import LONGEST_DELAY_S, Restarts
from memory_service.embedded.roster import Roster
from memory_service.embedded.stopping import StopSignal
from memory_service.embedded.supervisor import Supervisor
from memory_service.failing_parts import FAILING, FailingPart, read_failing
from memory_service.logging import _ErrorStream
from memory_service.process_identity import ProcessIdentity
from memory_service.settings import Settings

ME = ProcessIdentity(os.getpid(), "1.00")


def full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullStream(io.StringIO):
    """Refuses to write while ``broken``."""

    broken = True

    def write(self, text: str) -> int:
        if self.broken:
            raise full()
        return super().write(text)


class FlakyPart:
    """Dead, and cannot be started while the disk is full."""

    name = "api"
    identity = ME

    def __init__(self) -> None:
        self.attempts = 0
        self.broken = True
        self.status: int | None = -9

    def launch(self) -> None:
        self.attempts += 1
        if self.broken:
            raise full()
        self.status = None

    def poll(self) -> int | None:
        return self.status

    def stop(self, *, hurry: bool = False) -> None:
        self.status = 0


@pytest.fixture
def supervisor(tmp_path: Path) -> tuple[Supervisor, io.StringIO]:
    (tmp_path / "run").mkdir()
    said = io.StringIO()
    settings = Settings(data_dir=tmp_path)
    return Supervisor(settings, console=Console(said), stop=StopSignal()), said


def test_a_part_that_cannot_be_started_is_tried_again_ever_later_and_named_once(
    supervisor: tuple[Supervisor, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, said = supervisor
    part, restarts, now = FlakyPart(), Restarts(), 1000.0
    monkeypatch.setattr("memory_service.embedded.supervisor.time.monotonic", lambda: now)
    while now < 1300.0:
        house._revive(part, restarts, now)
        now += 0.25
    assert part.attempts < 20
    assert said.getvalue().count("No space left on device") == 1
    part.broken = False
    while part.status is not None and now < 1300.0 + LONGEST_DELAY_S + 1:
        house._revive(part, restarts, now)
        now += 0.25
    assert part.status is None


def test_the_list_of_parts_is_written_when_there_is_space_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    listed = Roster(tmp_path)

    def refuse(*_: object) -> None:
        raise full()

    with monkeypatch.context() as patched:
        patched.setattr(roster, "write_secret", refuse)
        listed.record("api", ME)
    assert not (tmp_path / "run" / "parts.json").exists()
    listed.save()
    assert "api" in (tmp_path / "run" / "parts.json").read_text()


def test_which_parts_fail_is_written_when_there_is_space_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, parts = FailingFile(tmp_path), [FailingPart("api-2", 1, "ended with status 1", next_at=1000.5)]

    def refuse(*_: object, **__: object) -> None:
        raise full()

    with monkeypatch.context() as patched:
        patched.setattr(failing_file, "write_secret", refuse)
        written.write(parts)
    assert read_failing(tmp_path / FAILING) == []
    written.write(parts)
    assert read_failing(tmp_path / FAILING) == parts


def test_a_log_that_cannot_be_written_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, log = FullStream(), _ErrorStream()
    monkeypatch.setattr("sys.stderr", stream)
    log.write("lost\n")
    log.flush()
    stream.broken = False
    log.write("kept\n")
    log.write("kept too\n")
    assert stream.getvalue() == "\nkept\nkept too\n"


def test_a_console_on_a_full_disk_is_silent() -> None:
    Console(FullStream()).line("nobody reads this")


def test_the_line_to_try_works_with_spaces_in_it(tmp_path: Path) -> None:
    key_file = tmp_path / "my data" / "api-key"
    key_file.parent.mkdir()
    key_file.write_text("the-key\n")
    said = io.StringIO()
    banner(
        Console(said),
        url="http://[::1]:1",
        data_dir=key_file.parent,
        key_file=key_file,
        admin_path=None,
        seconds=1.0,
    )
    found = re.search(r"Try +(.*)", said.getvalue())
    assert found
    script = f'curl() {{ printf "%s|" "$@"; }}; {found[1]}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "-H|Authorization: Bearer the-key|http://[::1]:1/v1/memories|"


@pytest.mark.parametrize("module", [folders, readiness, jobs])
def test_worked_examples(module: object) -> None:
    tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried.attempted > 0
    assert tried.failed == 0
