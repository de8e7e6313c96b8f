"""How ``forget --erase`` erases: all are asked for, then each is waited for."""

from collections.abc import Mapping

from memory_service.cli import following
from memory_service.cli.client import ServiceClient
from memory_service.cli.console import note
from memory_service.cli.failures import RequestRefused

ERASED = "erased"


def erase_all(client: ServiceClient, paths: Mapping[str, str]) -> None:
    """Erase memories, and say of each that it is gone, also when a later one is refused.

    Raises:
        RequestRefused: the service refused one; those before it are erased, those after it were not asked for.
        CommandFailure: a job failed, or did not end.
    """
    jobs: dict[str, str | None] = {}
    refused: RequestRefused | None = None
    for memory_id, path in paths.items():
        try:  # It is archived by this, and erased by the job.
            jobs[memory_id] = client.delete(f"{path}?erase=true")["job_id"]
        except RequestRefused as failure:
            if failure.code != ERASED:
                refused = failure
                break
            jobs[memory_id] = None  # By somebody else, or by this call, whose answer was lost.
    for memory_id, job_id in jobs.items():
        if job_id is not None:
            following.finished_job(client, job_id, doing="erasing")
        note(f"erased {memory_id}" if job_id is not None else f"{memory_id} is erased already")
    if refused is not None:
        raise refused
