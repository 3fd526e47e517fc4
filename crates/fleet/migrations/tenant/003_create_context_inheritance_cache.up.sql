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
DO $guard$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_constraint
                   WHERE conrelid = '{schema}.context_inheritance_cache'::regclass
                     AND conname = 'context_inheritance_cache_pkey') THEN
        ALTER TABLE {schema}.context_inheritance_cache
            ADD CONSTRAINT context_inheritance_cache_pkey PRIMARY KEY (id);
    END IF;
END
$guard$;
