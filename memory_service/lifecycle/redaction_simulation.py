"""Try a redaction policy on what is stored: what it finds where, and nothing of what it finds."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.lifecycle.redacting import redacted_fields
from memory_service.redaction.policy import Do, RedactionPolicy
from memory_service.redaction.redactor import Counts, Redactor
from memory_service.storage import redactable
from memory_service.storage.sql import Row

MOST_SIMULATED: Final = 20_000  # memories; of a larger namespace the newest are tried, and the answer says so
SIMULATED_S: Final = 10.0  # after which the answer tells what was found until then
AT_ONCE: Final = 100
SHOWN: Final = 1_000  # ids in one answer

_KEY: Final = b"nothing is stored under it"  # pseudonyms of a trial are thrown away


@dataclass(slots=True)
class Outcome:
    """What a policy found."""

    memories: int = 0  # looked at
    complete: bool = True
    changed: list[UUID] = field(
        default_factory=list
    )  # memories that it would have changed, as they are or as they were
    in_history: int = 0  # of these, only an earlier version
    refused: int = 0  # of these, it would not have let in at all
    values: Counter[str] = field(default_factory=Counter)  # found in present states, by rule
    holders: Counter[str] = field(default_factory=Counter)  # memories, by rule


def simulate(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID | None,
    policy: RedactionPolicy,
    *,
    limit: int,
    within_s: float = SIMULATED_S,
    clock: Callable[[], float] = monotonic,
) -> Outcome:
    """Look for what a policy finds in the memories of a namespace and their earlier versions; changes nothing.

    The newest memories come first; what lies beyond the limit or the time is left out, and the outcome is not complete then.
    """
    outcome, until = Outcome(), clock() + within_s
    if namespace_id is None or not policy.rules:
        return outcome
    redactor = Redactor(policy, _KEY).masking
    refusing = {rule.name for rule in policy.rules if rule.do is Do.REFUSE}
    before: UUID | None = None
    while outcome.memories < limit:
        page = redactable.present(session, tenant_id, namespace_id, before=before, limit=AT_ONCE)
        if not page:
            return outcome
        past = redactable.versions(session, tenant_id, [row["id"] for row in page])
        for row in page:
            if clock() >= until:
                outcome.complete = False
                return outcome
            _look_at(outcome, redactor, refusing, row, past.get(row["id"], ()))
        before = page[-1]["id"]
    outcome.complete = not redactable.present(session, tenant_id, namespace_id, before=before, limit=1)
    return outcome


def _look_at(
    outcome: Outcome,
    redactor: Redactor,
    refusing: set[str],
    row: Row,
    past: Sequence[Row],
) -> None:
    outcome.memories += 1
    now, then = Counts(), Counts()
    redacted_fields(row, redactor, now)
    for version in past:
        redacted_fields(version, redactor, then)
    if not now and not then:
        return
    outcome.changed.append(row["id"])
    outcome.in_history += not now
    outcome.values += now
    outcome.holders.update({*now, *then})
    outcome.refused += bool(refusing & {*now, *then})


def simulation_json(outcome: Outcome, policy: RedactionPolicy, *, namespace: str) -> dict[str, Any]:
    """Return what a policy found, as an answer tells it."""
    return {
        "namespace": namespace,
        "summary": f"This policy would have changed {len(outcome.changed):,} of {outcome.memories:,} memories.",
        "memories": outcome.memories,
        "complete": outcome.complete,
        "changed": len(outcome.changed),
        "in_history": outcome.in_history,
        "refused": outcome.refused,
        "by_rule": {
            rule.name: {
                "do": rule.do.value,
                "values": outcome.values[rule.name],
                "memories": outcome.holders[rule.name],
            }
            for rule in policy.rules
        },
        "policy": policy.to_json(),
        "memory_ids": [str(one) for one in outcome.changed[:SHOWN]],
    }
