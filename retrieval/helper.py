"""A thread that works beside the one that encodes: the encoder computes outside of the interpreter, which is free meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

from memory_service.computing import told_when_computing
from memory_service.cores import Elsewhere

T = TypeVar("T")
U = TypeVar("U")


class Helper:
    """One thread, for whoever finds it free; nobody waits for it. A process that forks leaves it behind: only the API has one."""

    def __init__(self) -> None:
        """Start the thread: where the system gives no more threads later, there is this one."""
        self._free = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="helper")
        self._apart = Elsewhere(self._pool.submit(threading.get_native_id).result())

    def both(self, here: Callable[[], T], beside: Callable[[], U]) -> tuple[T, U]:
        """Run `here` in this thread, and `beside` in the helper from when `here` computes outside of the interpreter.

        Any sooner, and each would wait for the other in the interpreter. Where `here` never says that it computes, or the
        helper has work already, `beside` runs behind it. Both have ended when this returns or raises, so that what they share
        may be closed. Where both raise, the error of `here` is the one that is raised.

        >>> from memory_service.computing import about_to_compute
        >>> helper = Helper()
        >>> def encoded() -> str:
        ...     about_to_compute()
        ...     return "encoded"
        >>> helper.both(encoded, lambda: threading.current_thread().name)
        ('encoded', 'helper_0')
        >>> helper.both(lambda: "said nothing", lambda: threading.current_thread().name)
        ('said nothing', 'MainThread')
        >>> helper.both(lambda: (about_to_compute(), helper.both(encoded, lambda: 2)), lambda: 3)
        ((None, ('encoded', 2)), 3)
        >>> helper.close()
        """
        if not self._free.acquire(blocking=False):
            return here(), beside()
        doing: Future[U] | None = None
        context = copy_context()

        def start() -> None:
            nonlocal doing
            if doing is None:
                self._apart.move()
                with suppress(RuntimeError):  # closed
                    doing = self._pool.submit(context.run, beside)

        try:
            with told_when_computing(start):
                try:
                    done = here()
                finally:
                    if doing is not None:
                        if not doing.done():
                            self._apart.let_go()
                        doing.exception()  # waits
            return done, beside() if doing is None else doing.result()
        finally:
            doing = None  # An error holds this frame, and the frame would hold the error.
            self._free.release()

    def close(self) -> None:
        """End the thread, behind what it does."""
        self._pool.shutdown()
