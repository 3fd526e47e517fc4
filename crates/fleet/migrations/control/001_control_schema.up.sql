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
-- Each constraint that is not there; so that one that was dropped comes back when this is run again.
DO $guard$
DECLARE
    missing record;
BEGIN
    FOR missing IN
        SELECT wanted.* FROM (VALUES
            (1, 'tenants', 'tenants_pkey', 'PRIMARY KEY (id)'),
            (2, 'tenants', 'tenants_id_check', 'CHECK (id ~ ''^[a-z0-9][a-z0-9_-]{0,47}$'')'),
            (3, 'tenants', 'tenants_generation_key', 'UNIQUE (generation)'),
            (4, 'api_keys', 'api_keys_pkey', 'PRIMARY KEY (id)'),
            (5, 'api_keys', 'api_keys_tenant_id_fkey',
                'FOREIGN KEY (tenant_id) REFERENCES public.tenants (id) ON DELETE CASCADE'),
            (6, 'api_keys', 'api_keys_permission_check', 'CHECK (permission IN (''read'', ''write'', ''admin''))'),
            (7, 'api_keys', 'api_keys_access_check', 'CHECK ((tenant_id IS NULL) = (permission IS NULL))'),
            (8, 'migration_history', 'migration_history_pkey', 'PRIMARY KEY (id)'),
            (9, 'migration_history', 'migration_history_status_check',
                'CHECK (status IN (''applied'', ''reverted'', ''failed''))'),
            (10, 'serving_roles', 'serving_roles_pkey', 'PRIMARY KEY (role)')
        ) AS wanted (place, relation, name, definition)
        WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint
            WHERE conrelid = ('public.' || wanted.relation)::regclass AND conname = wanted.name
        )
        ORDER BY wanted.place
    LOOP
        EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT %I %s',
                       missing.relation, missing.name, missing.definition);
    END LOOP;
END
$guard$;
CREATE INDEX IF NOT EXISTS idx_api_keys_tenant ON public.api_keys (tenant_id, id);
CREATE INDEX IF NOT EXISTS idx_migration_history_tenant ON public.migration_history (tenant, revision);
