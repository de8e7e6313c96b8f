"""What plans are made with: the models whose texts this process can cut, and the secret behind salts and grants."""

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from memory_service.activation.grant import Grant, sign
from memory_service.activation.planning.prompt import PromptPlan
from memory_service.chat_model.cache_salt import cache_salt
from memory_service.chat_model.salt_secret import salt_secret
from memory_service.model_text.models import Models
from memory_service.settings import Settings
from memory_service.storage.kv_plans import KvPlan
from memory_service.types import Caller

GRANT_TTL: Final = timedelta(minutes=15)
"""How long an engine may load and save for a plan: a prompt may wait for its turn, and its blocks are saved when it is done."""
PARAMETERS: Final = "memory_service"


class KvPlanner:
    """The parts that plans share; hangs on `services.planner`."""

    def __init__(self, settings: Settings) -> None:
        """Read nothing yet."""
        self._settings = settings
        self.models = Models(settings.model_places)

    @cached_property
    def secret(self) -> bytes:
        """Return the secret behind salts and grants; drawn by whoever asks first."""
        return salt_secret(self._settings)

    def salt_of(self, tenant_id: UUID) -> str:
        """Return the salt under which engines keep a tenant's prefixes."""
        return cache_salt(self.secret, tenant_id)

    def transfer_parameters(
        self, caller: Caller, plan: KvPlan, planned: PromptPlan, *, now: datetime
    ) -> dict[str, Any]:
        """Return what an engine is told with a prompt, so that it loads and saves blocks of its plan and no others."""
        grant = Grant(caller.tenant_id, plan.id, caller.key_id, plan.engine, min(now + GRANT_TTL, plan.expires_at))
        return {
            PARAMETERS: {
                "grant": sign(self.secret, grant),
                "plan_id": str(plan.id),
                "engine": plan.engine,
                "admitted": plan.admitted,
                "block_hashes": list(planned.block_hashes),
            }
        }
