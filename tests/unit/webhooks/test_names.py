"""Who gets a turn when names take long to be looked up."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Iterator

import pytest

from memory_service.webhooks.addresses import Address
from memory_service.webhooks.names import Names, NoTurn, addresses_of

HERE = [ipaddress.ip_address("192.0.2.1")]
PATIENT_S = 30.0


class Server:
    """Answers all names but those that begin with `silent`, for as long as it is asleep."""

    def __init__(self) -> None:
        self.awake = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        if host.startswith("silent"):
            self.awake.wait(60)
        if host.startswith("nowhere"):
            raise socket.gaierror(socket.EAI_NONAME, "none")
        return list(HERE)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.awake.set()


def test_a_tenant_whose_names_hang_holds_up_nobody_else(server: Server) -> None:
    names = Names(threads=4, of_one=3, ask=server)

    async def ask() -> None:
        hanging = [
            asyncio.create_task(names.look_up(f"silent{n}", 443, whose="one", patience_s=PATIENT_S)) for n in range(20)
        ]
        await asyncio.sleep(0)
        assert await names.look_up("a.example", 443, whose="two", patience_s=PATIENT_S) == HERE
        assert len(server.asked) <= 4
        with pytest.raises(NoTurn):
            await names.look_up("b.example", 443, whose="one", patience_s=0.05)
        server.awake.set()
        assert await asyncio.gather(*hanging) == [HERE] * 20

    asyncio.run(ask())
    assert sorted(server.asked) == sorted(["a.example", *(f"silent{n}" for n in range(20))]), (
        "what had no turn is not asked"
    )


def test_a_thread_that_nobody_waits_for_any_more_still_counts(server: Server) -> None:
    names = Names(threads=8, of_one=2, ask=server)

    async def give_up(host: str, patience_s: float) -> None:
        async with asyncio.timeout(0.3):
            await names.look_up(host, 443, whose="one", patience_s=patience_s)

    async def ask() -> None:
        for n in range(2):
            with pytest.raises(TimeoutError):
                await give_up(f"silent{n}", 0.2)
        with pytest.raises(NoTurn):
            await give_up("a.example", 0.1)
        with pytest.raises(TimeoutError):  # stopped from outside while it waits
            await give_up("b.example", PATIENT_S)

    asyncio.run(ask())
    server.awake.set()
    # The loop that asked has ended, as it does when a worker stops; another finds the turns free again.
    found = asyncio.run(names.look_up("c.example", 443, whose="one", patience_s=PATIENT_S))
    assert (found, server.asked) == (HERE, ["silent0", "silent1", "c.example"])
    names._threads.shutdown()  # An answer is there before its thread has gone on to the next.
    assert not names._waiting


def test_names_that_lead_nowhere_leave_their_turn(server: Server) -> None:
    names = Names(threads=2, of_one=1, ask=server)

    async def ask() -> None:
        for _ in range(3):
            with pytest.raises(socket.gaierror):
                await names.look_up("nowhere", 443, whose="one", patience_s=PATIENT_S)
        assert await names.look_up("a.example", 443, whose="one", patience_s=PATIENT_S) == HERE

    asyncio.run(ask())


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_what_is_no_name_by_its_form_leads_nowhere(host: str) -> None:
    with pytest.raises(socket.gaierror):
        addresses_of(host, 443)
