"""Task trees.

Revision ID: 0018
Revises: 0017
"""

from migrations.tenancy import keep_out_of_statistics, protect, run

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A node keeps its place, whom it belongs to, and a copy of the status of its present version, by which it is listed.
    # What it says is in its versions, the present one among them; nothing changes those, so that a rollback can be undone.
    run("""
        CREATE TABLE task_node (
            tenant_id uuid NOT NULL,
            id uuid NOT NULL,
            namespace_id uuid NOT NULL,
            root_id uuid NOT NULL,
            parent_id uuid,
            depth integer NOT NULL,
            user_id text, agent_id text, session_id text,
            replaces uuid,
            status text NOT NULL,
            version integer NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            PRIMARY KEY (tenant_id, id),
            FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id),
            FOREIGN KEY (tenant_id, parent_id) REFERENCES task_node (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX task_node_namespace ON task_node (tenant_id, namespace_id, id);
        CREATE INDEX task_node_parent ON task_node (tenant_id, parent_id, id);
        -- When a tree was changed last is asked before every change of it.
        CREATE INDEX task_node_root ON task_node (tenant_id, root_id, updated_at);
        CREATE INDEX task_node_user ON task_node (tenant_id, user_id) WHERE user_id IS NOT NULL;
        CREATE INDEX task_node_agent ON task_node (tenant_id, agent_id) WHERE agent_id IS NOT NULL;
        CREATE INDEX task_node_session ON task_node (tenant_id, session_id, id) WHERE session_id IS NOT NULL;

        CREATE TABLE task_version (
            tenant_id uuid NOT NULL,
            task_id uuid NOT NULL,
            version integer NOT NULL,
            status text NOT NULL,
            title text NOT NULL,
            input jsonb,
            output jsonb,
            outcome text,
            metadata jsonb NOT NULL,
            depends_on uuid[] NOT NULL,
            superseded_by uuid,
            closed_at timestamptz,
            operation text NOT NULL,
            known_from timestamptz NOT NULL,
            PRIMARY KEY (tenant_id, task_id, version),
            FOREIGN KEY (tenant_id, task_id) REFERENCES task_node (tenant_id, id) ON DELETE CASCADE
        );

        -- What the present versions say of each other.
        CREATE TABLE task_dependency (
            tenant_id uuid NOT NULL,
            task_id uuid NOT NULL,
            depends_on_id uuid NOT NULL,
            PRIMARY KEY (tenant_id, task_id, depends_on_id),
            FOREIGN KEY (tenant_id, task_id) REFERENCES task_node (tenant_id, id) ON DELETE CASCADE,
            FOREIGN KEY (tenant_id, depends_on_id) REFERENCES task_node (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX task_dependency_of ON task_dependency (tenant_id, depends_on_id);
    """)
    protect("task_node", "task_version", "task_dependency")
    keep_out_of_statistics({"task_version": ("title", "input", "output", "outcome", "metadata")})


def downgrade() -> None:
    run("DROP TABLE task_dependency, task_version, task_node")
