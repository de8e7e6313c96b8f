"""Look names up in threads that everybody shares, a few names of one tenant at a time.

Nothing ends a look-up whose server is silent, not even that nobody waits for it any more. So a look-up is counted until its thread
has returned, and a tenant whose names all hang holds up its own messages only.
"""

import asyncio
import ipaddress
import socket
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from typing import Final

from memory_service.webhooks.addresses import Address

THREADS: Final = 64
OF_ONE: Final = 3  # look-ups of one tenant that run at a time


class NoTurn(Exception):
    """Nobody was asked: others of the same tenant are still being looked up, or every thread is taken."""


def addresses_of(host: str, port: int) -> list[Address]:
    """Return the addresses of a host; waits for as long as the system's resolver does.

    Raises:
        socket.gaierror: there is no such host.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        # What is no name by its form leads nowhere; it says so before anybody is asked.
        raise socket.gaierror(socket.EAI_NONAME, "no name") from error
    return list(dict.fromkeys(ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found))


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    host: str
    port: int
    answer: Future[list[Address]] = field(default_factory=Future)


class Names:
    """Threads that look names up, and who waits for one."""

    def __init__(
        self,
        *,
        threads: int = THREADS,
        of_one: int = OF_ONE,
        ask: Callable[[str, int], list[Address]] = addresses_of,
    ) -> None:
        """Prepare; threads begin when they are needed."""
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="webhook-names")
        self._of_one, self._ask = of_one, ask
        self._lock = Lock()
        self._running: Counter[Hashable] = Counter()
        self._waiting: defaultdict[Hashable, deque[_Question]] = defaultdict(deque)

    async def look_up(self, host: str, port: int, *, whose: Hashable, patience_s: float) -> list[Address]:
        """Return the addresses of a host.

        Args:
            host: a name.
            port: what the addresses are for.
            whose: those with the same share a few look-ups at a time.
            patience_s: how long to wait for a turn. Once somebody was asked, the caller says when to stop waiting.

        Raises:
            NoTurn: there was none in time.
            socket.gaierror: there is no such host.
        """
        question = _Question(host, port)
        self._put(question, whose)
        answer = asyncio.wrap_future(question.answer)
        try:
            await asyncio.wait([answer], timeout=patience_s)
            if question.answer.cancel():  # only what has not begun can be
                raise NoTurn
            return await answer
        finally:
            question.answer.cancel()
            answer.cancel()

    def _put(self, question: _Question, whose: Hashable) -> None:
        with self._lock:
            if self._running[whose] >= self._of_one:
                self._waiting[whose].append(question)
                return
            self._running[whose] += 1
        self._threads.submit(self._reply, question, whose)

    def _reply(self, question: _Question, whose: Hashable) -> None:
        if question.answer.set_running_or_notify_cancel():
            try:
                question.answer.set_result(self._ask(question.host, question.port))
            except BaseException as error:
                question.answer.set_exception(error)
        self._go_on(whose)

    def _go_on(self, whose: Hashable) -> None:
        """Begin the next look-up of somebody, behind those of others."""
        with self._lock:
            waiting = self._waiting.get(whose)
            while waiting and waiting[0].answer.cancelled():
                waiting.popleft()
            if not waiting:
                self._waiting.pop(whose, None)
                self._running[whose] -= 1
                if not self._running[whose]:
                    del self._running[whose]
                return
            question = waiting.popleft()
        self._threads.submit(self._reply, question, whose)


@lru_cache(maxsize=1)
def names() -> Names:
    """Return the threads of this process."""
    return Names()
