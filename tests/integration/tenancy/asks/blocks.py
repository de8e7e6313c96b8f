"""Blocks by their labels."""

from typing import Any

from tests.integration.tenancy.asks.ask import Ask, Asks
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    space = h.space
    block = f"/v1/blocks/{h.label}"
    theirs = f"?namespace={space}&user_id={h.user_id}&agent_id={h.agent_id}"
    at_home = f"?user_id={h.user_id}&agent_id={h.agent_id}"

    def everywhere(suffix: str = "", more: str = "", body: Any = None) -> list[Ask]:
        return [Ask("absent", f"{block}{suffix}{where}{more}", body) for where in (theirs, at_home, "?")]

    return {
        "GET /v1/blocks": [
            Ask("absent", f"/v1/blocks?namespace={space}"),
            *(Ask("nothing", f"/v1/blocks?{said}") for said in (f"label={h.label}", at_home[1:])),
        ],
        "GET /v1/blocks/{label}": everywhere() + everywhere(more="&as_of=2999-01-01T00:00:00Z"),
        "PUT /v1/blocks/{label}": [Ask("own", f"{block}{theirs}", {"value": asker.secret})],
        "PATCH /v1/blocks/{label}": everywhere(body={"append": "defaced"}),
        "DELETE /v1/blocks/{label}": everywhere() + everywhere(more="&erase=true"),
        "GET /v1/blocks/{label}/versions": everywhere("/versions"),
    }
