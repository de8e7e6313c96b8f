"""Bodies and answers of the policy calls; what the numbers may be is said once, in `consolidation.retention.policy_form`."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from memory_service.api.fields import Number, Time
from memory_service.api.strict_json import Body
from memory_service.types import DEFAULT_NAMESPACE

A_NUMBER = Annotated[float, Number]
Share = Annotated[A_NUMBER | None, Field(description="R below which it happens; null: never")]


class PromotionIn(Body):
    """What use makes a memory one of the next type."""

    uses: A_NUMBER | None = None
    days: A_NUMBER | None = None


class GainsIn(Body):
    """What a useful recall adds and a lapse takes."""

    recall: A_NUMBER | None = None
    saturation: A_NUMBER | None = None
    forgotten: A_NUMBER | None = None
    lapse_keeps: A_NUMBER | None = None


class RetentionPolicyIn(Body):
    """How memories fade. PUT takes what is not said from the defaults, PATCH from what is in force."""

    curve: str | None = Field(None, description="power or ebbinghaus")
    stability_days: dict[str, A_NUMBER] | None = Field(None, description="by memory_type: days until R is 0.9")
    source_factors: dict[str, A_NUMBER] | None = Field(None, description="by kind of source: how much longer it holds")
    int8_below: Share = None
    binary_below: Share = None
    archive_below: Share = None
    delete_after_days: A_NUMBER | None = Field(None, description="after the policy archived it; null: never deleted")
    protect_importance: A_NUMBER | None = None
    protection: A_NUMBER | None = Field(None, description="how much importance and use slow the fading")
    promotion: dict[str, PromotionIn | None] | None = Field(
        None, description="for working and episodic; null: not by use"
    )
    gains: GainsIn | None = None
    rank_weight: A_NUMBER | None = Field(
        None, description="standard deviations a wholly faded memory loses in a ranking"
    )

    def said(self) -> dict[str, Any]:
        """Return what the caller said, nothing else."""
        return self.model_dump(mode="json", exclude_unset=True)


class PolicyOut(BaseModel):
    """A policy of a namespace; id and known_from are null where the defaults are in force."""

    kind: str
    namespace: str
    id: UUID | None
    policy: dict[str, Any]
    known_from: datetime | None
    known_to: datetime | None


class PoliciesOut(BaseModel):
    """A page of policies, the newest first."""

    data: list[PolicyOut]
    next_cursor: str | None
    has_more: bool


class SimulationIn(Body):
    """A policy to try on what has happened."""

    namespace: str = DEFAULT_NAMESPACE
    policy: RetentionPolicyIn = RetentionPolicyIn()
    from_: Annotated[Time | None, Field(alias="from", description="from when it is in force; from the beginning")] = (
        None
    )
