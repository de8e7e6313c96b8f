"""What consolidation built over the memories: episodes, topics, communities and profiles."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from consolidation.structure.profiles import RECENT, STATIC, TOLD
from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.profiles import standing_lines
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import NotFound
from memory_service.lifecycle.records import rfc3339
from memory_service.storage.namespaces import find_namespace_id
from memory_service.storage.structure_lists import get_structure, gist_json, list_structures, profiles_of
from memory_service.types import Caller, KeyScope

router = APIRouter(tags=["graph"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Namespace = Annotated[str | None, Query(description="Only this namespace; without it, all.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


class QuoteOut(BaseModel):
    """Where words of a gist stand."""

    memory_id: UUID
    version: int
    span: list[int]


class GistOut(BaseModel):
    """What something is about, in words of its memories."""

    text: str
    keywords: list[str]
    spans: list[QuoteOut]
    derivation: dict[str, Any]


class StructureOut(BaseModel):
    """What episodes, topics and communities have in common."""

    id: UUID
    namespace: str
    size: int
    memory_ids: list[UUID]
    gist: GistOut | None
    derivation: dict[str, Any]
    updated_at: datetime


class EpisodeOut(StructureOut):
    """Memories of one session that follow each other and belong together."""

    user_id: str | None
    agent_id: str | None
    session_id: str
    starts: datetime
    ends: datetime


class TopicOut(StructureOut):
    """A node of the topic tree; depth 0 is the top, and only leaves have memories of their own."""

    parent_id: UUID | None
    depth: int
    leaf: bool


class CommunityOut(StructureOut):
    """Memories that have much in common, and the entities that hold them together."""

    entities: list[str]


class EpisodesOut(BaseModel):
    """A page of episodes, the newest first."""

    data: list[EpisodeOut]
    next_cursor: str | None
    has_more: bool


class TopicsOut(BaseModel):
    """A page of topics, the newest first."""

    data: list[TopicOut]
    next_cursor: str | None
    has_more: bool


class CommunitiesOut(BaseModel):
    """A page of communities, the newest first."""

    data: list[CommunityOut]
    next_cursor: str | None
    has_more: bool


class ProfileOut(BaseModel):
    """What is known of a user: what lasts, and what was lately; every line names its memories."""

    user_id: str
    static: list[dict[str, Any]]
    recent: list[dict[str, Any]]
    updated_at: datetime


def _shared(row: RowMapping) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "namespace": row["namespace"],
        "size": len(row["memory_ids"]),
        "memory_ids": [str(id) for id in row["memory_ids"]],
        "gist": gist_json(row),
        "derivation": {"method": row["method"]},
        "updated_at": rfc3339(row["known_from"]),
    }


def _episode_json(row: RowMapping) -> dict[str, Any]:
    return {
        **_shared(row),
        "user_id": row["user_id"],
        "agent_id": row["agent_id"],
        "session_id": row["session_id"],
        "starts": rfc3339(row["starts"]),
        "ends": rfc3339(row["ends"]),
    }


def _topic_json(row: RowMapping) -> dict[str, Any]:
    return {
        **_shared(row),
        "size": int(row["size"]),
        "parent_id": None if row["parent_id"] is None else str(row["parent_id"]),
        "depth": row["depth"],
        "leaf": row["level"] == 0,
    }


def _community_json(row: RowMapping) -> dict[str, Any]:
    return {**_shared(row), "entities": row["entities"]}


def _part(line: Mapping[str, Any]) -> str:
    """Say in which part of a profile a line belongs; of what a model told it is the kind that says so."""
    return str(line["kind"] if line["section"] == TOLD else line["section"])


def _listed(
    session: Session,
    tenant_id: UUID,
    structure: str,
    render: Callable[[RowMapping], dict[str, Any]],
    *,
    namespace: str | None,
    limit: int,
    cursor: str | None,
    under: UUID | None = None,
    top: bool = False,
) -> Response:
    query = {"list": structure, "namespace": namespace, "under": None if under is None else str(under), "top": top}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
    rows: Sequence[RowMapping] = ()
    if namespace is None or space is not None:
        rows = list_structures(
            session, tenant_id, structure, namespace_id=space, before=before, limit=limit + 1, under=under, top=top
        )
    return answer(
        page(rows, limit=limit, position=lambda row: row["id"], render=render, tenant_id=tenant_id, query=query)
    )


@router.get("/v1/episodes", response_model=EpisodesOut)
def list_episodes(
    caller: Reader,
    session: SessionDep,
    namespace: Namespace = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the episodes that sessions were cut into."""
    return _listed(session, caller.tenant_id, "episode", _episode_json, namespace=namespace, limit=limit, cursor=cursor)


