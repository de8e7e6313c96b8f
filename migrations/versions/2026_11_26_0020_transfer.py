"""Exports and imports.

Revision ID: 0020
Revises: 0019
"""

from migrations.tenancy import keep_out_of_statistics, protect, run

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A line at a time, so that an import goes on where it was killed and an erasure reaches the lines that still wait. Once a
    # line has its outcome its text goes; the rest goes with the job.
    run("""
        CREATE TABLE import_record (
            tenant_id uuid NOT NULL,
            job_id uuid NOT NULL,
            ordinal integer NOT NULL,
            kind text NOT NULL,
            -- Whose it is to be, as far as that can be told before its turn: an erasure of all that is somebody's takes it, too.
            namespace text,
            user_id text, agent_id text, session_id text,
            record bytea,
            status text CHECK (status IN ('created', 'updated', 'skipped', 'rejected')),
            item_id text,
            code text,
            detail text,
            CHECK ((record IS NULL) = (status IS NOT NULL)),
            PRIMARY KEY (tenant_id, job_id, ordinal),
            FOREIGN KEY (tenant_id, job_id) REFERENCES job (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX import_record_waiting ON import_record (tenant_id, job_id, kind, ordinal) WHERE status IS NULL;

        -- The memories whose words a line may hold.
        CREATE TABLE import_record_memory (
            tenant_id uuid NOT NULL,
            memory_id uuid NOT NULL,
            job_id uuid NOT NULL,
            ordinal integer NOT NULL,
            PRIMARY KEY (tenant_id, memory_id, job_id, ordinal),
            FOREIGN KEY (tenant_id, job_id, ordinal) REFERENCES import_record (tenant_id, job_id, ordinal) ON DELETE CASCADE
        );
        CREATE INDEX import_record_memory_line ON import_record_memory (tenant_id, job_id, ordinal);
    """)
    protect("import_record", "import_record_memory")
    keep_out_of_statistics({"import_record": ("record", "item_id", "detail", "user_id", "agent_id", "session_id")})


def downgrade() -> None:
    run("DROP TABLE import_record_memory, import_record")
