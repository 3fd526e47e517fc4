-- Makes everything that is missing in the schema of a tenant that is in the directory. {expected},
-- {migrations}, {ledger} and {revision} are filled in from the files when the function is installed, so that
-- no other text makes a tenant's tables. All of it is one EXECUTE, because a function's own statements are
-- planned again after each CREATE SCHEMA, here or in another session.
CREATE OR REPLACE FUNCTION public.complete_tenant(tenant_id text, global_id text) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
SET lock_timeout = '3s'
AS $function$
DECLARE
    schema_name text := 'tenant_' || complete_tenant.tenant_id;
    at_revision integer;
    is_new boolean := true;
    global_nodes bigint;
BEGIN
    SELECT revision INTO at_revision FROM public.tenants WHERE id = complete_tenant.tenant_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no tenant %', quote_nullable(complete_tenant.tenant_id)
            USING ERRCODE = 'no_data_found', HINT = 'create_tenant_schema makes one.';
    END IF;
    BEGIN
        EXECUTE format('CREATE SCHEMA %I', schema_name);
    EXCEPTION WHEN duplicate_schema OR unique_violation THEN
        -- It exists, or another session made it at the same moment, and it may hold anything.
        is_new := false;
    END;

    EXECUTE format(CASE WHEN is_new THEN $text$
-- Planning how many processes build an index costs more than building one on an empty table.
SET LOCAL max_parallel_maintenance_workers = 0;
{expected}
SET LOCAL max_parallel_maintenance_workers = %4$L;
$text$ ELSE $text$
{migrations}
$text$ END || $text$
SELECT public.grant_tenant(%2$L);

INSERT INTO public.migration_history
    (tenant, schema, revision, migration_name, checksum, status, started, finished, by)
SELECT %2$L, %1$L, known.revision, known.name, known.checksum, 'applied', now(), clock_timestamp(), current_user
FROM (VALUES {ledger}) AS known (revision, name, checksum)
WHERE NOT EXISTS (
    SELECT FROM public.migration_history AS done
    WHERE done.tenant = %2$L AND done.revision = known.revision AND done.status = 'applied'
);
COMMENT ON SCHEMA %1$I IS 'context-service: tenant revision {revision}';

-- The last statement: its rows are counted below.
INSERT INTO %1$I.contexts
    (id, context_data, context_type, tenant_id, created_at, updated_at, version, context_level, terms)
SELECT %3$L, '{}', 'global', id, created_at, created_at, 0, 'global', '{}' FROM public.tenants WHERE id = %2$L
ON CONFLICT (tenant_id) WHERE context_level = 'global' DO NOTHING;
$text$, schema_name, complete_tenant.tenant_id, complete_tenant.global_id,
        current_setting('max_parallel_maintenance_workers'));
    GET DIAGNOSTICS global_nodes = ROW_COUNT;
    IF global_nodes = 0 THEN
        EXECUTE format('SELECT count(*) FROM %I.contexts WHERE context_level = ''global''', schema_name)
            INTO global_nodes;
        IF global_nodes = 0 THEN
            RAISE EXCEPTION 'the tenant % has no global node, and its table accepts none', complete_tenant.tenant_id
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      HINT = format('A trigger on %I.contexts may prevent it.', schema_name);
        END IF;
    END IF;

    IF at_revision <> {revision} THEN
        UPDATE public.tenants SET revision = {revision} WHERE id = complete_tenant.tenant_id;
    END IF;
END
$function$;
