-- Three tenants with 20,000 memories each, for the plan tests. A quarter of a tenant's memories lie in its first namespace,
-- the rest are spread over twenty. The word state_columns stands for the columns of one state of a memory.
CREATE FUNCTION pg_temp.id(kind integer, tenant integer, n integer) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
    SELECT (kind || '0000000-0000-0000-' || lpad(to_hex(tenant), 4, '0') || '-' || lpad(to_hex(n), 12, '0'))::uuid $$;
CREATE TEMP TABLE t AS SELECT n AS t, ('10000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid AS id
    FROM generate_series(1, 3) n;
CREATE TEMP TABLE r AS SELECT t.t, t.id AS tenant, n, pg_temp.id(3, t.t, n) AS id,
    pg_temp.id(2, t.t, CASE WHEN n % 4 = 0 THEN 0 ELSE n % 20 END) AS space,
    timestamptz '2025-01-01' + n * interval '1 minute' AS at FROM t, generate_series(1, 20000) n;
CREATE TEMP TABLE v AS SELECT n, (
        SELECT array_agg(random() + x * 0 + n * 0)::real[]::halfvec FROM generate_series(1, 384) x) AS v
    FROM generate_series(1, 200) n;

INSERT INTO tenant SELECT id, 't' || t, now() FROM t;
INSERT INTO encoder VALUES (1, 'e', 384, 256, 'f', '{}', 0, true, now());
INSERT INTO api_key SELECT t.id, pg_temp.id(9, t.t, n), 'k', 'ms_', sha256((t.t || '/' || n)::bytea), '{admin}', now()
    FROM t, generate_series(1, 1000) n;
INSERT INTO web_session SELECT t.id, pg_temp.id(9, t.t, n), sha256(('s' || t.t || '/' || n)::bytea), pg_temp.id(9, t.t, 1 + n % 1000),
    now(), timestamptz '2025-01-01' + n * interval '1 hour' FROM t, generate_series(1, 20000) n;
INSERT INTO login_link SELECT t.id, pg_temp.id(9, t.t, n), sha256(('l' || t.t || '/' || n)::bytea), pg_temp.id(9, t.t, 1 + n % 1000),
    now(), timestamptz '2025-01-01' + n * interval '1 hour' FROM t, generate_series(1, 20000) n;
INSERT INTO namespace SELECT t.id, pg_temp.id(2, t.t, n), 'space/' || lpad(n::text, 4, '0'), '{}', 1, 0, now(), 20000 / 20, 0
    FROM t, generate_series(0, 999) n;
INSERT INTO memory (tenant_id, id, namespace_id, user_id, agent_id, session_id, external_id, payload_type, memory_type, state, version,
    content, keywords, tags, entities, metadata, importance, confidence, pinned, observed_at, expires_at, created_at, updated_at,
    derivation_method, derivation_parents, content_hash, dedupe_hash, content_version, extract, enriched_version, terms)
    SELECT tenant, id, space, 'user' || n % 50, 'agent' || n % 5, 'session' || n / 20, CASE WHEN n % 2 = 0 THEN 'x' || n END,
        'plaintext', 'episodic', 'activated', 1, 'A memory of some length, number ' || n || ', of tenant ' || t, '{}',
        ARRAY['tag' || n % 10], '{}', '{}', 0.5, 1, false, at, CASE WHEN n % 500 = 0 THEN timestamptz '2999-01-01' END, at, at,
        'verbatim', '{}', sha256(n::text::bytea), sha256(n::text::bytea), 1, 'rules', CASE WHEN n % 1000 = 0 THEN 0 ELSE 1 END,
        ARRAY['w' || n % 700] FROM r;
INSERT INTO memory_version (tenant_id, id, state_columns, known_to)
    SELECT tenant_id, id, state_columns, updated_at FROM memory WHERE get_byte(content_hash, 0) < 64;
INSERT INTO source SELECT tenant, id, 0, 'user', NULL, NULL, NULL, 0, 1, sha256(n::text::bytea), at FROM r;
INSERT INTO time_mention SELECT tenant, id, 1, 0, space, at, at + interval '1 day', 'today', 0, 5, 'day', at, 'infinity' FROM r
    WHERE n % 2 = 0;
-- A hundredth is due; the others have been looked at, under the policy in force.
INSERT INTO retention (tenant_id, memory_id, namespace_id, stability_days, difficulty, recall_count, last_recalled_at, policy_id, due_at)
    SELECT tenant, id, space, 14, 5, 1, at, '00000000-0000-0000-0000-000000000001',
        CASE WHEN n % 100 = 0 THEN timestamptz '2025-01-01' ELSE timestamptz '2027-01-01' END FROM r;
INSERT INTO policy SELECT t.id, pg_temp.id(4, t.t, n), pg_temp.id(2, t.t, n % 1000), 'retention', '{}', at, CASE WHEN n > 4000 THEN 'infinity' ELSE at END
    FROM t, generate_series(1, 5000) n, LATERAL (SELECT timestamptz '2025-01-01' + n * interval '1 minute' AS at) moment;
INSERT INTO fact SELECT tenant, id, 1, 0, space, '', 's' || n % 200, 'a' || n % 40, 'v', 'v', true, true, false, false, NULL, NULL, NULL, NULL,
    0, 5, 'rules', at FROM r WHERE n % 2 = 0;
INSERT INTO recall SELECT tenant, id, pg_temp.id(7, t, n), pg_temp.id(6, t, n), 1, 1, NULL, NULL, at FROM r WHERE n <= 5000;
INSERT INTO link SELECT tenant, pg_temp.id(4, t, n), space, id, pg_temp.id(3, t, n - 1), 'next', 1, 'rules', NULL, at
    FROM r WHERE n BETWEEN 2 AND 10000;
INSERT INTO embedding SELECT tenant, 0, space, 1, r.id, 1, 0, 0, 1, at, 'infinity', v.v FROM r JOIN v ON v.n = 1 + r.n % 200
    ORDER BY r.n;
INSERT INTO embedding SELECT tenant, 1, space, 2, r.id, 1, 0, 0, 1, at, 'infinity', v.v FROM r JOIN v ON v.n = 1 + r.n % 200
    WHERE r.n <= 1000;
INSERT INTO embedding_coarse SELECT tenant, space, r.id, at, 'infinity', 2, 0, 1, 1, 0, 1 + r.n % 2, binary_quantize(v.v),
    CASE WHEN r.n % 2 = 0 THEN decode(repeat('7f', 384), 'hex') END FROM r JOIN v ON v.n = 1 + r.n % 200 ORDER BY r.n;
INSERT INTO posting SELECT tenant, space, 'w' || (n * k * 7919 % (100 * k * k)), id, 1, 1, at FROM r, generate_series(1, 6) k
    ON CONFLICT DO NOTHING;
INSERT INTO term_stat SELECT t.id, pg_temp.id(2, t.t, n % 20), 'w' || n, 600 FROM t, generate_series(1, 2000) n;
INSERT INTO entity SELECT t.id, pg_temp.id(0, t.t, n), pg_temp.id(2, t.t, CASE WHEN n % 4 = 0 THEN 0 ELSE n % 20 END), 'E' || n, 'e' || n, 'name'
    FROM t, generate_series(1, 2000) n;
INSERT INTO entity_name SELECT tenant_id, namespace_id, folded, id, name FROM entity;
INSERT INTO mention SELECT r.tenant, r.id, 1, pg_temp.id(0, r.t, 1 + (n * 20) % 2000), r.space, ARRAY['e'], '{0,1}', at FROM r;
INSERT INTO speaker SELECT t.id, pg_temp.id(2, t.t, n % 20), 's' || n FROM t, generate_series(1, 2000) n;
INSERT INTO corpus_delta SELECT t.id, pg_temp.id(2, t.t, n % 20), pg_temp.id(5, t.t, n), 1 FROM t, generate_series(1, 2000) n;
INSERT INTO job SELECT t.id, pg_temp.id(5, t.t, n), 'enrich', pg_temp.id(2, t.t, n % 20),
    CASE WHEN n % 1000 = 0 THEN 'queued' ELSE 'succeeded' END, 0, 1, '{}', '[]', NULL, 0, NULL, now(), NULL, NULL, now() + interval '30 days'
    FROM t, generate_series(1, 5000) n;
INSERT INTO model_usage SELECT t.id, pg_temp.id(0, t.t, n), pg_temp.id(5, t.t, 1 + n % 5000), 'facts', 'm', 1, 9, 9, 0, 0, NULL, now(),
    now() + interval '30 days' FROM t, generate_series(1, 5000) n;
INSERT INTO dead_letter SELECT tenant, pg_temp.id(0, t, n), pg_temp.id(5, t, n), 'facts', 'm', 'No.', 'no JSON', at, timestamptz '2999-01-01'
    FROM r WHERE n <= 5000;
INSERT INTO dead_letter_memory SELECT tenant, pg_temp.id(0, t, n), id FROM r WHERE n <= 5000;
INSERT INTO trace SELECT t.id, pg_temp.id(6, t.t, n), '{}', 'q', '{}', '{"results": []}', now(), now() + interval '30 days'
    FROM t, generate_series(1, 5000) n;
INSERT INTO idempotency_key SELECT t.id, pg_temp.id(9, t.t, 1), 'key' || n, '', 200, '{}', '', now(), now() + interval '1 day'
    FROM t, generate_series(1, 5000) n;
INSERT INTO document (tenant_id, id, namespace_id, external_id, user_id, mime_type, metadata, version, file_hash, content_hash, characters,
    chunks, job_id, observed_at, created_at, updated_at)
    SELECT t.id, pg_temp.id(4, t.t, n), pg_temp.id(2, t.t, n % 20), 'd' || n, 'user' || n % 50, 'text/plain', '{}', 1, sha256(n::text::bytea),
    sha256(n::text::bytea), 4, 1, pg_temp.id(5, t.t, n), now(), now(), now() FROM t, generate_series(1, 5000) n;
INSERT INTO document_text SELECT tenant_id, id, 1, 'text', now() FROM document;
INSERT INTO document_chunk SELECT r.tenant, pg_temp.id(4, t, n), 1, 0, r.id, 0, 4 FROM r WHERE n <= 5000;
INSERT INTO document_upload SELECT t.id, pg_temp.id(5, t.t, n), pg_temp.id(2, t.t, n % 20), pg_temp.id(4, t.t, n), '{}', 'text', now()
    FROM t, generate_series(1, 5000) n;
INSERT INTO import_record SELECT tenant, pg_temp.id(5, t, n), 2, 'memory', 'space/0001', 'user' || n % 50, NULL, NULL, '{}', NULL, NULL, NULL, NULL
    FROM r WHERE n <= 5000;
INSERT INTO import_record_memory SELECT tenant, id, pg_temp.id(5, t, n), 2 FROM r WHERE n <= 5000;
INSERT INTO kv_memory SELECT tenant, pg_temp.id(7, t, n), space, NULL, 'm', sha256((n % 5)::text::bytea), '{}', 16, 0, 4, 64, '', '', NULL,
    NULL, 'raw', 'exact', 1000, sha256(''), 0.1, CASE WHEN n % 50 = 0 THEN 'stale' ELSE 'live' END,
    CASE WHEN n % 50 = 0 THEN 'changed' END, CASE WHEN n % 50 = 0 THEN at END, n % 100 <> 0, 1, at, 0, NULL, at, timestamptz '2999-01-01'
    FROM r WHERE n <= 5000;
INSERT INTO kv_block SELECT tenant, sha256((n || '/' || p)::bytea), pg_temp.id(7, t, n), p FROM r, generate_series(0, 3) p
    WHERE n <= 5000 AND n % 50 <> 0;
INSERT INTO kv_source SELECT tenant, id, pg_temp.id(7, t, n), 1, 0, 64 FROM r WHERE n <= 5000;
INSERT INTO kv_engine SELECT t.id, sha256(n::text::bytea), 'm' || n, '{}', 1024, NULL, now(), now() FROM t, generate_series(0, 4) n;
INSERT INTO kv_plan SELECT tenant, pg_temp.id(8, t, n), space, sha256((n % 5)::text::bytea), 'm', 64, '', '', 16, '', 0, at, timestamptz '2999-01-01'
    FROM r WHERE n <= 5000;
INSERT INTO kv_plan_source SELECT tenant, pg_temp.id(8, t, n), id, 1, 'shared', 0, 64, 0 FROM r WHERE n <= 5000;
INSERT INTO parametric_memory SELECT t.id, pg_temp.id(6, t.t, n), pg_temp.id(2, t.t, n % 1000), 'cube ' || n, 'associative', 1, 0.1, 2, 2, NULL,
    now(), now() FROM t, generate_series(1, 1000) n;
INSERT INTO parametric_version SELECT t.id, pg_temp.id(6, t.t, n), v, NULL, ARRAY[1, v], 'trained', pg_temp.id(5, t.t, n),
    CASE WHEN n % 100 = 0 THEN 'stale' ELSE 'kept' END, CASE WHEN n % 100 = 0 THEN 'erased' END, CASE WHEN n % 100 = 0 THEN now() END, 1, 1, 5,
    CASE WHEN n % 100 > 0 THEN decode(repeat('00', 8), 'hex') END, CASE WHEN n % 100 > 0 THEN sha256('') END,
    CASE WHEN n % 100 > 0 THEN decode('00000000', 'hex') END, NULL, now() FROM t, generate_series(1, 1000) n, generate_series(1, 2) v;
INSERT INTO parametric_pair SELECT tenant, pg_temp.id(6, t, 1 + n % 1000), n / 1000, space, id, 1, 'cue ' || n, sha256(n::text::bytea), 'given',
    'user' || n % 50, NULL, NULL, NULL, false, 1, 1, decode('00000000', 'hex'), decode('00000000', 'hex'), at FROM r WHERE n <= 5000;
INSERT INTO block SELECT tenant, id, pg_temp.id(2, t, 0), CASE WHEN n % 2 = 0 THEN 'human' ELSE 'notes' END, 'user' || n, NULL, 1, at, at
    FROM r WHERE n <= 5000;
INSERT INTO block_version SELECT tenant, id, 1, 'Likes tea.', NULL, 5000, false, '{}', false, 'put', NULL, at FROM r WHERE n <= 5000;
INSERT INTO task_node SELECT tenant, id, space, pg_temp.id(3, t, 1 + n / 1000 * 1000), CASE WHEN n >= 10 THEN pg_temp.id(3, t, n / 10) END, 1, 'user' || n % 50,
    'agent' || n % 5, 'session' || n / 20, NULL, CASE WHEN n % 7 = 0 THEN 'open' ELSE 'succeeded' END, 1, at, at FROM r WHERE n <= 5000;
INSERT INTO task_version SELECT tenant, id, 1, CASE WHEN n % 7 = 0 THEN 'open' ELSE 'succeeded' END, 'A step', NULL, NULL, NULL, '{}', '{}', NULL,
    NULL, 'create', at FROM r WHERE n <= 5000;
INSERT INTO task_dependency SELECT tenant, id, pg_temp.id(3, t, n - 1) FROM r WHERE n BETWEEN 2 AND 5000;
INSERT INTO webhook SELECT t.id, pg_temp.id(7, t.t, n), 'https://a.example/', '{memory.created}', NULL, NULL, false, true, '', NULL, NULL, 0,
    NULL, NULL, NULL, now(), now() FROM t, generate_series(1, 2000) n;
INSERT INTO webhook_delivery SELECT tenant, pg_temp.id(6, t, n), pg_temp.id(7, t, 1 + n % 2000), id, 'memory.created', space, id, 1, '{}', at,
    CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'delivered' END, 1, at, '[]', at FROM r;
INSERT INTO audit_event SELECT tenant, id, at, pg_temp.id(9, t, 1 + n % 1000), CASE WHEN n % 2 = 0 THEN 'export' ELSE 'import.begin' END, 'job', id,
    space, '{}' FROM r WHERE n <= 5000;
INSERT INTO audit_seal SELECT tenant, n, id, sha256(n::text::bytea) FROM r WHERE n <= 5000;
INSERT INTO tombstone SELECT t.id, pg_temp.id(8, t.t, n), pg_temp.id(2, t.t, 0), '', now() FROM t, generate_series(1, 5000) n;
INSERT INTO erased_text SELECT t.id, pg_temp.id(2, t.t, n % 20), sha256(n::text::bytea), pg_temp.id(8, t.t, n), now()
    FROM t, generate_series(1, 5000) n;
INSERT INTO changeset SELECT t.id, pg_temp.id(3, t.t, n), pg_temp.id(2, t.t, n % 20), NULL, 'consolidation', 'applied', '{}', NULL, now()
    FROM t, generate_series(1, 2000) n;
INSERT INTO change SELECT tenant, pg_temp.id(3, t, 1 + n % 2000), n, 'revise', 'notes', id, NULL, NULL, 1, 1, NULL, NULL, NULL, '', 'rules'
    FROM r WHERE n <= 5000;
INSERT INTO review SELECT tenant, pg_temp.id(3, t, n), space, 'conflict', 'merge', 'open', id, NULL, 1, '', 'rules',
    NULL, NULL, now() FROM r WHERE n <= 2000;
INSERT INTO tier_work SELECT t.id, pg_temp.id(2, t.t, n % 20), 'session', 's' || n, now() FROM t, generate_series(1, 2000) n;
INSERT INTO feedback SELECT tenant, pg_temp.id(6, t, n), id, space, 'q', NULL, true, false, at, timestamptz '2999-01-01' FROM r WHERE n <= 5000;
INSERT INTO saved_query SELECT tenant, pg_temp.id(5, t, n), space, 'q' || n, NULL, sha256(n::text::bytea), 'feedback', at
    FROM r WHERE n <= 5000;
INSERT INTO saved_query_memory SELECT tenant, pg_temp.id(5, t, n), id FROM r WHERE n <= 5000;
INSERT INTO fusion_weights SELECT t.id, pg_temp.id(4, t.t, n), pg_temp.id(2, t.t, n % 1000), '{}', 'accepted', '', '{}', NULL, at, at,
    CASE WHEN n > 4000 THEN 'infinity' ELSE at END
    FROM t, generate_series(1, 5000) n, LATERAL (SELECT timestamptz '2025-01-01' + n * interval '1 minute' AS at) moment;
INSERT INTO episode SELECT 'user' || n % 50, 'agent' || n % 5, 'session' || n / 20, pg_temp.id(3, t, n), pg_temp.id(3, t, n + 19),
    at, at, 20, tenant, pg_temp.id(0, t, n), at, 'infinity', space, NULL, 'rules' FROM r WHERE n % 20 = 0;
INSERT INTO topic SELECT CASE WHEN n % 20 > 0 THEN pg_temp.id(0, t, n / 20 * 20) END, CASE WHEN n % 20 > 0 THEN 0 ELSE 1 END, 10, NULL,
    tenant, pg_temp.id(0, t, n), at, 'infinity', space, NULL, 'rules' FROM r WHERE n <= 2000;
INSERT INTO gist SELECT 'episode', pg_temp.id(0, t, n), 'A gist.', '{}', '[]', tenant, pg_temp.id(1, t, n), at, 'infinity', space, NULL,
    'rules' FROM r WHERE n % 20 = 0;
INSERT INTO community SELECT 10, ARRAY[pg_temp.id(0, t, 1)], tenant, pg_temp.id(0, t, n), at, 'infinity', space, NULL, 'rules' FROM r
    WHERE n % 20 = 0;
INSERT INTO profile SELECT 'user' || n % 50, '[]', tenant, pg_temp.id(0, t, n), at, 'infinity', space, NULL, 'rules' FROM r
    WHERE n % 20 = 0;
INSERT INTO structure_member SELECT tenant, pg_temp.id(0, t, n / 20 * 20), id, at, 'infinity', space, 'episode' FROM r;
