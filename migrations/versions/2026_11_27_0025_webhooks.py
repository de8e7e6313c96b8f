"""Webhooks: where tenants are told of changes, and the outbox of what they are told. Policies of fusion.

Revision ID: 0025
Revises: 0024
"""

from migrations.tenancy import keep_out_of_statistics, protect, roles, run

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# A delivery names its webhook without a foreign key: whoever deletes a webhook must not fail a write that is under way at the
# same moment. What such a write leaves is sent to nobody and goes with the purge.
TABLES = """
CREATE TABLE webhook (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    url text NOT NULL,
    events text[] NOT NULL CHECK (cardinality(events) > 0),
    namespace text,
    description text,
    content boolean NOT NULL,
    active boolean NOT NULL,
    secret bytea NOT NULL,
    former_secret bytea,
    former_until timestamptz,
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    retry_at timestamptz,
    disabled_reason text CHECK (disabled_reason IN ('failing', 'gone')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE webhook_delivery (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    event_id uuid NOT NULL,
    event text NOT NULL,
    namespace_id uuid,
    subject_id uuid NOT NULL,
    version integer,
    details jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'delivered', 'dead')),
    attempts integer NOT NULL,
    due_at timestamptz NOT NULL,
    tries jsonb NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (tenant_id, webhook_id, due_at, id) WHERE status = 'pending';
CREATE INDEX webhook_delivery_listed ON webhook_delivery (tenant_id, webhook_id, id);
CREATE INDEX webhook_delivery_subject ON webhook_delivery (tenant_id, subject_id);
CREATE INDEX webhook_delivery_age ON webhook_delivery (occurred_at);
"""

# Time-ordered like the ids of the application (RFC 9562, version 7), of which the trigger has none.
_ID = (
    "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING substring(int8send(CAST(floor(extract(epoch FROM "
    "clock_timestamp()) * 1000) AS bigint)) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid"
)


def _queue(events: str) -> str:
    """Return the statement that puts events into the outbox: one row for each webhook that listens.

    Args:
        events: a query with event, namespace_id, subject_id, version, details.
    """
    return f"""
        WITH happened AS MATERIALIZED (SELECT {_ID} AS event_id, e.* FROM ({events}) e)
        INSERT INTO public.webhook_delivery (tenant_id, id, webhook_id, event_id, event, namespace_id, subject_id, version,
            details, occurred_at, status, attempts, due_at, tries)
        SELECT tenant, {_ID}, w.id, e.event_id, e.event, e.namespace_id, e.subject_id, e.version, e.details,
            statement_timestamp(), 'pending', 0, statement_timestamp(), '[]'
        FROM happened e JOIN public.webhook w ON w.tenant_id = tenant AND w.active
            AND w.events && ARRAY['*', split_part(e.event, '.', 1) || '.*', e.event]
            AND (w.namespace IS NULL OR w.namespace = (SELECT n.path FROM public.namespace n
                WHERE n.tenant_id = tenant AND n.id = e.namespace_id));
    """


