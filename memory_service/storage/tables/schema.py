"""What modules of tables share: one MetaData, and how a table begins."""

from sqlalchemy import Column, DateTime, MetaData, Uuid, text
from sqlalchemy.types import UserDefinedType

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s",
    }
)

Time = DateTime(timezone=True)


def tenant_column() -> Column[object]:
    """Return the column with which every key of a tenant's table begins."""
    return Column("tenant_id", Uuid, primary_key=True)


class TransactionId(UserDefinedType[int]):
    """A 64-bit transaction id of Postgres; it never wraps around."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Name the type in DDL."""
        return "xid8"


def written() -> Column[object]:
    """Return the column that says which transaction wrote a row last; the database fills it in."""
    return Column("written", TransactionId, nullable=False, server_default=text("pg_current_xact_id()"))
