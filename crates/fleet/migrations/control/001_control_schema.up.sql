-- What the installation knows of itself. One row a tenant; its revision is that of its schema.
CREATE TABLE IF NOT EXISTS public.tenants (
    id         VARCHAR(48) COLLATE "C" NOT NULL,
    generation UUID        NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    revision   INTEGER     NOT NULL DEFAULT 0
);
-- A tenant's keys go with it. An operator's key has neither tenant nor permission.
CREATE TABLE IF NOT EXISTS public.api_keys (
    id           VARCHAR(64) COLLATE "C" NOT NULL,
    name         TEXT        NOT NULL,
    tenant_id    VARCHAR(48) COLLATE "C",
    permission   VARCHAR(10),
    secret_hash  TEXT        NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ,
    revoked_at   TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ
);
-- The ledger: what was done to which schema. A row without a tenant is of the control schema.
CREATE TABLE IF NOT EXISTS public.migration_history (
    id             BIGINT GENERATED ALWAYS AS IDENTITY,
    tenant         VARCHAR(48) COLLATE "C",
    schema         TEXT        NOT NULL,
    revision       INTEGER     NOT NULL,
    migration_name TEXT        NOT NULL,
    checksum       TEXT        NOT NULL,
    status         TEXT        NOT NULL,
    backup         TEXT,
    started        TIMESTAMPTZ NOT NULL,
    finished       TIMESTAMPTZ,
    by             TEXT        NOT NULL
);
-- The roles that serve: they own nothing, and are granted what serving needs in every tenant's schema.
CREATE TABLE IF NOT EXISTS public.serving_roles (
    role TEXT NOT NULL
);
SELECT public.add_missing_constraints('public.tenants', ARRAY[
    ['tenants_pkey', 'PRIMARY KEY (id)'],
    ['tenants_id_check', $check$CHECK (id ~ '^[a-z0-9][a-z0-9_-]{0,47}$')$check$],
    ['tenants_generation_key', 'UNIQUE (generation)']
]);
SELECT public.add_missing_constraints('public.api_keys', ARRAY[
    ['api_keys_pkey', 'PRIMARY KEY (id)'],
    ['api_keys_tenant_id_fkey', 'FOREIGN KEY (tenant_id) REFERENCES public.tenants (id) ON DELETE CASCADE'],
    ['api_keys_permission_check', $check$CHECK (permission IN ('read', 'write', 'admin'))$check$],
    ['api_keys_access_check', 'CHECK ((tenant_id IS NULL) = (permission IS NULL))']
]);
SELECT public.add_missing_constraints('public.migration_history', ARRAY[
    ['migration_history_pkey', 'PRIMARY KEY (id)'],
    ['migration_history_status_check', $check$CHECK (status IN ('applied', 'reverted', 'failed'))$check$]
]);
SELECT public.add_missing_constraints('public.serving_roles', ARRAY[
    ['serving_roles_pkey', 'PRIMARY KEY (role)']
]);
CREATE INDEX IF NOT EXISTS idx_api_keys_tenant ON public.api_keys (tenant_id, id);
CREATE INDEX IF NOT EXISTS idx_migration_history_tenant ON public.migration_history (tenant, revision);
