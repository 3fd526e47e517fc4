-- Deletes expired contexts with everything below them, and records each deletion as a change. Returns how
-- many contexts were deleted.
CREATE OR REPLACE FUNCTION public.cleanup_expired_contexts(tenant_id text) RETURNS integer
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $function$
DECLARE
    schema_name text := 'tenant_' || cleanup_expired_contexts.tenant_id;
    doomed text[];
    below text[];
    deleted integer;
BEGIN
    IF NOT EXISTS (SELECT FROM public.tenants WHERE id = cleanup_expired_contexts.tenant_id) THEN
        RAISE EXCEPTION 'there is no tenant %', quote_nullable(cleanup_expired_contexts.tenant_id)
            USING ERRCODE = 'no_data_found', HINT = 'SELECT id FROM public.tenants lists the tenants.';
    END IF;

    EXECUTE format(
        'SELECT array_agg(id) FROM (
             SELECT id FROM %I.contexts WHERE tenant_id = $1 AND expires_at <= now() ORDER BY id FOR UPDATE
         ) AS expired', schema_name)
        INTO doomed USING cleanup_expired_contexts.tenant_id;
    below := doomed;
    -- A parent is locked before its children are read: a transaction that adds a child then waits, and finds
    -- no parent. So the foreign key's cascade, which records nothing, never has anything to delete.
    WHILE below IS NOT NULL LOOP
        EXECUTE format(
            'SELECT array_agg(id) FROM (
                 SELECT id FROM %I.contexts
                 WHERE tenant_id = $1 AND parent_id = ANY ($2) AND id <> ALL ($3) ORDER BY id FOR UPDATE
             ) AS children', schema_name)
            INTO below USING cleanup_expired_contexts.tenant_id, below, doomed;
        doomed := doomed || below;
    END LOOP;

    EXECUTE format(
        'WITH gone AS (
             DELETE FROM %1$I.contexts WHERE tenant_id = $1 AND id = ANY ($2) RETURNING id, version
         )
         INSERT INTO %1$I.context_changes
             (tenant_id, transaction_id, context_id, version, operation, changed_at, changed_by, request_id)
         SELECT $1, pg_current_xact_id(), id, version + 1, ''expire'', now(), ''cleanup_expired_contexts'', ''cleanup''
         FROM gone', schema_name)
        USING cleanup_expired_contexts.tenant_id, doomed;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END
$function$;
