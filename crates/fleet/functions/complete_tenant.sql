-- Gives the schema of a tenant that is in the directory all that it lacks. {expected}, {migrations}, {ledger} and {revision}
-- are filled in from the files when the function is installed, so that no other text makes a tenant's tables.
CREATE OR REPLACE FUNCTION public.complete_tenant(tenant_id text, global_id text) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
SET lock_timeout = '3s'
AS $function$
DECLARE
    schema_name text := 'tenant_' || complete_tenant.tenant_id;
    begun timestamptz := clock_timestamp();
    workers text := current_setting('max_parallel_maintenance_workers');
    is_new boolean := true;
    global_nodes integer;
BEGIN
    BEGIN
        EXECUTE format('CREATE SCHEMA %I', schema_name);
    EXCEPTION WHEN duplicate_schema OR unique_violation THEN
        -- It is there, or somebody else made it at the same moment, and may hold anything.
        is_new := false;
    END;
    IF is_new THEN
        -- How many processes are to build an index is not worth asking where a table is empty.
        SET LOCAL max_parallel_maintenance_workers = 0;
{expected}
        EXECUTE format('SET LOCAL max_parallel_maintenance_workers = %L', workers);
    ELSE
{migrations}
    END IF;

    EXECUTE format(
        $global$
        INSERT INTO %1$I.contexts
            (id, context_data, context_type, tenant_id, created_at, updated_at, version, context_level, terms)
        SELECT $1, '{}', 'global', id, created_at, created_at, 0, 'global', '{}'
        FROM public.tenants
        WHERE id = $2 AND ($3 OR NOT EXISTS (
            SELECT FROM %1$I.contexts AS found WHERE found.context_level = 'global' AND found.tenant_id = $2
        ))
        $global$, schema_name) USING complete_tenant.global_id, complete_tenant.tenant_id, is_new;
    GET DIAGNOSTICS global_nodes = ROW_COUNT;
    IF is_new AND global_nodes = 0 THEN
        RAISE EXCEPTION 'there is no tenant %', quote_nullable(complete_tenant.tenant_id)
            USING ERRCODE = 'no_data_found', HINT = 'create_tenant_schema makes one.';
    END IF;

    PERFORM public.grant_tenant(complete_tenant.tenant_id);

    INSERT INTO public.migration_history
        (tenant, schema, revision, migration_name, checksum, status, started, finished, by)
    SELECT complete_tenant.tenant_id, schema_name, known.revision, known.name, known.checksum, 'applied',
           begun, clock_timestamp(), current_user
    FROM (VALUES {ledger}) AS known (revision, name, checksum)
    WHERE NOT EXISTS (
        SELECT FROM public.migration_history AS done
        WHERE done.tenant = complete_tenant.tenant_id AND done.revision = known.revision AND done.status = 'applied'
    );
    UPDATE public.tenants SET revision = {revision} WHERE id = complete_tenant.tenant_id AND revision <> {revision};
    EXECUTE format('COMMENT ON SCHEMA %I IS %L', schema_name, 'context-service: tenant revision {revision}');
END
$function$;
