"""Encoders and the change from one to another."""

from tests.integration.tenancy.asks.ask import Ask, Asks, in_namespace
from tests.integration.tenancy.household import Household


def asks(h: Household, asker: Household) -> Asks:
    """Return the requests that name what belongs to `h`."""
    return {
        # Of no tenant; what operators may do with namespaces is attacked in tests/integration/reindex.
        "GET /v1/encoders": [Ask("own", "/v1/encoders")],
        "GET /v1/encoders/{encoder_id}": [Ask("own", "/v1/encoders/1")],
        "GET /v1/encoders/{encoder_id}/reindex": in_namespace(h, "/v1/encoders/1/reindex"),
        "POST /v1/encoders": [Ask("refused", "/v1/encoders", {"name": "no-model"}, 403)],
        "POST /v1/encoders/{encoder_id}/default": [Ask("refused", "/v1/encoders/1/default", {}, 403)],
        **{
            f"POST /v1/encoders/{{encoder_id}}/reindex{step}": [
                Ask("refused", f"/v1/encoders/1/reindex{step}", {"namespace": h.namespace}, 403)
            ]
            for step in ("", "/cut-over", "/roll-back", "/finish")
        },
    }
