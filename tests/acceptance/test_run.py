"""`make run`, as a person lives with it: start, stop, kill, start again."""

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from memory_service.embedded.broker import EmbeddedBroker
from memory_service.embedded.folders import outside_socket_folder
from memory_service.embedded.postgres import EmbeddedPostgres
from memory_service.embedded.services import is_api
from tests.waiting import eventually

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

FIRST_START_S = 240  # With the one-time export of the model.
WARM_START_S = 60  # Ten on a quiet machine; tests run on busy ones.
RECOVERY_S = 60
STOP_S = 60
DEAD_BROKER_START_S = 15
FULL_DISK_S = 8
PARTS = ("api", "worker", "beat", "broker", "postgres")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """One data directory and the service that runs, or does not run, on it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None
        self.output = data_dir.parent / "output.txt"
        self.more: dict[str, str] = {}

    def environment(self, **more: str) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if n not in {"DATABASE_URL", "BROKER_URL"}}
        kept = {n: v for n, v in kept.items() if not n.startswith("MEMORY_SERVICE_")}
        return (
            kept
            | {"MEMORY_SERVICE_DATA_DIR": str(self.data_dir), "MEMORY_SERVICE_PORT": str(self.port)}
            | self.more
            | more
        )

    def command(self) -> list[str]:
        return [sys.executable, "-m", "memory_service.embedded"]

    def launch(self) -> None:
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                self.command(), env=self.environment(), stdout=output, stderr=output, text=True, start_new_session=True
            )

    def start(self, *, timeout_s: float = WARM_START_S) -> None:
        self.launch()
        assert eventually(self.announced, timeout_s=timeout_s), self.output.read_text()
        assert self.ready()

    def announced(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.output.read_text()
        return "Memory service is ready" in self.output.read_text()

    def once(self, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(), env=self.environment(**more), capture_output=True, text=True, timeout=120, check=False
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.Client:
        key = (self.data_dir / "api-key").read_text().strip()
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=30)

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def parts(self) -> dict[str, int]:
        return {name: pid for name, (pid, _) in json.loads((self.data_dir / "run" / "parts.json").read_text()).items()}

    def tree(self) -> list[psutil.Process]:
        assert self.process
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(STOP_S)

    def remember(self, content: str) -> str:
        with self.client() as client:
            answer = client.post("/v1/memories", json={"content": content})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def knows(self, memory_id: str, content: str) -> bool:
        with self.client() as client:
            answer = client.get(f"/v1/memories/{memory_id}")
            if answer.status_code != 200 or answer.json()["content"] != content:
                return False
            found = client.post("/v1/search", json={"query": content, "namespace": "default"}).json()
        return memory_id in [result["memory"]["id"] for result in found["results"]]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    def runs(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return [process for process in processes if runs(process)]


def kill(processes: list[psutil.Process]) -> None:
    for process in alive(processes):
        process.kill()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A data directory shared by these tests, because the export of the model is made once per directory."""
    service = Service(tmp_path_factory.mktemp("run") / "var")
    service.start(timeout_s=FIRST_START_S)
    assert service.stop() == 0
    yield service
    for part in ("postgres", "broker"):
        shutil.rmtree(outside_socket_folder(service.data_dir, part), ignore_errors=True)


@contextmanager
def running(house: Service) -> Iterator[Service]:
    house.start()
    try:
        yield house
    finally:
        left = house.tree() if house.process and house.process.poll() is None else []
        if house.process and house.process.poll() is None:
            house.stop()
        kill(left)


def test_first_words_say_where_everything_is(house: Service) -> None:
    with running(house) as service:
        text = service.output.read_text()
        assert service.url in text
        assert "/docs" in text
        line = next(line for line in text.splitlines() if "curl -H" in line)
        command = line.partition("Try")[2].strip().replace("curl ", "curl -sf -o /dev/null ")
        if shutil.which("curl"):
            assert subprocess.run(command, shell=True, timeout=60, check=False).returncode == 0
        assert (service.data_dir / "api-key").stat().st_mode & 0o777 == 0o600
        assert (service.data_dir / "run").stat().st_mode & 0o777 == 0o700
        assert "Traceback" not in text


def test_ctrl_c_stops_everything_and_a_restart_remembers(house: Service) -> None:
    with running(house) as service:
        content = "The lighthouse keeper feeds a fox called Marzipan."
        memory_id = service.remember(content)
        tree = service.tree()
        assert len(tree) >= len(PARTS)
        started = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - started < STOP_S
        assert alive(tree) == []
        assert "Traceback" not in service.output.read_text()
    with running(house) as service:
        assert service.knows(memory_id, content)


