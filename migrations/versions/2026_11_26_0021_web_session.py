"""Sessions of the admin web view, and the links that open one.

Revision ID: 0021
Revises: 0020
"""

from migrations.tenancy import protect, roles, run

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# Both hold the hash of a random secret and the key it stands for, nothing that a user wrote.
TABLES = """
CREATE TABLE web_session (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    hash bytea NOT NULL,
    api_key_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, api_key_id) REFERENCES api_key (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX web_session_hash ON web_session (hash);
CREATE INDEX web_session_key ON web_session (tenant_id, api_key_id, id);
CREATE INDEX web_session_expiry ON web_session (tenant_id, expires_at);

CREATE TABLE login_link (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    hash bytea NOT NULL,
    api_key_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, api_key_id) REFERENCES api_key (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX login_link_hash ON login_link (hash);
CREATE INDEX login_link_expiry ON login_link (tenant_id, expires_at);
"""
TENANT_TABLES = ("web_session", "login_link")

# What runs before a tenant is known. A session lives no longer than its key, and ends with it.
FUNCTIONS = """
CREATE FUNCTION authenticate_session(session_hash bytea)
RETURNS TABLE (tenant_id uuid, session_id uuid, key_id uuid, scopes text[], expires_at timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.tenant_id, s.id, k.id, k.scopes, least(s.expires_at, k.expires_at), k.revoked_at
    FROM public.web_session s JOIN public.api_key k ON k.tenant_id = s.tenant_id AND k.id = s.api_key_id
    WHERE s.hash = session_hash
$$;

CREATE FUNCTION find_login_link(link_hash bytea)
RETURNS TABLE (tenant_id uuid, link_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.tenant_id, l.id FROM public.login_link l WHERE l.hash = link_hash
$$;
"""
SIGNATURES = ("authenticate_session(bytea)", "find_login_link(bytea)")


def upgrade() -> None:
    maintenance, service = roles()
    run(TABLES)
    protect(*TENANT_TABLES)
    run(f"SET LOCAL ROLE {maintenance}")
    run(FUNCTIONS)
    for signature in SIGNATURES:
        run(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC; GRANT EXECUTE ON FUNCTION {signature} TO {service}")
    run("RESET ROLE")


def downgrade() -> None:
    maintenance, _ = roles()
    run(f"SET LOCAL ROLE {maintenance}")
    for signature in SIGNATURES:
        run(f"DROP FUNCTION {signature}")
    run("RESET ROLE")
    for table in reversed(TENANT_TABLES):
        run(f"DROP TABLE {table}")
