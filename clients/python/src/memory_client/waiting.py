"""Follow background work to its end."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from memory_client import models
from memory_client.errors import ConnectionFailed, JobFailed, TimedOut, UnexpectedAnswer
from memory_client.events import EventReader
from memory_client.flow import Emission, Flow, emit, read, sleep
from memory_client.operation import Ask, Operation, Route, operation_of
from memory_client.timeouts import Timeout, shorter

if TYPE_CHECKING:
    from memory_client.exchange import Conduct
    from memory_client.executor import Executor
    from memory_client.models import Job, Memory, StillPending

# The service holds a waiting call this long at most; less leaves room for the way.
LONGEST_WAIT_S = 25.0
# Between two looks at a job, growing: most are done at once, and few take minutes.
FIRST_LOOK_S, LAST_LOOK_S = 0.05, 2.0

# The service ends a stream after a minute; one that is silent for longer is dead.
LONGEST_SILENCE_S = 75.0
# The end of a stream follows its last event at once; a connection that takes longer is not worth keeping.
LONGEST_REST_S = 1.0
# A look at a job may take so long also where less is left: whoever waits for no time at all wants to be told how it is.
SHORTEST_LOOK_S = 1.0

GET_MEMORY = Route("GET", "/v1/memories/{memory_id}")
GET_JOB = Route("GET", "/v1/jobs/{job_id}")
FOLLOW_JOB = Route("GET", "/v1/jobs/{job_id}/events")


def consolidated(executor: Executor, ids: Iterable[str], *, timeout: float | None) -> Flow[list[Memory]]:
    """Wait until the background has read these memories, and return them as they are then.

    Raises:
        TimedOut: it has not within ``timeout`` seconds.
    """
    deadline = None if timeout is None else executor.conduct.clock() + timeout
    memories = []
    for memory_id in ids:
        while True:
            remaining = _remaining(executor, deadline)
            patience = shorter(LONGEST_WAIT_S, remaining) or LONGEST_WAIT_S
            ask: Ask[Memory | StillPending] = Ask(
                models.Memory,
                memory_id,
                query={"wait": "consolidated", "timeout_s": round(patience, 3)},
                accepted=models.StillPending,
            )
            answer = yield from executor.exchange(operation_of(GET_MEMORY, ask, {}))
            if isinstance(answer, models.Memory):
                memories.append(answer)
                break
            if deadline is not None and executor.conduct.clock() >= deadline:
                raise TimedOut(
                    f"Memory {memory_id} is stored but was not consolidated within {timeout:g} s.", sent=True
                )
    return memories


def job_ended(executor: Executor, job_id: Any, *, timeout: float | None) -> Flow[Job]:
    """Wait until a job has ended, and return it.

    Raises:
        JobFailed: it failed, or was cancelled.
        TimedOut: it has not ended within ``timeout`` seconds.
    """
    deadline = None if timeout is None else executor.conduct.clock() + timeout
    pause, usual = FIRST_LOOK_S, executor.conduct.timeout
    while True:
        left = None if deadline is None else max(deadline - executor.conduct.clock(), SHORTEST_LOOK_S)
        look = {"timeout": Timeout(usual.connect, usual.read, shorter(usual.total, left))}
        job = yield from executor.exchange(operation_of(GET_JOB, Ask(models.Job, job_id), look))
        if job.ended:
            break
        remaining = None if deadline is None else deadline - executor.conduct.clock()
        if remaining is not None and remaining <= 0:
            raise TimedOut(f"The {job.kind} job {job.id} is {job.status} after {timeout:g} s; it goes on.", sent=True)
        yield from sleep(shorter(pause, remaining) or 0.0)
        pause = min(pause * 1.5, LAST_LOOK_S)
    if job.status != "succeeded":
        raise JobFailed(job)
    return job


def _remaining(executor: Executor, deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - executor.conduct.clock(), 0.001)


def follow_job(executor: Executor, job_id: Any, *, timeout: float | None) -> Emission[Job]:
    """Emit a job at every change until it has ended.

    The service ends a stream after a minute, and networks do sooner: the flow then connects again, and emits only what it has
    not emitted yet. A stream that breaks before it said anything counts as a failed attempt. ``timeout`` bounds all of it: a
    stream that is silent, one that says nothing new, and the pauses between.

    Raises:
        ServiceError: there is no such job, or not any more; or the service asks to be left alone for longer than is left.
        ConnectionFailed: no connection holds.
        TimedOut: the job has not ended within ``timeout`` seconds.
    """
    conduct = executor.conduct
    deadline = None if timeout is None else conduct.clock() + timeout
    emitted: Job | None = None
    failed = 0

    def left() -> float | None:
        remaining = None if deadline is None else deadline - conduct.clock()
        if remaining is not None and remaining <= 0:
            raise TimedOut(f"Job {job_id} had not ended after {timeout:g} s; it goes on.", sent=True)
        return remaining

    while True:
        reader, heard, pause = EventReader(), False, FIRST_LOOK_S
        remaining = left()
        try:
            yield from executor.opening(_follow(job_id, conduct.timeout, remaining))
            while chunk := (yield from read(left())):
                for event in reader.feed(chunk):
                    job, heard = _job_of(event.data), True
                    if job != emitted:
                        emitted = job
                        yield from emit(job)
                    if job.ended:
                        yield from _rest(conduct, deadline)
                        return
        except ConnectionFailed as error:
            left()  # Whatever broke when the time was up, that it is up is what there is to say.
            failed = 0 if heard else failed + 1
            if failed >= conduct.retries.attempts:
                raise
            pause = conduct.retries.pause(max(failed, 1), error, random=conduct.random)
        yield from sleep(shorter(pause, left()) or 0.0)


def _rest(conduct: Conduct, deadline: float | None) -> Flow[None]:
    """Read what little is left of a stream, so that its connection can serve the next call."""
    until = conduct.clock() + LONGEST_REST_S
    until = until if deadline is None else min(until, deadline)
    with suppress(ConnectionFailed):  # All that matters was heard.
        while (remaining := until - conduct.clock()) > 0 and (yield from read(remaining)):
            pass


def _follow(job_id: Any, usual: Timeout, remaining: float | None) -> Operation[None]:
    timeout = Timeout(usual.connect, shorter(LONGEST_SILENCE_S, remaining), remaining)
    ask: Ask[None] = Ask(type(None), job_id)
    return operation_of(FOLLOW_JOB, ask, {"timeout": timeout})


def _job_of(data: str) -> Job:
    try:
        return models.Job.model_validate_json(data)
    except ValueError as error:
        raise UnexpectedAnswer("The stream of a job holds what is no job.", status=200) from error
