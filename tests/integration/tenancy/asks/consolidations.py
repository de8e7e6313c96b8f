"""Runs of consolidation: changesets and what they ask of a person."""

from tests.integration.tenancy.asks.ask import Ask, Asks, lists
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    return {
        "GET /v1/changesets/{changeset_id}": [Ask("absent", f"/v1/changesets/{h.changeset_id}")],
        "GET /v1/changesets/{changeset_id}/changes": [Ask("absent", f"/v1/changesets/{h.changeset_id}/changes")],
        "POST /v1/changesets/{changeset_id}/revert": [Ask("absent", f"/v1/changesets/{h.changeset_id}/revert", {})],
        "GET /v1/reviews/{review_id}": [Ask("absent", f"/v1/reviews/{h.review_id}")],
        **{
            f"POST /v1/reviews/{{review_id}}/{verb}": [Ask("absent", f"/v1/reviews/{h.review_id}/{verb}")]
            for verb in ("approve", "decline", "undo")
        },
        "POST /v1/consolidations": [Ask("absent", "/v1/consolidations", {"namespace": h.namespace})],
        **lists(h, "changesets", "reviews"),
    }
