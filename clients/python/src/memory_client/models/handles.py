"""Answers that can be waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, PrivateAttr

from memory_client.calls import Bound, E, Procedure
from memory_client.models.base import Answer
from memory_client.models.memories import ItemOutcome, Memory
from memory_client.waiting import consolidated, job_ended

if TYPE_CHECKING:
    from memory_client.flow import Flow
    from memory_client.models.jobs import Job


class _Handle(Answer, Bound[E]):
    model_config = ConfigDict(ignored_types=(Procedure,))

    _executor: E = PrivateAttr()

    def __getstate__(self) -> dict[Any, Any]:
        # Connections and the key stay in this process; what goes to another one is what the service answered.
        return {**super().__getstate__(), "__pydantic_private__": {}}


class Added(_Handle[E], Memory):
    """A memory just stored."""

    @Procedure
    def wait(self, *, timeout: float | None = 60.0) -> Flow[Memory]:
        """Wait until the background has read it, and return it as it is then.

        Raises:
            TimedOut: it takes longer than ``timeout`` seconds; the memory is stored all the same.
        """
        (memory,) = yield from consolidated(self._executor, [self.id], timeout=timeout)
        return memory


class AddedMessages(_Handle[E]):
    """Turns just stored, in order, the job that reads them, and turns that were rejected, such as erased ones."""

    job_id: str
    memories: list[str]
    rejected: list[ItemOutcome] = []

    @Procedure
    def wait(self, *, timeout: float | None = 60.0) -> Flow[list[Memory]]:
        """Wait until the background has read them, and return them as they are then.

        Raises:
            TimedOut: it takes longer than ``timeout`` seconds; the turns are stored all the same.
        """
        gone = {one.index for one in self.rejected}
        stored = [memory for index, memory in enumerate(self.memories) if index not in gone]
        return (yield from consolidated(self._executor, stored, timeout=timeout))


class AddedMany(_Handle[E]):
    """What became of each item of a batch, in order."""

    results: list[ItemOutcome]

    @property
    def memories(self) -> list[str]:
        """The ids of what is stored, in order; rejected items have none."""
        return [one.id for one in self.results if one.id is not None]

    @property
    def rejected(self) -> list[ItemOutcome]:
        """What was refused, each with its problem."""
        return [one for one in self.results if one.status == "rejected"]

    @Procedure
    def wait(self, *, timeout: float | None = 60.0) -> Flow[list[Memory]]:
        """Wait until the background has read them, and return them as they are then.

        Raises:
            TimedOut: it takes longer than ``timeout`` seconds; the memories are stored all the same.
        """
        return (yield from consolidated(self._executor, self.memories, timeout=timeout))


class Started(_Handle[E]):
    """A job just started."""

    job_id: str

    @Procedure
    def wait(self, *, timeout: float | None = 60.0) -> Flow[Job]:
        """Wait until the job has ended, and return it.

        Raises:
            JobFailed: it failed, or was cancelled.
            TimedOut: it takes longer than ``timeout`` seconds; it goes on all the same.
        """
        return (yield from job_ended(self._executor, self.job_id, timeout=timeout))


class DocumentStarted(Started[E]):
    """A document just taken over, and the job that reads it; nothing is to do for one that is unchanged."""

    document_id: str
    unchanged: bool


class ErasureStarted(Started[E]):
    """An erasure just begun, and its job; ``erasures.get(erasure_id)`` is its receipt. Archiving has no receipt."""

    erasure_id: str | None = None


class ImportStarted(Started[E]):
    """A bundle just taken over, and the job that reads it."""

    records: int


class ReindexStarted(Started[E]):
    """A change of encoder just begun, of how many namespaces, and the job that fills them."""

    namespaces: int