def test_sigterm_stops_it_as_well(house: Service) -> None:
    with running(house) as service:
        tree = service.tree()
        assert service.stop(signal.SIGTERM) == 0
        assert alive(tree) == []


def test_a_stop_during_the_start_is_obeyed(house: Service) -> None:
    house.launch()
    assert eventually(lambda: "Postgres" in house.output.read_text(), timeout_s=30)
    tree = house.tree()
    assert house.stop() == 0
    assert alive(tree) == []
    assert "Traceback" not in house.output.read_text()


def test_second_start_is_refused(house: Service) -> None:
    with running(house) as service:
        second = service.once()
        assert service.process
        assert second.returncode == 1
        assert f"Another memory service is running on {service.data_dir} (pid {service.process.pid})" in second.stderr
        assert "Traceback" not in second.stderr
        assert service.ready()


def test_taken_port_is_named_before_anything_is_started(house: Service, tmp_path: Path) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        refused = house.once(MEMORY_SERVICE_PORT=str(port), MEMORY_SERVICE_DATA_DIR=str(tmp_path / "var"))
    assert refused.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be used" in refused.stderr
    assert not (tmp_path / "var" / "postgres").exists()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing", "does not answer"),
        ("MEMORY_SERVICE_PORT", "eighty", "MEMORY_SERVICE_PORT"),
    ],
)
def test_setting_that_cannot_work_is_a_sentence(
    house: Service, tmp_path: Path, name: str, value: str, said: str
) -> None:
    refused = house.once(**{"MEMORY_SERVICE_DATA_DIR": str(tmp_path / "var"), name: value})
    assert refused.returncode == 1
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_every_part_is_started_again_after_a_kill(house: Service) -> None:
    with running(house) as service:
        memory_id = service.remember("Every part may die once.")
        for part in PARTS:
            before = service.parts()[part]
            os.kill(before, signal.SIGKILL)

            def back(part: str = part, before: int = before) -> bool:
                return service.parts()[part] != before and service.ready()

            assert eventually(back, timeout_s=RECOVERY_S), f"{part}: {service.output.read_text()}"
        assert eventually(lambda: service.knows(memory_id, "Every part may die once."), timeout_s=RECOVERY_S)


def test_killed_supervisor_takes_its_parts_along(house: Service) -> None:
    with running(house) as service:
        memory_id = service.remember("The supervisor was killed.")
        tree = service.tree()
        assert service.process
        service.process.kill()
        service.process.wait()
        assert eventually(lambda: alive(tree) == [], timeout_s=STOP_S)
    with running(house) as service:
        assert service.knows(memory_id, "The supervisor was killed.")


def test_start_directly_after_the_supervisor_was_killed(house: Service) -> None:
    with running(house) as service:
        assert service.process
        tree = service.tree()
        service.process.kill()
        service.process.wait()
    with running(house) as service:
        assert alive(tree) == []
        assert service.ready()


def test_everything_killed_at_once_recovers(house: Service) -> None:
    with running(house) as service:
        memory_id = service.remember("The power went out.")
        tree = service.tree()
        assert service.process
        service.process.kill()
        kill(tree)
        service.process.wait()
    with running(house) as service:
        assert service.knows(memory_id, "The power went out.")


def test_servers_of_the_operator_are_used_in_place_of_ours(house: Service, tmp_path: Path) -> None:
    ours = Service(tmp_path / "ours" / "var")
    shutil.copytree(house.data_dir / "models", ours.data_dir / "models")
    with EmbeddedPostgres(tmp_path / "theirs") as postgres, EmbeddedBroker(tmp_path / "theirs") as broker:
        ours.more = {"DATABASE_URL": postgres.url.replace("+psycopg", ""), "BROKER_URL": broker.url}
        with running(ours):
            assert {name for name in ours.parts() if not is_api(name)} == {"worker", "beat"}
            assert ours.knows(ours.remember("Kept by a server of theirs."), "Kept by a server of theirs.")
        assert not (ours.data_dir / "postgres").exists()
        assert not (ours.data_dir / "broker").exists()


