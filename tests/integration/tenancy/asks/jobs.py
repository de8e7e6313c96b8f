"""Jobs of workers."""

from tests.integration.tenancy.asks.ask import Ask, Asks, lists
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    return {
        "GET /v1/jobs/{job_id}": [Ask("absent", f"/v1/jobs/{i}") for i in (h.queued_job_id, h.done_job_id)],
        "GET /v1/jobs/{job_id}/dead-letters": [
            Ask("absent", f"/v1/jobs/{i}/dead-letters") for i in (h.queued_job_id, h.done_job_id)
        ],
        "GET /v1/jobs/{job_id}/events": [Ask("absent", f"/v1/jobs/{h.done_job_id}/events")],
        "POST /v1/jobs/{job_id}/cancel": [Ask("absent", f"/v1/jobs/{h.queued_job_id}/cancel")],
        "POST /v1/jobs/{job_id}/retry": [Ask("absent", f"/v1/jobs/{h.queued_job_id}/retry")],
        **lists(h, "jobs"),
    }
