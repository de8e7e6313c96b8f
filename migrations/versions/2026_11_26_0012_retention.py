"""Retention policies, access history, and when a memory has to be looked at again.

Revision ID: 0012
Revises: 0011
"""

from migrations.tenancy import keep_out_of_statistics, protect, roles, run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = """
-- What operators decided, with the time during which it was in force; `body` is the whole policy.
CREATE TABLE policy (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('retention')),
    body jsonb NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX policy_in_force ON policy (tenant_id, namespace_id, kind) WHERE known_to = 'infinity';
CREATE INDEX policy_namespace ON policy (tenant_id, namespace_id, id);

-- A copy of what is in force, {"id": …, "policy": {…}}, for everything that has the namespace at hand; null: the defaults.
ALTER TABLE namespace ADD COLUMN retention_policy jsonb;

-- From now on every memory has a row. `stability_days` and `difficulty` are null until something happens to it: a new memory
-- holds as firmly as the policy in force says. `due_at` is when a sweep has to look at it, under the policy `policy_id`.
ALTER TABLE retention
    ALTER COLUMN stability_days DROP NOT NULL,
    ALTER COLUMN difficulty DROP NOT NULL,
    ALTER COLUMN recall_count SET DEFAULT 0,
    ADD COLUMN namespace_id uuid,
    ADD COLUMN spaced_uses float8 NOT NULL DEFAULT 0,
    ADD COLUMN traces float8[],
    ADD COLUMN traced_at timestamptz,
    ADD COLUMN refreshed_at timestamptz,
    ADD COLUMN forgotten_at timestamptz,
    ADD COLUMN policy_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    ADD COLUMN due_at timestamptz NOT NULL DEFAULT '-infinity',
    ADD CONSTRAINT retention_traces_check CHECK (cardinality(traces) = 8);
"""

# Row level security hides the rows from the owner; the maintenance role sees them all.
FILL = """
UPDATE retention r SET namespace_id = m.namespace_id FROM memory m WHERE m.tenant_id = r.tenant_id AND m.id = r.memory_id;
INSERT INTO retention (tenant_id, memory_id, namespace_id)
    SELECT m.tenant_id, m.id, m.namespace_id FROM memory m ON CONFLICT DO NOTHING;
"""

CONSTRAINTS = """
ALTER TABLE retention ALTER COLUMN namespace_id SET NOT NULL;
CREATE INDEX retention_due ON retention (tenant_id, namespace_id, policy_id, due_at, memory_id);
"""


# Whatever changes how a memory fades makes it due, whoever changes it: a caller, a run of consolidation, a revert. One that comes
# back from the archive begins to fade anew, or the next sweep would archive it again.
TRIGGER = """
CREATE FUNCTION note_fading() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.retention SET due_at = '-infinity',
        forgotten_at = CASE WHEN NEW.archived_at IS NOT NULL THEN forgotten_at END,
        refreshed_at = CASE WHEN OLD.archived_at IS NOT NULL AND NEW.archived_at IS NULL THEN NEW.updated_at ELSE refreshed_at END
    WHERE tenant_id = NEW.tenant_id AND memory_id = NEW.id;
    RETURN NULL;
END $$;
-- A trigger needs no right of whoever fires it.
REVOKE ALL ON FUNCTION note_fading() FROM PUBLIC;
CREATE TRIGGER memory_fading AFTER UPDATE OF pinned, importance, memory_type, archived_at ON memory FOR EACH ROW
    WHEN (OLD.pinned <> NEW.pinned OR OLD.importance <> NEW.importance OR OLD.memory_type <> NEW.memory_type
        OR OLD.archived_at IS DISTINCT FROM NEW.archived_at)
    EXECUTE FUNCTION note_fading();
"""


def upgrade() -> None:
    maintenance, _ = roles()
    run(TABLES)
    protect("policy")
    keep_out_of_statistics({"policy": ("body",)})
    run(f"SET LOCAL ROLE {maintenance}; {FILL} RESET ROLE;")
    run(CONSTRAINTS)
    run(TRIGGER)


def downgrade() -> None:
    maintenance, _ = roles()
    run("DROP TRIGGER memory_fading ON memory; DROP FUNCTION note_fading(); DROP INDEX retention_due;")
    # What nothing has happened to had no row.
    run(f"SET LOCAL ROLE {maintenance}; DELETE FROM retention WHERE stability_days IS NULL; RESET ROLE;")
    run("""
        ALTER TABLE retention
            DROP COLUMN namespace_id, DROP COLUMN spaced_uses, DROP COLUMN traces, DROP COLUMN traced_at,
            DROP COLUMN refreshed_at, DROP COLUMN forgotten_at, DROP COLUMN policy_id, DROP COLUMN due_at,
            ALTER COLUMN recall_count DROP DEFAULT, ALTER COLUMN stability_days SET NOT NULL,
            ALTER COLUMN difficulty SET NOT NULL;
        ALTER TABLE namespace DROP COLUMN retention_policy;
        DROP TABLE policy;
    """)
