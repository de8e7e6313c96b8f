"""One attempt, spoken to a real receiver: whom it trusts, and that whatever goes wrong is an outcome."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from memory_service.webhooks import sending
from memory_service.webhooks.addresses import Reach, read_networks
from memory_service.webhooks.message import Message
from memory_service.webhooks.sending import Courier, Outcome

REACH = Reach(read_networks("127.0.0.0/8"))
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
MESSAGE = Message(UUID(int=1), UUID(int=2), "memory.created", "default", UUID(int=3), 1, {}, NOW, attempts=1)


async def send(url: str, message: Message = MESSAGE, *, timeout_s: float = 30.0, tenant: Any = None) -> Outcome:
    courier = Courier(url, [b"k" * 24], reach=REACH, timeout_s=timeout_s, tenant=tenant)
    try:
        return await courier.send(message, timestamp=0)
    finally:
        await courier.close()


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[tuple[int, list[str], Path]]:
    """A receiver that speaks TLS with a certificate of its own making: its port, what came, the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stranger")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, secret = tmp_path / "certificate.pem", tmp_path / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            came.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Say nothing of a sender that hangs up."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.server_address[1], came, pem
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("scheme", ["https", "HTTPS", "hTTps"])
def test_a_certificate_that_nobody_vouches_for_is_refused_however_https_is_written(
    stranger: tuple[int, list[str], Path], scheme: str
) -> None:
    port, came, _ = stranger
    assert asyncio.run(send(f"{scheme}://127.0.0.1:{port}/")).error == "tls"
    assert came == []


def test_one_that_is_vouched_for_is_spoken_to(
    stranger: tuple[int, list[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test before sees refused is the certificate, not the receiver."""
    port, came, pem = stranger
    trusting = ssl.create_default_context(cafile=str(pem))
    monkeypatch.setattr(sending, "_tls", lambda: trusting)
    assert asyncio.run(send(f"HTTPS://127.0.0.1:{port}/")).delivered
    assert came == ["/"]


def test_http_is_spoken_however_it_is_written(receiver: Any) -> None:
    assert asyncio.run(send(receiver.url.replace("http", "HTTP"))).delivered


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example"])
def test_a_url_that_an_older_service_took_is_an_outcome(host: str) -> None:
    assert asyncio.run(send(f"http://{host}/")).error == "address_refused"


def test_a_name_that_python_takes_offence_at_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def offended(*_: Any, **__: Any) -> Any:
        raise UnicodeError("label empty or too long")

    monkeypatch.setattr(socket, "getaddrinfo", offended)
    assert asyncio.run(send("http://odd.example/")).error == "name_not_found"


def test_what_nobody_foresaw_is_an_outcome_too(receiver: Any) -> None:
    """Half of a surrogate pair cannot be written as UTF-8; no message must hold up the others."""
    broken = Message(UUID(int=1), UUID(int=2), "memory.created", "\ud800", UUID(int=3), 1, {}, NOW, attempts=1)
    outcome = asyncio.run(send(receiver.url, broken))
    assert (outcome.error, outcome.status, outcome.tried) == ("connection", None, True)
    assert receiver.received == []


def test_names_of_one_tenant_that_hang_hold_up_no_other(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of names that never answers: the tenant's own messages wait, those of others are sent."""
    awake, asked = threading.Event(), []

    def answers(host: Any, port: Any, *_: Any, **__: Any) -> Any:
        asked.append(host)
        if host.startswith("silent"):
            awake.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    port = receiver.url.split(":")[2].split("/")[0]

    async def all_of_them() -> tuple[list[Outcome], Outcome]:
        hanging = [
            asyncio.create_task(send(f"http://silent{n}.example:{port}/", tenant="one", timeout_s=4.0))
            for n in range(80)
        ]
        await asyncio.sleep(0.1)
        other = await send(f"http://b.example:{port}/", tenant="two")
        return await asyncio.gather(*hanging), other

    try:
        outcomes, other = asyncio.run(all_of_them())
    finally:
        awake.set()
    assert other.delivered
    assert {one.error for one in outcomes} == {"name_timeout"}
    assert max(one.duration_ms for one in outcomes) < 10_000, "not as long as the server of names is silent"
    assert sum(one.tried for one in outcomes) == len(asked) - 1 == 3, "what had no turn was not tried"


def test_without_a_tenant_a_url_has_its_own_turns(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    awake = threading.Event()

    def answers(host: Any, port: Any, *_: Any, **__: Any) -> Any:
        if host == "silent.example":
            awake.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    port = receiver.url.split(":")[2].split("/")[0]

    async def both() -> Outcome:
        hanging = [asyncio.create_task(send("http://silent.example/", timeout_s=2.0)) for _ in range(80)]
        await asyncio.sleep(0.1)
        other = await send(f"http://b.example:{port}/", timeout_s=20.0)
        await asyncio.gather(*hanging)
        return other

    try:
        assert asyncio.run(both()).delivered
    finally:
        awake.set()
