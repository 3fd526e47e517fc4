-- The tree: level, parent, key and rules of inheritance. And the words that search finds a context by: they are cut by
-- the service, so that a row which something else wrote has none yet (NULL) and is read to be searched.
ALTER TABLE {schema}.contexts
    ADD COLUMN IF NOT EXISTS context_level VARCHAR(50),
    ADD COLUMN IF NOT EXISTS parent_id     VARCHAR(50) COLLATE "C",
    ADD COLUMN IF NOT EXISTS node_key      VARCHAR(255) COLLATE "C",
    ADD COLUMN IF NOT EXISTS inheritance   JSONB,
    ADD COLUMN IF NOT EXISTS terms         TEXT[];
SELECT public.add_missing_constraints('{schema}.contexts', ARRAY[
    ['contexts_place_check', $check$CHECK (CASE
        WHEN context_level IS NULL THEN parent_id IS NULL AND node_key IS NULL
        WHEN context_level = 'global' THEN parent_id IS NULL AND node_key IS NULL AND expires_at IS NULL
        WHEN context_level IN ('project', 'branch', 'task') THEN parent_id IS NOT NULL AND node_key IS NOT NULL
        ELSE false
    END)$check$],
    ['contexts_parent_id_fkey', 'FOREIGN KEY (parent_id) REFERENCES {schema}.contexts (id) ON DELETE CASCADE']
]);
CREATE UNIQUE INDEX IF NOT EXISTS idx_contexts_global ON {schema}.contexts (tenant_id) WHERE context_level = 'global';
CREATE UNIQUE INDEX IF NOT EXISTS idx_contexts_parent_key ON {schema}.contexts (parent_id, node_key);
CREATE INDEX IF NOT EXISTS idx_contexts_terms ON {schema}.contexts USING gin (terms);
CREATE INDEX IF NOT EXISTS idx_contexts_without_terms ON {schema}.contexts (id) WHERE terms IS NULL;
-- The service raises the version itself, and is left alone; the function looks after everybody else's updates.
CREATE OR REPLACE TRIGGER update_contexts_updated_at BEFORE UPDATE ON {schema}.contexts
    FOR EACH ROW WHEN (NEW.version <= OLD.version) EXECUTE FUNCTION public.update_updated_at_column();
