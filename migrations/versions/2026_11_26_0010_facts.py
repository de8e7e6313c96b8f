"""Facts: subject, attribute and value as rules or a model read them in a text.

Revision ID: 0010
Revises: 0009
"""

from migrations.tenancy import keep_out_of_statistics, protect, run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # `owner` is the user_id of the memory, empty without one: whoever asks for the same attribute of the same subject asks
    # within one user, and thousands of users of a namespace all have the subject "user".
    run("""
        CREATE TABLE fact (
            tenant_id uuid NOT NULL,
            memory_id uuid NOT NULL,
            version integer NOT NULL,
            ordinal smallint NOT NULL,
            namespace_id uuid NOT NULL,
            owner text COLLATE "C" NOT NULL,
            subject text COLLATE "C" NOT NULL,
            attribute text COLLATE "C" NOT NULL,
            value text NOT NULL,
            key text NOT NULL,
            positive boolean NOT NULL,
            functional boolean NOT NULL,
            changed boolean NOT NULL,
            ended boolean NOT NULL,
            valid_from timestamptz,
            valid_to timestamptz,
            number double precision,
            unit text,
            span_from integer NOT NULL,
            span_to integer NOT NULL,
            method text NOT NULL DEFAULT 'rules',
            known_from timestamptz NOT NULL,
            known_to timestamptz NOT NULL DEFAULT 'infinity',
            PRIMARY KEY (tenant_id, memory_id, version, ordinal),
            FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX fact_attribute ON fact (tenant_id, namespace_id, attribute, subject, owner, memory_id)
            WHERE known_to = 'infinity';
    """)
    protect("fact")
    keep_out_of_statistics({"fact": ("owner", "subject", "attribute", "value", "key")})


def downgrade() -> None:
    run("DROP TABLE fact")
