"""Parametric memories: cubes, their versions with weights, and the pairs they were taught.

Weights lie in a column, not in the store of blobs: an erasure must empty them in its own transaction, and at 8·d² bytes (1.2 MB
for 384 dimensions) they are small enough for a row. The vectors of a pair lie beside it, so that a cube is made anew from what
is left without any encoder.

Revision ID: 0032
Revises: 0031
"""

from migrations.tenancy import keep_out_of_statistics, protect, roles, run

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE parametric_memory (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('associative')),
    gamma double precision NOT NULL CHECK (gamma > 0 AND gamma <= 1),
    ridge double precision NOT NULL CHECK (ridge > 0 AND ridge < 'Infinity'),
    -- Null: nothing was taught, or nothing is left of it.
    active_version integer,
    last_version integer NOT NULL CHECK (last_version >= 0),
    -- When it is stale and could not be made anew, or not wholly: until then others have their turn.
    rest_until timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, namespace_id, name),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
);

-- A cue, and the memory it is to bring. While it waits for a job it belongs to no version; its vectors come batch by batch.
-- Made before the versions: where a cube is deleted its pairs go first, as in an erasure, so that neither waits for the other.
CREATE TABLE parametric_pair (
    tenant_id uuid NOT NULL,
    parametric_memory_id uuid NOT NULL,
    position integer NOT NULL CHECK (position >= 0),
    namespace_id uuid NOT NULL,
    memory_id uuid NOT NULL,
    -- Whose text the value is the vector of.
    memory_version integer NOT NULL,
    cue text NOT NULL,
    cue_hash bytea NOT NULL CHECK (octet_length(cue_hash) = 32),
    origin text NOT NULL CHECK (origin IN ('given', 'feedback')),
    -- Who asked, where the cue is a question that was asked.
    user_id text,
    agent_id text,
    session_id text,
    job_id uuid,
    -- Asked once before the version is put in force, and not learned.
    probe boolean NOT NULL,
    version integer,
    encoder_id smallint,
    key bytea,
    value bytea,
    created_at timestamptz NOT NULL,
    CHECK ((version IS NULL) = (job_id IS NOT NULL)),
    CHECK (version IS NULL OR NOT probe),
    CHECK (version IS NULL OR key IS NOT NULL),
    CHECK ((key IS NULL) = (value IS NULL) AND (key IS NULL) = (encoder_id IS NULL)),
    PRIMARY KEY (tenant_id, parametric_memory_id, position),
    FOREIGN KEY (tenant_id, parametric_memory_id) REFERENCES parametric_memory (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE,
    -- What waits for a job that is gone will not be learned.
    FOREIGN KEY (tenant_id, job_id) REFERENCES job (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX parametric_pair_memory ON parametric_pair (tenant_id, memory_id);
CREATE INDEX parametric_pair_job ON parametric_pair (tenant_id, job_id) WHERE job_id IS NOT NULL;

-- A version is made of the pairs of all trainings in its lineage, itself among them. One that is stale has no weights.
CREATE TABLE parametric_version (
    tenant_id uuid NOT NULL,
    parametric_memory_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    parent integer,
    lineage integer[] NOT NULL,
    cause text NOT NULL CHECK (cause IN ('trained', 'rebuilt', 'merged')),
    job_id uuid,
    state text NOT NULL CHECK (state IN ('kept', 'rejected', 'stale')),
    reason text CHECK (reason IN ('changed', 'erased', 'encoder', 'damaged')),
    stale_at timestamptz,
    encoder_id smallint NOT NULL,
    dimension integer NOT NULL CHECK (dimension > 0),
    pairs integer NOT NULL CHECK (pairs >= 0),
    -- H and U, float32, little-endian, row by row.
    weights bytea,
    checksum bytea CHECK (octet_length(checksum) = 32),
    centroid bytea,
    canary jsonb,
    created_at timestamptz NOT NULL,
    CHECK ((state = 'stale') = (reason IS NOT NULL)),
    CHECK ((state = 'kept') = (weights IS NOT NULL)),
    CHECK ((weights IS NULL) = (checksum IS NULL) AND (weights IS NULL) = (centroid IS NULL)),
    CHECK (octet_length(weights) = 8 * dimension * dimension),
    PRIMARY KEY (tenant_id, parametric_memory_id, version),
    FOREIGN KEY (tenant_id, parametric_memory_id) REFERENCES parametric_memory (tenant_id, id) ON DELETE CASCADE
);
-- They are numbers that no compression shortens.
ALTER TABLE parametric_version ALTER COLUMN weights SET STORAGE EXTERNAL;
CREATE INDEX parametric_version_stale ON parametric_version (tenant_id, parametric_memory_id, version) WHERE state = 'stale';
"""

# Whoever takes a pair away, by erasing its memory, its asker or by hand, empties in that very transaction every version that
# learned it. A text that changed, and another encoder, make versions stale as well: their values are of what is no more.
TRIGGERS = """
CREATE FUNCTION mark_parametric() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'parametric_pair' THEN
        UPDATE public.parametric_version v SET state = 'stale', reason = 'erased', stale_at = statement_timestamp(),
            weights = NULL, checksum = NULL, centroid = NULL
        WHERE v.tenant_id = OLD.tenant_id AND v.parametric_memory_id = OLD.parametric_memory_id AND v.state = 'kept'
            AND OLD.version = ANY (v.lineage);
    ELSIF TG_TABLE_NAME = 'memory' THEN
        UPDATE public.parametric_version v SET state = 'stale', reason = 'changed', stale_at = statement_timestamp(),
            weights = NULL, checksum = NULL, centroid = NULL
        FROM public.parametric_pair p
        WHERE p.tenant_id = OLD.tenant_id AND p.memory_id = OLD.id AND v.tenant_id = p.tenant_id
            AND v.parametric_memory_id = p.parametric_memory_id AND v.state = 'kept' AND p.version = ANY (v.lineage);
    ELSE
        UPDATE public.parametric_version v SET state = 'stale', reason = 'encoder', stale_at = statement_timestamp(),
            weights = NULL, checksum = NULL, centroid = NULL
        FROM public.parametric_memory m
        WHERE m.tenant_id = OLD.tenant_id AND m.namespace_id = OLD.id AND v.tenant_id = m.tenant_id
            AND v.parametric_memory_id = m.id AND v.state = 'kept';
    END IF;
    RETURN NULL;
END $$;
-- A trigger needs no right of whoever fires it.
REVOKE ALL ON FUNCTION mark_parametric() FROM PUBLIC;
CREATE TRIGGER parametric_pair_gone AFTER DELETE ON parametric_pair FOR EACH ROW
    WHEN (OLD.version IS NOT NULL) EXECUTE FUNCTION mark_parametric();
CREATE TRIGGER memory_parametric_changed AFTER UPDATE OF content ON memory FOR EACH ROW
    WHEN (OLD.content IS DISTINCT FROM NEW.content) EXECUTE FUNCTION mark_parametric();
CREATE TRIGGER namespace_parametric_encoder AFTER UPDATE OF encoder_id ON namespace FOR EACH ROW
    WHEN (OLD.encoder_id <> NEW.encoder_id) EXECUTE FUNCTION mark_parametric();
"""

# The sweep looks across tenants, and sees nothing but ids.
SWEEP = """
    CREATE FUNCTION stale_parametric(at timestamptz, at_most integer) RETURNS TABLE (tenant_id uuid, id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT m.tenant_id, m.id FROM public.parametric_version v JOIN public.parametric_memory m
            ON m.tenant_id = v.tenant_id AND m.id = v.parametric_memory_id AND m.active_version = v.version
        WHERE v.state = 'stale' AND (m.rest_until IS NULL OR m.rest_until <= at)
        ORDER BY greatest(v.stale_at, m.rest_until), m.id LIMIT at_most
    $$
"""
SIGNATURE = "stale_parametric(timestamptz, integer)"


def upgrade() -> None:
    maintenance, service = roles()
    run(TABLES)
    protect("parametric_memory", "parametric_version", "parametric_pair")
    keep_out_of_statistics(
        {
            "parametric_memory": ("name",),
            "parametric_version": ("weights", "checksum", "centroid"),
            "parametric_pair": ("cue", "cue_hash", "key", "value"),
        }
    )
    run(TRIGGERS)
    run(SWEEP)
    run(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC; GRANT EXECUTE ON FUNCTION {SIGNATURE} TO {service}")
    run(f"ALTER FUNCTION {SIGNATURE} OWNER TO {maintenance}")


def downgrade() -> None:
    run(f"DROP FUNCTION {SIGNATURE}")
    run("""
        DROP TRIGGER memory_parametric_changed ON memory;
        DROP TRIGGER namespace_parametric_encoder ON namespace;
        DROP TABLE parametric_version, parametric_pair, parametric_memory;
        DROP FUNCTION mark_parametric();
    """)