# In the transaction of the change itself, whoever makes it: a caller, a run of consolidation, an import, a sweep. A tenant that
# no webhook listens to pays one look at the index. Migrations, which know of no tenant, tell nobody.
_LISTENED = """
    IF tenant IS NULL OR NOT EXISTS (SELECT FROM public.webhook w WHERE w.tenant_id = tenant AND w.active) THEN
        RETURN NULL;
    END IF;
"""
_CREATED = """
    SELECT 'memory.created' AS event, a.namespace_id, a.id AS subject_id, a.version, '{}'::jsonb AS details FROM added a
"""
_ERASED = """
    SELECT 'memory.erased' AS event, a.namespace_id, a.id AS subject_id, NULL::integer AS version, '{}'::jsonb AS details
    FROM added a
"""
_CHANGED = """
    SELECT happened AS event, NEW.namespace_id AS namespace_id, NEW.id AS subject_id, at_version AS version, more AS details
"""
_TENANT = "tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;"
TRIGGERS = f"""
CREATE FUNCTION tell_of_new_rows() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    {_TENANT}
BEGIN
    {_LISTENED}
    IF TG_TABLE_NAME = 'memory' THEN
        {_queue(_CREATED)}
    ELSE
        {_queue(_ERASED)}
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tell_of_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    {_TENANT}
    happened text;
    more jsonb := '{{}}';
    at_version integer;
BEGIN
    {_LISTENED}
    IF TG_TABLE_NAME = 'memory' THEN
        at_version := NEW.version;
        happened := 'memory.' || CASE
            WHEN NEW.state <> OLD.state AND NEW.state IN ('archived', 'expired', 'merged') THEN NEW.state
            WHEN NEW.state <> OLD.state AND OLD.state IN ('archived', 'expired', 'merged') THEN 'restored'
            WHEN OLD.superseded_by IS NULL AND NEW.superseded_by IS NOT NULL THEN 'superseded'
            WHEN OLD.superseded_by IS NOT NULL AND NEW.superseded_by IS NULL
                AND NEW.state NOT IN ('archived', 'expired', 'merged') THEN 'restored'
            ELSE 'updated' END;
        IF happened IN ('memory.superseded', 'memory.merged') THEN
            more := jsonb_build_object('superseded_by', NEW.superseded_by);
        END IF;
    ELSIF TG_TABLE_NAME = 'job' THEN
        happened := 'job.' || NEW.status;
        more := jsonb_build_object('kind', NEW.kind);
    ELSIF TG_TABLE_NAME = 'changeset' THEN
        happened := 'changeset.' || NEW.status;
        more := jsonb_build_object('kind', NEW.kind);
    ELSE
        happened := 'review.' || CASE WHEN NEW.status = 'open' THEN 'opened' ELSE NEW.status END;
        more := jsonb_build_object('kind', NEW.kind);
    END IF;
    {_queue(_CHANGED)}
    RETURN NULL;
END $$;
-- A trigger needs no right of whoever fires it.
REVOKE ALL ON FUNCTION tell_of_new_rows() FROM PUBLIC;
REVOKE ALL ON FUNCTION tell_of_change() FROM PUBLIC;

CREATE TRIGGER memory_created_told AFTER INSERT ON memory REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_new_rows();
CREATE TRIGGER memory_erased_told AFTER INSERT ON tombstone REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_new_rows();
CREATE TRIGGER memory_change_told AFTER UPDATE OF version ON memory FOR EACH ROW
    WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION tell_of_change();
CREATE TRIGGER job_born_ended_told AFTER INSERT ON job FOR EACH ROW
    WHEN (NEW.status IN ('succeeded', 'failed', 'cancelled')) EXECUTE FUNCTION tell_of_change();
CREATE TRIGGER job_end_told AFTER UPDATE OF status ON job FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND NEW.status IN ('succeeded', 'failed', 'cancelled')) EXECUTE FUNCTION tell_of_change();
CREATE TRIGGER changeset_applied_told AFTER INSERT ON changeset FOR EACH ROW EXECUTE FUNCTION tell_of_change();
CREATE TRIGGER changeset_reverted_told AFTER UPDATE OF status ON changeset FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION tell_of_change();
CREATE TRIGGER review_opened_told AFTER INSERT ON review FOR EACH ROW EXECUTE FUNCTION tell_of_change();
CREATE TRIGGER review_change_told AFTER UPDATE OF status ON review FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION tell_of_change();
"""

