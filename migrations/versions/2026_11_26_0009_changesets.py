"""Changesets, what they changed, what waits for a person, and what each tier owes.

Revision ID: 0009
Revises: 0008
"""

from migrations.tenancy import keep_out_of_statistics, protect, roles, run

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_DUE = "due_consolidations(timestamptz, interval, interval, integer)"


def upgrade() -> None:
    maintenance, service = roles()
    # `change` keeps ids and versions; texts stay in the versions of the memories. What was computed in place is the exception.
    run("""
        ALTER TABLE memory ADD COLUMN consolidated_version integer NOT NULL DEFAULT 0;
        -- A memory that did not come in turn with the others (an import, an old database) is found here as well.
        CREATE INDEX memory_unconsolidated ON memory (tenant_id, namespace_id, id) INCLUDE (updated_at)
            WHERE consolidated_version < content_version AND extract <> 'none' AND archived_at IS NULL;
        -- A merged memory keeps its external_id, so that a repeated post finds it.
        CREATE INDEX memory_merged ON memory (tenant_id, namespace_id, external_id)
            WHERE state = 'merged' AND external_id IS NOT NULL;
        ALTER TABLE job ADD COLUMN result jsonb;

        CREATE TABLE changeset (
            tenant_id uuid NOT NULL,
            id uuid NOT NULL,
            namespace_id uuid NOT NULL,
            job_id uuid,
            kind text NOT NULL,
            status text NOT NULL CHECK (status IN ('applied', 'reverted')),
            counts jsonb NOT NULL,
            usage jsonb,
            created_at timestamptz NOT NULL,
            reverted_at timestamptz,
            PRIMARY KEY (tenant_id, id),
            FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX changeset_namespace ON changeset (tenant_id, namespace_id, id);

        CREATE TABLE change (
            tenant_id uuid NOT NULL,
            changeset_id uuid NOT NULL,
            ordinal integer NOT NULL,
            change text NOT NULL,
            step text NOT NULL,
            memory_id uuid,
            other_id uuid,
            target_id uuid,
            version_before integer,
            version_after integer,
            before jsonb,
            after jsonb,
            score float8,
            reason text NOT NULL,
            method text NOT NULL,
            PRIMARY KEY (tenant_id, changeset_id, ordinal),
            FOREIGN KEY (tenant_id, changeset_id) REFERENCES changeset (tenant_id, id) ON DELETE CASCADE,
            FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX change_memory ON change (tenant_id, memory_id) WHERE memory_id IS NOT NULL;

        CREATE TABLE review (
            tenant_id uuid NOT NULL,
            id uuid NOT NULL,
            namespace_id uuid NOT NULL,
            kind text NOT NULL,
            proposal text NOT NULL,
            status text NOT NULL CHECK (status IN ('open', 'approved', 'declined', 'withdrawn')),
            memory_id uuid NOT NULL,
            other_id uuid,
            score float8,
            reason text NOT NULL,
            method text NOT NULL,
            changeset_id uuid,
            decision_changeset_id uuid,
            created_at timestamptz NOT NULL,
            decided_at timestamptz,
            PRIMARY KEY (tenant_id, id),
            FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE,
            FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE,
            FOREIGN KEY (tenant_id, other_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX review_namespace ON review (tenant_id, namespace_id, id);
        CREATE UNIQUE INDEX review_once ON review (tenant_id, memory_id, other_id, kind, proposal) NULLS NOT DISTINCT
            WHERE status <> 'withdrawn';
        CREATE INDEX review_memory ON review (tenant_id, memory_id);
        CREATE INDEX review_other ON review (tenant_id, other_id) WHERE other_id IS NOT NULL;

        -- What a tier owes: a session that changed, a namespace whose day or week is due. `key` names the session.
        CREATE TABLE tier_work (
            tenant_id uuid NOT NULL,
            namespace_id uuid NOT NULL,
            tier text NOT NULL,
            key text COLLATE "C" NOT NULL,
            due_at timestamptz NOT NULL,
            PRIMARY KEY (tenant_id, namespace_id, tier, key),
            FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX tier_work_due ON tier_work (tenant_id, due_at);
    """)
    protect("changeset", "change", "review", "tier_work")
    keep_out_of_statistics({"change": ("before", "after"), "tier_work": ("key",), "job": ("result",)})
    run(f"SET LOCAL ROLE {maintenance}")
    # A namespace is due once it has been quiet for a while, or when the first of what waits there has waited long enough.
    run("""
        CREATE FUNCTION due_consolidations(at timestamptz, quiet interval, patience interval, at_most integer)
        RETURNS TABLE (tenant_id uuid, namespace_id uuid)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
            SELECT d.tenant_id, d.namespace_id FROM (
                SELECT m.tenant_id, m.namespace_id FROM public.memory m
                WHERE m.consolidated_version < m.content_version AND m.extract <> 'none' AND m.archived_at IS NULL
                GROUP BY m.tenant_id, m.namespace_id
                HAVING max(m.updated_at) <= at - quiet OR min(m.updated_at) <= at - patience
                UNION
                SELECT w.tenant_id, w.namespace_id FROM public.tier_work w WHERE w.due_at <= at
            ) d JOIN public.namespace n ON n.tenant_id = d.tenant_id AND n.id = d.namespace_id
            WHERE coalesce(n.settings ->> 'consolidation', 'auto') = 'auto'
            LIMIT at_most
        $$;
    """)
    run(f"REVOKE ALL ON FUNCTION {_DUE} FROM PUBLIC; GRANT EXECUTE ON FUNCTION {_DUE} TO {service}; RESET ROLE")


def downgrade() -> None:
    maintenance, _ = roles()
    run(f"SET LOCAL ROLE {maintenance}; DROP FUNCTION {_DUE}; RESET ROLE")
    run("""
        DROP TABLE tier_work;
        DROP TABLE review;
        DROP TABLE change;
        DROP TABLE changeset;
        ALTER TABLE job DROP COLUMN result;
        DROP INDEX memory_merged;
        DROP INDEX memory_unconsolidated;
        ALTER TABLE memory DROP COLUMN consolidated_version;
    """)