def test_data_of_a_newer_version_are_refused(house: Service, tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "var") as postgres:
        address = postgres.url.replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
            connection.execute("INSERT INTO alembic_version VALUES ('9999_12_31_0001')")
            connection.execute("CREATE ROLE memory_service_owner")
            connection.execute("GRANT ALL ON alembic_version TO memory_service_owner")
    refused = house.once(MEMORY_SERVICE_DATA_DIR=str(tmp_path / "var"))
    assert refused.returncode == 1
    assert "newer version" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_dead_broker_delays_the_start_by_seconds_at_most(house: Service) -> None:
    house.more = {"BROKER_URL": f"redis://127.0.0.1:{free_port()}/0"}
    try:
        house.launch()
        assert eventually(house.announced, timeout_s=WARM_START_S), house.output.read_text()
        text = house.output.read_text()
        with httpx.Client(base_url=house.url, timeout=10) as client:
            began = time.monotonic()
            readiness = client.get("/readyz")
            assert time.monotonic() - began < 2
        assert readiness.json()["parts"]["broker"]["ok"] is False
        assert house.remember("Written while no broker was there.")
        assert house.stop() == 0
    finally:
        house.more = {}
        if house.process and house.process.poll() is None:
            kill([*house.tree(), psutil.Process(house.process.pid)])
    found = re.search(r"Memory service is ready \(([\d.]+) s\)", text)
    assert found
    assert float(found[1]) <= DEAD_BROKER_START_S
    assert "does not answer" in text


@contextmanager
def small_disk(folder: Path, *, mebibytes: int) -> Iterator[None]:
    """Mount a disk of a size of its own, where that is allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0711", "tmpfs", str(folder)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(mount, check=False, timeout=30).returncode != 0:
        pytest.skip("no disk can be mounted here; tests/unit/embedded/test_full_disk.py covers the parts")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)


def fill(path: Path) -> None:
    """Take what is left of the disk, to the last byte."""
    try:
        with path.open("ab", buffering=0) as ballast:
            while ballast.write(b"\0" * 65536):
                pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def test_a_full_disk_refuses_writes_and_loses_nothing(house: Service, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mebibytes=300):
        service = Service(tmp_path / "disk" / "var")
        service.output = tmp_path / "output.txt"
        service.data_dir.mkdir(mode=0o711)
        (service.data_dir / "models").symlink_to(house.data_dir / "models")
        ballast = tmp_path / "disk" / "ballast"
        acknowledged: dict[str, str] = {}
        refused = 0

        def write(client: httpx.Client) -> int:
            content = f"{time.monotonic_ns()} " + "the disk fills with long memories " * 200
            try:
                answer = client.post("/v1/memories", json={"content": content})
            except httpx.TransportError:
                return 0  # The API itself may have been ended and started again.
            if answer.status_code == 201:
                acknowledged[answer.json()["id"]] = content
            else:
                assert answer.status_code == 503, answer.text
                assert answer.headers["Content-Type"] == "application/problem+json"
            return answer.status_code

        with running(service):
            process = service.process
            assert process
            with service.client() as client:
                assert [write(client) for _ in range(5)] == [201] * 5
                until = time.monotonic() + FULL_DISK_S
                while time.monotonic() < until or (not refused and time.monotonic() < until + WARM_START_S):
                    fill(ballast)
                    refused += write(client) == 503
                assert process.poll() is None, service.output.read_text()
                # A part that dies now cannot be started: that must not end the others.
                for part in ("beat", "api", "postgres"):
                    with suppress(ProcessLookupError):  # The full disk may have ended it before.
                        os.kill(service.parts()[part], signal.SIGKILL)
                time.sleep(5)
                assert process.poll() is None, service.output.read_text()
                ballast.unlink()
                assert eventually(lambda: write(client) == 201, timeout_s=RECOVERY_S), service.output.read_text()
                assert eventually(service.ready, timeout_s=RECOVERY_S)
                for memory_id, content in acknowledged.items():
                    assert client.get(f"/v1/memories/{memory_id}").json()["content"] == content
            assert refused
            assert "Traceback" not in service.output.read_text()
        shutil.rmtree(outside_socket_folder(service.data_dir, "postgres"), ignore_errors=True)


def test_a_start_on_a_full_disk_names_it(house: Service, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mebibytes=40):  # Less than a cluster takes.
        service = Service(tmp_path / "disk" / "var")
        refused = service.once()
        shutil.rmtree(outside_socket_folder(service.data_dir, "postgres"), ignore_errors=True)
    assert refused.returncode == 1
    assert f"the disk of {service.data_dir} is full" in refused.stderr
    assert "Traceback" not in refused.stderr