@router.get("/v1/episodes/{episode_id}", response_model=EpisodeOut)
def read_episode(episode_id: UUID, caller: Reader, session: SessionDep) -> Response:
    """Read one episode."""
    row = get_structure(session, caller.tenant_id, "episode", episode_id)
    if row is None:
        raise NotFound(f"There is no episode {episode_id}.", code="episode_not_found")
    return answer(_episode_json(row))


@router.get("/v1/topics", response_model=TopicsOut)
def list_topics(
    caller: Reader,
    session: SessionDep,
    namespace: Namespace = None,
    parent_id: Annotated[UUID | None, Query(description="Only those right below this topic.")] = None,
    top: Annotated[bool, Query(description="Only those that no other topic holds.")] = False,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the topics of the topic tree."""
    return _listed(
        session,
        caller.tenant_id,
        "topic",
        _topic_json,
        namespace=namespace,
        limit=limit,
        cursor=cursor,
        under=parent_id,
        top=top,
    )


@router.get("/v1/topics/{topic_id}", response_model=TopicOut)
def read_topic(topic_id: UUID, caller: Reader, session: SessionDep) -> Response:
    """Read one topic."""
    row = get_structure(session, caller.tenant_id, "topic", topic_id)
    if row is None:
        raise NotFound(f"There is no topic {topic_id}.", code="topic_not_found")
    return answer(_topic_json(row))


@router.get("/v1/communities", response_model=CommunitiesOut)
def list_communities(
    caller: Reader,
    session: SessionDep,
    namespace: Namespace = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List memories and entities that have much in common."""
    return _listed(
        session, caller.tenant_id, "community", _community_json, namespace=namespace, limit=limit, cursor=cursor
    )


@router.get("/v1/communities/{community_id}", response_model=CommunityOut)
def read_community(community_id: UUID, caller: Reader, session: SessionDep) -> Response:
    """Read one community."""
    row = get_structure(session, caller.tenant_id, "community", community_id)
    if row is None:
        raise NotFound(f"There is no community {community_id}.", code="community_not_found")
    return answer(_community_json(row))


@router.get("/v1/profiles/{user_id:path}", response_model=ProfileOut)
def read_profile(
    user_id: Annotated[str, Path(min_length=1, max_length=256)],
    caller: Reader,
    session: SessionDep,
    services: ServicesDep,
    namespace: Namespace = None,
) -> Response:
    """Read what is known of a user, in one namespace or in all.

    What has ended or gone since is left out, and so is what a model told from texts that have changed, whether or not a run
    has passed.
    """
    tenant_id = caller.tenant_id
    space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
    rows: Sequence[RowMapping] = ()
    if namespace is None or space is not None:
        rows = profiles_of(session, tenant_id, user_id, namespace_id=space)
    if not rows:
        raise NotFound("Nothing is known of this user yet.", code="profile_not_found")
    lines = standing_lines(session, tenant_id, rows, now=services.clock())
    lines.sort(key=lambda line: line["section"] == TOLD)
    return answer(
        {
            "user_id": user_id,
            "static": [line for line in lines if _part(line) == STATIC],
            "recent": [line for line in lines if _part(line) == RECENT],
            "updated_at": rfc3339(max(row["known_from"] for row in rows)),
        }
    )