# Workers look across tenants, and see nothing but ids. From one webhook for which something waits to the next, by the index of
# what waits: a receiver behind which a hundred thousand messages have piled up is one step. First whose message has waited the
# longest: by their ids the last tenants would never have their turn behind busy ones.
DUE = """
CREATE FUNCTION due_webhooks(at timestamptz, at_most integer)
RETURNS TABLE (tenant_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE waiting (tenant_id, webhook_id) AS (
        (SELECT d.tenant_id, d.webhook_id FROM public.webhook_delivery d WHERE d.status = 'pending'
            ORDER BY d.tenant_id, d.webhook_id LIMIT 1)
        UNION ALL
        SELECT n.tenant_id, n.webhook_id FROM waiting p CROSS JOIN LATERAL (
            SELECT d.tenant_id, d.webhook_id FROM public.webhook_delivery d WHERE d.status = 'pending'
                AND (d.tenant_id, d.webhook_id) > (p.tenant_id, p.webhook_id)
            ORDER BY d.tenant_id, d.webhook_id LIMIT 1) n
    )
    SELECT w.tenant_id, w.id FROM waiting p JOIN public.webhook w ON w.tenant_id = p.tenant_id AND w.id = p.webhook_id
    CROSS JOIN LATERAL (SELECT d.due_at FROM public.webhook_delivery d WHERE d.tenant_id = p.tenant_id
        AND d.webhook_id = p.webhook_id AND d.status = 'pending' AND d.due_at <= at ORDER BY d.due_at LIMIT 1) oldest
    WHERE w.active AND (w.retry_at IS NULL OR w.retry_at <= at)
    ORDER BY oldest.due_at, w.tenant_id, w.id LIMIT at_most
$$;
"""
# Never younger than a day: who may call it must not be able to empty the outbox of others. So many at a time, the oldest first, so
# that every call ends; it waits for nobody who holds one of them.
PURGE = """
CREATE FUNCTION purge_webhook_deliveries(before timestamptz, at_most integer) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH p AS (DELETE FROM public.webhook_delivery WHERE ctid = ANY (ARRAY (
        SELECT d.ctid FROM public.webhook_delivery d WHERE d.occurred_at <= least(before, now() - interval '1 day')
        ORDER BY d.occurred_at LIMIT at_most FOR UPDATE SKIP LOCKED)) RETURNING 1)
    SELECT count(*) FROM p
$$;
"""
SIGNATURES = ("due_webhooks(timestamptz, integer)", "purge_webhook_deliveries(timestamptz, integer)")
TOLD_OF = {
    "memory": ("memory_created_told", "memory_change_told"),
    "tombstone": ("memory_erased_told",),
    "job": ("job_born_ended_told", "job_end_told"),
    "changeset": ("changeset_applied_told", "changeset_reverted_told"),
    "review": ("review_opened_told", "review_change_told"),
}


KINDS = """
ALTER TABLE policy DROP CONSTRAINT policy_kind_check;
ALTER TABLE policy ADD CONSTRAINT policy_kind_check CHECK (kind IN ({}));
"""


def upgrade() -> None:
    maintenance, service = roles()
    run(TABLES)
    protect("webhook", "webhook_delivery")
    keep_out_of_statistics({"webhook": ("url", "namespace", "description", "secret", "former_secret")})
    run(TRIGGERS)
    run(KINDS.format("'retention', 'fusion'"))
    run(f"SET LOCAL ROLE {maintenance}")
    for function in (DUE, PURGE):
        run(function)
    for signature in SIGNATURES:
        run(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC; GRANT EXECUTE ON FUNCTION {signature} TO {service}")
    run("RESET ROLE")


def downgrade() -> None:
    maintenance, _ = roles()
    run(f"SET LOCAL ROLE {maintenance}")
    for signature in SIGNATURES:
        run(f"DROP FUNCTION {signature}")
    run("DELETE FROM policy WHERE kind = 'fusion'")  # Row level security would hide them from the owner.
    run("RESET ROLE")
    run(KINDS.format("'retention'"))
    for table, triggers in TOLD_OF.items():
        for trigger in triggers:
            run(f"DROP TRIGGER {trigger} ON {table}")
    run("DROP FUNCTION tell_of_new_rows(); DROP FUNCTION tell_of_change(); DROP TABLE webhook_delivery, webhook")
