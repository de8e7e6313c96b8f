"""Wait for a job of the service, with a progress bar."""

import time
from typing import Any

from memory_service.cli.client import ServiceClient
from memory_service.cli.console import progress_bar
from memory_service.cli.failures import CommandFailure
from memory_service.cli.paths import item_path

LOOK_EVERY_S = 0.3
PATIENCE_S = 60.0


def finished_job(
    client: ServiceClient, job_id: str, *, doing: str, patience_s: float | None = PATIENCE_S
) -> dict[str, Any]:
    """Return a job once it has succeeded.

    Raises:
        CommandFailure: it failed, was cancelled, or took longer than ``patience_s`` without any progress.
    """
    path = item_path("jobs", job_id)
    done, deadline = -1, time.monotonic()
    with progress_bar() as bar:
        task = bar.add_task(doing, total=None)
        while True:
            job: dict[str, Any] = client.get(path)
            if job["status"] == "succeeded":
                return job
            if job["status"] in ("failed", "cancelled"):
                raise CommandFailure(
                    f"{doing}: the job {job_id} {job['status']}: {job['error'] or 'no reason was kept'}"
                )
            if job["progress"]["done"] != done:
                done, deadline = job["progress"]["done"], time.monotonic() + (patience_s or float("inf"))
                bar.update(task, completed=done, total=job["progress"]["total"] or None)
            elif time.monotonic() > deadline:
                raise CommandFailure(
                    f"{doing}: nothing has happened for {patience_s:.0f} s; the job {job_id} goes on without this command",
                    hint="Is the worker running? `memory-service doctor` looks.",
                )
            time.sleep(LOOK_EVERY_S)
