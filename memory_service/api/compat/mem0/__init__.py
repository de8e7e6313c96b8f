"""The calls of mem0: the platform paths of mem0ai's `MemoryClient`, and those of its open-source server."""

from typing import Final

from fastapi import APIRouter

from memory_service.api.compat.mem0 import entities, not_offered, platform, server

# What is refused comes first: its paths are longer than those with a name of any length at the end.
ROUTERS: Final[tuple[APIRouter, ...]] = (not_offered.router, platform.router, entities.router, server.router)
