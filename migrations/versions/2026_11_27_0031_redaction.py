"""Redaction policies, and what they replaced in memories.

Revision ID: 0031
Revises: 0030
"""

from importlib import import_module

from migrations.tenancy import keep_out_of_statistics, roles, run

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

KINDS = """
ALTER TABLE policy DROP CONSTRAINT policy_kind_check;
ALTER TABLE policy ADD CONSTRAINT policy_kind_check CHECK (kind IN ({}));
"""

# What was counted stands in no prompt; what was replaced changes the content, which does.
_MARK = import_module("migrations.versions.2026_11_27_0027_kv_upkeep").TRIGGER
MARK = _MARK.replace("'dedupe_hash']", "'dedupe_hash', 'redactions']")


def upgrade() -> None:
    run(KINDS.format("'retention', 'fusion', 'redaction'"))
    run(MARK)
    # How many values of which rule were replaced: names of rules and numbers, nothing of what there was. Null: none.
    run("ALTER TABLE memory ADD COLUMN redactions jsonb; ALTER TABLE memory_version ADD COLUMN redactions jsonb;")
    keep_out_of_statistics({"memory": ("redactions",), "memory_version": ("redactions",)})
    # Every process that writes asks a tenant's policies anew each second.
    run("""
        CREATE INDEX policy_redactions ON policy (tenant_id, namespace_id) WHERE kind = 'redaction' AND known_to = 'infinity'
    """)


def downgrade() -> None:
    maintenance, _ = roles()
    run(_MARK)
    run("DROP INDEX policy_redactions")
    run("ALTER TABLE memory DROP COLUMN redactions; ALTER TABLE memory_version DROP COLUMN redactions;")
    # Row level security hides the rows from the owner; the maintenance role sees them all.
    run(f"SET LOCAL ROLE {maintenance}; DELETE FROM policy WHERE kind = 'redaction'; RESET ROLE;")
    run(KINDS.format("'retention', 'fusion'"))
