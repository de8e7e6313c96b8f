"""Erasures with receipts; the audit chain.

Revision ID: 0019
Revises: 0018
"""

from migrations.tenancy import protect, roles, run

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# A receipt outlives the job that did the work, and holds neither texts nor what was asked for in words: a hash of that.
ERASURES = """
CREATE TABLE erasure (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    namespace_id uuid,
    job_id uuid NOT NULL,
    api_key_id uuid,
    selected_by text NOT NULL CHECK (selected_by IN ('filter', 'ids', 'scope')),
    selection_hash bytea NOT NULL,
    status text NOT NULL CHECK (status IN ('open', 'succeeded', 'failed')),
    counts jsonb NOT NULL,
    verified boolean,
    remains jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX erasure_namespace ON erasure (tenant_id, namespace_id, id);

CREATE TABLE erasure_item (
    tenant_id uuid NOT NULL,
    erasure_id uuid NOT NULL,
    memory_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('erased', 'absent')),
    derived boolean NOT NULL,
    PRIMARY KEY (tenant_id, erasure_id, memory_id),
    FOREIGN KEY (tenant_id, erasure_id) REFERENCES erasure (tenant_id, id) ON DELETE CASCADE
);
"""

# Who changed what: ids, words of ours and numbers, no text. A worker seals events in order; nobody changes either of them, so the
# service may only read and add. What waits for its seal is named in a table of its own, from which it goes.
AUDIT = """
CREATE TABLE audit_event (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    api_key_id uuid,
    action text NOT NULL,
    subject text,
    subject_id uuid,
    namespace_id uuid,
    details jsonb NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX audit_event_action ON audit_event (tenant_id, action, id);
CREATE INDEX audit_event_actor ON audit_event (tenant_id, api_key_id, id);

CREATE TABLE audit_seal (
    tenant_id uuid NOT NULL,
    seq bigint NOT NULL,
    event_id uuid NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, seq),
    UNIQUE (tenant_id, event_id),
    FOREIGN KEY (tenant_id, event_id) REFERENCES audit_event (tenant_id, id)
);

CREATE TABLE audit_pending (
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, event_id),
    FOREIGN KEY (tenant_id, event_id) REFERENCES audit_event (tenant_id, id)
);
"""
UNSEALED = """
CREATE FUNCTION unsealed_audit(at_most integer)
RETURNS TABLE (tenant_id uuid, event_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT ON (p.tenant_id) p.tenant_id, p.event_id FROM public.audit_pending p
    ORDER BY p.tenant_id, p.event_id LIMIT at_most
$$;
"""
TENANT_TABLES = ("erasure", "erasure_item", "audit_event", "audit_seal", "audit_pending")


def upgrade() -> None:
    maintenance, service = roles()
    run(ERASURES)
    run(AUDIT)
    protect(*TENANT_TABLES)
    run(f"REVOKE UPDATE, DELETE ON audit_event, audit_seal FROM {service}")
    run(f"SET LOCAL ROLE {maintenance}")
    run(UNSEALED)
    run("REVOKE ALL ON FUNCTION unsealed_audit(integer) FROM PUBLIC")
    run(f"GRANT EXECUTE ON FUNCTION unsealed_audit(integer) TO {service}")
    run("RESET ROLE")


def downgrade() -> None:
    maintenance, _ = roles()
    run(f"SET LOCAL ROLE {maintenance}")
    run("DROP FUNCTION unsealed_audit(integer)")
    run("RESET ROLE")
    for table in reversed(TENANT_TABLES):
        run(f"DROP TABLE {table}")
