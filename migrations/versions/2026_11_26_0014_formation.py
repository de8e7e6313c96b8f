"""Documents, trust and surprise.

Revision ID: 0014
Revises: 0013
"""

from migrations.tenancy import keep_out_of_statistics, protect, run

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With constant defaults nothing is rewritten, and code that does not know the columns goes on working.
    # `surprise` is worked out in the background and is no part of a state.
    run("""
        ALTER TABLE memory ADD COLUMN trust float8 NOT NULL DEFAULT 1, ADD COLUMN flags text[] NOT NULL DEFAULT '{}',
            ADD COLUMN surprise float8;
        ALTER TABLE memory_version ADD COLUMN trust float8 NOT NULL DEFAULT 1,
            ADD COLUMN flags text[] NOT NULL DEFAULT '{}';
    """)
    # A document as it is now, and its text in every version: the spans of chunks point into one of them. `file_hash` is
    # SHA-256 of the bytes as they came, `content_hash` of the text that was read from them; both are null once a part was
    # erased, so that posting the document again is no repetition.
    run("""
        CREATE TABLE document (
            tenant_id uuid NOT NULL,
            id uuid NOT NULL,
            namespace_id uuid NOT NULL,
            external_id text,
            user_id text, agent_id text, session_id text,
            title text,
            mime_type text NOT NULL,
            metadata jsonb NOT NULL,
            version integer NOT NULL,
            file_hash bytea,
            content_hash bytea,
            characters integer NOT NULL,
            chunks integer NOT NULL,
            job_id uuid NOT NULL,
            observed_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            archived_at timestamptz,
            PRIMARY KEY (tenant_id, id),
            FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
        );
        CREATE UNIQUE INDEX document_external_id ON document (tenant_id, namespace_id, external_id)
            WHERE external_id IS NOT NULL AND archived_at IS NULL;
        CREATE INDEX document_namespace ON document (tenant_id, namespace_id, id) WHERE archived_at IS NULL;
        CREATE INDEX document_file ON document (tenant_id, namespace_id, file_hash) WHERE archived_at IS NULL;
        CREATE INDEX document_content ON document (tenant_id, namespace_id, content_hash) WHERE archived_at IS NULL;

        CREATE TABLE document_text (
            tenant_id uuid NOT NULL,
            document_id uuid NOT NULL,
            version integer NOT NULL,
            content text NOT NULL,
            created_at timestamptz NOT NULL,
            PRIMARY KEY (tenant_id, document_id, version),
            FOREIGN KEY (tenant_id, document_id) REFERENCES document (tenant_id, id) ON DELETE CASCADE
        );

        CREATE TABLE document_chunk (
            tenant_id uuid NOT NULL,
            document_id uuid NOT NULL,
            version integer NOT NULL,
            ordinal integer NOT NULL,
            memory_id uuid NOT NULL,
            span_from integer NOT NULL,
            span_to integer NOT NULL,
            PRIMARY KEY (tenant_id, document_id, version, ordinal),
            FOREIGN KEY (tenant_id, document_id, version)
                REFERENCES document_text (tenant_id, document_id, version) ON DELETE CASCADE,
            FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX document_chunk_memory ON document_chunk (tenant_id, memory_id);

        -- What a job has still to read; it goes when the job has succeeded, and at the latest with the job.
        CREATE TABLE document_upload (
            tenant_id uuid NOT NULL,
            job_id uuid NOT NULL,
            namespace_id uuid NOT NULL,
            document_id uuid NOT NULL,
            request jsonb NOT NULL,
            file bytea NOT NULL,
            created_at timestamptz NOT NULL,
            PRIMARY KEY (tenant_id, job_id),
            FOREIGN KEY (tenant_id, job_id) REFERENCES job (tenant_id, id) ON DELETE CASCADE,
            FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
        );
        CREATE INDEX document_upload_document ON document_upload (tenant_id, document_id);
        ALTER TABLE document_upload ALTER COLUMN file SET STORAGE EXTERNAL;
    """)
    protect("document", "document_text", "document_chunk", "document_upload")
    keep_out_of_statistics(
        {
            "document": ("title", "metadata", "external_id"),
            "document_text": ("content",),
            "document_upload": ("request", "file"),
        }
    )


def downgrade() -> None:
    run("""
        DROP TABLE document_upload, document_chunk, document_text, document;
        ALTER TABLE memory_version DROP COLUMN trust, DROP COLUMN flags;
        ALTER TABLE memory DROP COLUMN trust, DROP COLUMN flags, DROP COLUMN surprise;
    """)
