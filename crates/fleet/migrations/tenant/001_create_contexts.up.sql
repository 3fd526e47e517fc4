-- The contexts of one tenant. {schema} is the tenant's schema as an identifier, {tenant} its id as a literal.
-- Text is ordered by octets (COLLATE "C"), so that pages are the same on every store.
CREATE TABLE IF NOT EXISTS {schema}.contexts (
    id           VARCHAR(50) COLLATE "C" NOT NULL,
    context_data JSONB        NOT NULL,
    context_type VARCHAR(100) NOT NULL,
    title        VARCHAR(255),
    description  TEXT,
    tags         TEXT[]       NOT NULL DEFAULT '{}',
    tenant_id    VARCHAR(100) NOT NULL,
    user_id      VARCHAR(100),
    created_at   TIMESTAMPTZ  NOT NULL DEFAULT now(),
    updated_at   TIMESTAMPTZ  NOT NULL DEFAULT now(),
    expires_at   TIMESTAMPTZ,
    version      INTEGER      NOT NULL DEFAULT 1
);
SELECT public.add_missing_constraints('{schema}.contexts', ARRAY[
    ['contexts_pkey', 'PRIMARY KEY (id)'],
    ['contexts_tenant_id_check', $check$CHECK (tenant_id = {tenant})$check$],
    ['contexts_version_check', 'CHECK (version >= 0)'],
    ['contexts_id_check', $check$CHECK (id ~ '^ctx_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')$check$],
    ['contexts_context_data_check', $check$CHECK (jsonb_typeof(context_data) = 'object')$check$]
]);
CREATE INDEX IF NOT EXISTS idx_contexts_tenant_id ON {schema}.contexts (tenant_id);
CREATE INDEX IF NOT EXISTS idx_contexts_user_id ON {schema}.contexts (user_id);
CREATE INDEX IF NOT EXISTS idx_contexts_context_type ON {schema}.contexts (context_type);
CREATE INDEX IF NOT EXISTS idx_contexts_created_at ON {schema}.contexts (created_at);
CREATE INDEX IF NOT EXISTS idx_contexts_expires_at ON {schema}.contexts (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_contexts_tags ON {schema}.contexts USING gin (tags);
CREATE INDEX IF NOT EXISTS idx_contexts_data ON {schema}.contexts USING gin (context_data jsonb_path_ops);
