"""Which links the graph channel hears of: those that say more than vectors and mentions do."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from memory_service.storage.consolidated import insert_links
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.types import LinkType
from retrieval.feed import BEGINNING, links_known, links_since


def test_links_of_likeness_and_of_shared_names_spread_nothing(me: Any, database: Database) -> None:
    a, b = (me.post("/v1/memories", json={"content": content}).json()["id"] for content in ("A lake.", "A boat."))
    now = datetime.now(UTC)
    with database.transaction(me.tenant_id) as session:
        space = session.scalar(text("SELECT id FROM namespace WHERE tenant_id = :t"), {"t": me.tenant_id})
        rows = [(new_id(), b, a, kind.value, 0.5, "rules") for kind in LinkType]
        insert_links(session, me.tenant_id, space, rows, changeset_id=None, now=now)
    silent = {LinkType.SIMILAR, LinkType.SAME_ENTITY}
    telling = {row[0] for row in rows if row[3] not in silent}
    with database.transaction(me.tenant_id) as session:
        assert {link.id for link in links_since(session, me.tenant_id, [space], since=BEGINNING).entries} == telling
        assert {link.id for link in links_known(session, me.tenant_id, [space], at=now).result()} == telling
