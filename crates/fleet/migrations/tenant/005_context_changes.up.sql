-- The record of each write: history, audit and the memory of idempotent requests in one.
CREATE TABLE IF NOT EXISTS {schema}.context_changes (
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
    content               JSONB
);
SELECT public.add_missing_constraints('{schema}.context_changes', ARRAY[
    ['context_changes_pkey', 'PRIMARY KEY (transaction_id, context_id, version)'],
    ['context_changes_tenant_id_check', $check$CHECK (tenant_id = {tenant})$check$],
    ['context_changes_operation_check',
        $check$CHECK (operation IN ('create', 'update', 'delete', 'expire', 'none'))$check$]
]);
CREATE INDEX IF NOT EXISTS idx_context_changes_context ON {schema}.context_changes (context_id, transaction_id);
CREATE UNIQUE INDEX IF NOT EXISTS idx_context_changes_idempotency
    ON {schema}.context_changes (idempotency_principal, idempotency_key) WHERE idempotency_key IS NOT NULL;
