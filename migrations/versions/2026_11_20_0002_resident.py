"""What a search process needs to keep a namespace in memory: traits of texts, and which transaction wrote a row last.

Revision ID: 0002
Revises: 0001
"""

from migrations.tenancy import run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A reader that remembers the oldest transaction still running when it last looked finds all that changed since by
    # this column, in whatever order writers commit. Clocks and sequences cannot promise that.
    run("""
        ALTER TABLE memory ADD COLUMN traits smallint;
        ALTER TABLE memory ADD COLUMN written xid8 NOT NULL DEFAULT pg_current_xact_id();
        ALTER TABLE tombstone ADD COLUMN written xid8 NOT NULL DEFAULT pg_current_xact_id();
        ALTER TABLE link ADD COLUMN written xid8 NOT NULL DEFAULT pg_current_xact_id();
        CREATE INDEX memory_written ON memory (tenant_id, namespace_id, written);
        CREATE INDEX tombstone_written ON tombstone (tenant_id, namespace_id, written);
        CREATE INDEX link_written ON link (tenant_id, namespace_id, written);
        CREATE FUNCTION note_writer() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.written := pg_catalog.pg_current_xact_id();
            RETURN NEW;
        END $$;
        -- A trigger needs no right of whoever fires it.
        REVOKE ALL ON FUNCTION note_writer() FROM PUBLIC;
        CREATE TRIGGER memory_written BEFORE UPDATE ON memory FOR EACH ROW EXECUTE FUNCTION note_writer();
        CREATE TRIGGER link_written BEFORE UPDATE ON link FOR EACH ROW EXECUTE FUNCTION note_writer();
    """)


def downgrade() -> None:
    run("""
        DROP TRIGGER link_written ON link;
        DROP TRIGGER memory_written ON memory;
        DROP FUNCTION note_writer();
        ALTER TABLE link DROP COLUMN written;
        ALTER TABLE tombstone DROP COLUMN written;
        ALTER TABLE memory DROP COLUMN written;
        ALTER TABLE memory DROP COLUMN traits;
    """)
