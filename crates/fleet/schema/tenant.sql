-- What the schema of a tenant holds: the result of all migrations. A new tenant is made from this; a schema
-- that exists already gets the same from the migrations. {schema} is the schema as an identifier, {tenant}
-- the id as a literal.
CREATE TABLE {schema}.contexts (
    id            VARCHAR(50) COLLATE "C" NOT NULL,
    context_data  JSONB        NOT NULL,
    context_type  VARCHAR(100) NOT NULL,
    title         VARCHAR(255),
    description   TEXT,
    tags          TEXT[]       NOT NULL DEFAULT '{}',
    tenant_id     VARCHAR(100) NOT NULL,
    user_id       VARCHAR(100),
    created_at    TIMESTAMPTZ  NOT NULL DEFAULT now(),
    updated_at    TIMESTAMPTZ  NOT NULL DEFAULT now(),
    expires_at    TIMESTAMPTZ,
    version       INTEGER      NOT NULL DEFAULT 1,
    context_level VARCHAR(50),
    parent_id     VARCHAR(50) COLLATE "C",
    node_key      VARCHAR(255) COLLATE "C",
    inheritance   JSONB,
    terms         TEXT[],
    CONSTRAINT contexts_pkey PRIMARY KEY (id),
    CONSTRAINT contexts_id_check CHECK (id ~ '^ctx_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'),
    CONSTRAINT contexts_tenant_id_check CHECK (tenant_id = {tenant}),
    CONSTRAINT contexts_version_check CHECK (version >= 0),
    CONSTRAINT contexts_context_data_check CHECK (jsonb_typeof(context_data) = 'object'),
    CONSTRAINT contexts_place_check CHECK (CASE
        WHEN context_level IS NULL THEN parent_id IS NULL AND node_key IS NULL
        WHEN context_level = 'global' THEN parent_id IS NULL AND node_key IS NULL AND expires_at IS NULL
        WHEN context_level IN ('project', 'branch', 'task') THEN parent_id IS NOT NULL AND node_key IS NOT NULL
        ELSE false
    END),
    CONSTRAINT contexts_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES {schema}.contexts (id) ON DELETE CASCADE
);
CREATE INDEX idx_contexts_tenant_id ON {schema}.contexts (tenant_id);
CREATE INDEX idx_contexts_user_id ON {schema}.contexts (user_id);
CREATE INDEX idx_contexts_context_type ON {schema}.contexts (context_type);
CREATE INDEX idx_contexts_created_at ON {schema}.contexts (created_at);
CREATE INDEX idx_contexts_expires_at ON {schema}.contexts (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX idx_contexts_tags ON {schema}.contexts USING gin (tags);
CREATE INDEX idx_contexts_data ON {schema}.contexts USING gin (context_data jsonb_path_ops);
CREATE UNIQUE INDEX idx_contexts_global ON {schema}.contexts (tenant_id) WHERE context_level = 'global';
CREATE UNIQUE INDEX idx_contexts_parent_key ON {schema}.contexts (parent_id, node_key);
CREATE INDEX idx_contexts_terms ON {schema}.contexts USING gin (terms);
CREATE INDEX idx_contexts_without_terms ON {schema}.contexts (id) WHERE terms IS NULL;
CREATE TRIGGER update_contexts_updated_at BEFORE UPDATE ON {schema}.contexts
    FOR EACH ROW WHEN (NEW.version <= OLD.version) EXECUTE FUNCTION public.update_updated_at_column();

CREATE TABLE {schema}.context_inheritance_cache (
    id                  VARCHAR(50) NOT NULL,
    context_id          VARCHAR(50) NOT NULL,
    context_type        VARCHAR(50),
    resolved_data       JSONB,
    parent_chain        JSONB,
    user_id             VARCHAR(100),
    created_at          TIMESTAMPTZ DEFAULT now(),
    expires_at          TIMESTAMPTZ,
    context_level       VARCHAR(50),
    resolved_context    JSONB,
    dependencies_hash   VARCHAR DEFAULT 'migration_default',
    resolution_path     VARCHAR DEFAULT 'direct',
    hit_count           INTEGER DEFAULT 0,
    last_hit            TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP,
    cache_size_bytes    INTEGER DEFAULT 0,
    invalidated         BOOLEAN DEFAULT FALSE,
    invalidation_reason VARCHAR DEFAULT NULL,
    CONSTRAINT context_inheritance_cache_pkey PRIMARY KEY (id),
    CONSTRAINT chk_cache_context_level CHECK (context_level IN ('task', 'branch', 'project', 'global'))
);
CREATE INDEX idx_cache_level ON {schema}.context_inheritance_cache (context_level);
CREATE INDEX idx_cache_expires ON {schema}.context_inheritance_cache (expires_at);
CREATE INDEX idx_cache_invalidated ON {schema}.context_inheritance_cache (invalidated);
CREATE INDEX idx_cache_hit_count ON {schema}.context_inheritance_cache (hit_count);
CREATE INDEX idx_cache_last_hit ON {schema}.context_inheritance_cache (last_hit);

CREATE TABLE {schema}.context_changes (
    tenant_id             VARCHAR(100) NOT NULL,
    transaction_id        XID8         NOT NULL,
    context_id            VARCHAR(50) COLLATE "C" NOT NULL,
    version               INTEGER      NOT NULL,
    operation             VARCHAR(10)  NOT NULL,
    changed_at            TIMESTAMPTZ  NOT NULL,
    changed_by            TEXT         NOT NULL,
    request_id            TEXT         NOT NULL,
    idempotency_principal TEXT,
    idempotency_key       TEXT,
    idempotency_request   TEXT,
    content               JSONB,
    CONSTRAINT context_changes_pkey PRIMARY KEY (transaction_id, context_id, version),
    CONSTRAINT context_changes_tenant_id_check CHECK (tenant_id = {tenant}),
    CONSTRAINT context_changes_operation_check
        CHECK (operation IN ('create', 'update', 'delete', 'expire', 'none'))
);
CREATE INDEX idx_context_changes_context ON {schema}.context_changes (context_id, transaction_id);
CREATE UNIQUE INDEX idx_context_changes_idempotency
    ON {schema}.context_changes (idempotency_principal, idempotency_key) WHERE idempotency_key IS NOT NULL;
