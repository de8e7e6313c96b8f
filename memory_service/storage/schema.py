"""What modules of tables share: one MetaData, and how a table begins."""

from sqlalchemy import Column, DateTime, MetaData, Uuid

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
