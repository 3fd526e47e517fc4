-- The columns that make an entry of the cache provable: which versions it was made of, and what became of it.
ALTER TABLE {schema}.context_inheritance_cache
    ADD COLUMN IF NOT EXISTS context_level       VARCHAR(50),
    ADD COLUMN IF NOT EXISTS resolved_context    JSONB,
    ADD COLUMN IF NOT EXISTS dependencies_hash   VARCHAR DEFAULT 'migration_default',
    ADD COLUMN IF NOT EXISTS resolution_path     VARCHAR DEFAULT 'direct',
    ADD COLUMN IF NOT EXISTS hit_count           INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS last_hit            TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
    ADD COLUMN IF NOT EXISTS cache_size_bytes    INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS invalidated         BOOLEAN DEFAULT FALSE,
    ADD COLUMN IF NOT EXISTS invalidation_reason VARCHAR DEFAULT NULL;
SELECT public.add_missing_constraints('{schema}.context_inheritance_cache', ARRAY[
    ['chk_cache_context_level', $check$CHECK (context_level IN ('task', 'branch', 'project', 'global'))$check$]
]);
CREATE INDEX IF NOT EXISTS idx_cache_level ON {schema}.context_inheritance_cache (context_level);
CREATE INDEX IF NOT EXISTS idx_cache_expires ON {schema}.context_inheritance_cache (expires_at);
CREATE INDEX IF NOT EXISTS idx_cache_invalidated ON {schema}.context_inheritance_cache (invalidated);
CREATE INDEX IF NOT EXISTS idx_cache_hit_count ON {schema}.context_inheritance_cache (hit_count);
CREATE INDEX IF NOT EXISTS idx_cache_last_hit ON {schema}.context_inheritance_cache (last_hit);
