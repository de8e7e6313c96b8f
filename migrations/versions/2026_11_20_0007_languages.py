"""The languages by whose rules the memories of a namespace are cut, and the version of the rules they were cut with.

Revision ID: 0007
Revises: 0006
"""

from migrations.tenancy import roles, run

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    maintenance, service = roles()
    # What is here already was cut by version 1: English rules for every language. Workers cut it anew in the order of ids:
    # what memories say now up to `terms_rebuilt_to`, then what they said earlier, up to the other column. A new namespace
    # states the version of the code that makes it.
    run(f"""
        ALTER TABLE namespace ADD COLUMN languages text[] NOT NULL DEFAULT '{{}}';
        ALTER TABLE namespace ADD COLUMN terms_version smallint NOT NULL DEFAULT 1;
        ALTER TABLE namespace ADD COLUMN terms_rebuilt_to uuid;
        ALTER TABLE namespace ADD COLUMN earlier_terms_rebuilt_to uuid;
        CREATE INDEX namespace_terms_version ON namespace (tenant_id, terms_version);
        SET LOCAL ROLE {maintenance};
        CREATE FUNCTION outdated_terms(version integer, at_most integer)
        RETURNS TABLE (tenant_id uuid, namespace_id uuid)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
            SELECT n.tenant_id, n.id FROM public.namespace n WHERE n.terms_version < version LIMIT at_most
        $$;
        REVOKE ALL ON FUNCTION outdated_terms(integer, integer) FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION outdated_terms(integer, integer) TO {service};
        RESET ROLE;
    """)


def downgrade() -> None:
    run("""
        DROP FUNCTION outdated_terms(integer, integer);
        ALTER TABLE namespace DROP COLUMN earlier_terms_rebuilt_to;
        ALTER TABLE namespace DROP COLUMN terms_rebuilt_to;
        ALTER TABLE namespace DROP COLUMN terms_version;
        ALTER TABLE namespace DROP COLUMN languages;
    """)
