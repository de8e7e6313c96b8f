"""The parts of the proxy that live as long as the process."""

from pathlib import Path
from uuid import UUID

from memory_service.api.chat_proxy.layouts import Layouts
from memory_service.api.chat_proxy.remembering import Remembering
from memory_service.api.chat_proxy.upstream import Upstream, address_of
from memory_service.chat_model.cache_salt import cache_salt
from memory_service.chat_model.salt_secret import salt_secret
from memory_service.settings import Settings


class ChatProxy:
    """Where chats go, and what is still to be remembered of them; hangs on ``app.state.chat_proxy``."""

    def __init__(self, settings: Settings, *, layouts: Path | None = None) -> None:
        """Connect to nothing yet; `layouts` is the file in which all processes keep theirs, None for those of this one."""
        self.upstream = Upstream(address_of(settings))
        self.remembering = Remembering()
        self.layouts = Layouts(layouts)
        # The salt separates tenants in the engine's own memory; without it nothing is planned.
        self.plans = settings.upstream_kv and settings.upstream_kind == "vllm"
        self._secret = salt_secret(settings) if settings.upstream_kind == "vllm" else None

    def salt_of(self, tenant_id: UUID) -> str | None:
        """Return the salt under which the engine keeps a tenant's prefixes, None for a server that knows no salts."""
        return cache_salt(self._secret, tenant_id) if self._secret is not None else None

    async def close(self) -> None:
        """Finish remembering, then close connections."""
        await self.remembering.close()
        await self.upstream.close()
        self.layouts.close()
