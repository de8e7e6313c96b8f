"""A real Valkey from the wheel."""

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from memory_service.embedded.broker import EmbeddedBroker
from memory_service.embedded.folders import outside_socket_folder
from memory_service.embedded.processes import wait_until
from memory_service.errors import Misconfigured

pytestmark = pytest.mark.timeout(120)


@contextmanager
def client(broker: EmbeddedBroker) -> Iterator[redis.Redis]:
    with redis.Redis(unix_socket_path=str(broker.socket)) as connection:
        yield connection


def kill(broker: EmbeddedBroker) -> None:
    assert broker.identity
    os.kill(broker.identity.pid, signal.SIGKILL)
    assert wait_until(lambda: broker.poll() is not None, timeout_s=10)


def test_settings_are_those_of_a_queue(data_dir: Path) -> None:
    with EmbeddedBroker(data_dir) as broker, client(broker) as connection:
        assert broker.url == f"redis+socket://{broker.socket}"
        assert connection.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert connection.config_get("appendonly") == {"appendonly": "yes"}
        assert connection.config_get("port") == {"port": "0"}
        assert stat.S_IMODE(broker.socket.parent.stat().st_mode) == 0o700


def test_jobs_survive_a_clean_stop_and_a_kill(data_dir: Path) -> None:
    with EmbeddedBroker(data_dir) as broker:
        with client(broker) as connection:
            connection.lpush("queue", "one")
        kill(broker)
        broker.launch()
        with client(broker) as connection:
            assert wait_until(lambda: _length(connection) == 1, timeout_s=20)
            connection.lpush("queue", "two")
    with EmbeddedBroker(data_dir) as broker, client(broker) as connection:
        assert connection.lrange("queue", 0, -1) == [b"two", b"one"]


def _length(connection: redis.Redis) -> int:
    try:
        return int(connection.llen("queue"))
    except redis.ConnectionError:
        return 0


def test_half_a_command_at_the_end_of_the_file_is_dropped(data_dir: Path) -> None:
    with EmbeddedBroker(data_dir) as broker:
        with client(broker) as connection:
            connection.lpush("queue", "one")
        kill(broker)
    written = next((data_dir / "broker" / "appendonlydir").glob("*.incr.aof"))
    with written.open("ab") as file:
        file.write(b"*3\r\n$5\r\nLPUSH\r\n$5\r\nque")
    with EmbeddedBroker(data_dir) as broker, client(broker) as connection:
        assert connection.lrange("queue", 0, -1) == [b"one"]


def test_second_start_on_the_same_folder_is_refused(data_dir: Path) -> None:
    with EmbeddedBroker(data_dir), pytest.raises(Misconfigured, match="Another memory service is running"):
        EmbeddedBroker(data_dir).start()


def test_folder_too_deep_for_a_socket(tmp_path: Path) -> None:
    data_dir = tmp_path / ("deep" * 20) / ("deeper" * 20) / "var"
    with EmbeddedBroker(data_dir) as broker:
        folder = outside_socket_folder(data_dir, "broker")
        assert broker.socket.parent == folder
        with client(broker) as connection:
            assert connection.ping()
    assert not folder.exists()
