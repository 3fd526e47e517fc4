-- The cache of resolved contexts, as earlier systems had it.
CREATE TABLE IF NOT EXISTS {schema}.context_inheritance_cache (
    id            VARCHAR(50) NOT NULL,
    context_id    VARCHAR(50) NOT NULL,
    context_type  VARCHAR(50),
    resolved_data JSONB,
    parent_chain  JSONB,
    user_id       VARCHAR(100),
    created_at    TIMESTAMPTZ DEFAULT now(),
    expires_at    TIMESTAMPTZ
);
SELECT public.add_missing_constraints('{schema}.context_inheritance_cache', ARRAY[
    ['context_inheritance_cache_pkey', 'PRIMARY KEY (id)']
]);
