-- Gives the schema of a tenant that is in the directory all that it lacks. {migrations}, {ledger} and {revision} are
-- filled in from the migration files when the function is installed, so that a tenant's tables are written down once.
CREATE OR REPLACE FUNCTION public.complete_tenant(tenant_id text, global_id text) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
SET lock_timeout = '3s'
AS $function$
DECLARE
    schema_name text := 'tenant_' || complete_tenant.tenant_id;
    begun timestamptz := clock_timestamp();
BEGIN
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', schema_name);
{migrations}
    EXECUTE format(
        $global$
        INSERT INTO %1$I.contexts
            (id, context_data, context_type, tenant_id, created_at, updated_at, version, context_level, terms)
        SELECT $1, '{}', 'global', id, created_at, created_at, 0, 'global', '{}'
        FROM public.tenants
        WHERE id = $2 AND NOT EXISTS (
            SELECT FROM %1$I.contexts AS found WHERE found.context_level = 'global' AND found.tenant_id = $2
        )
        $global$, schema_name) USING complete_tenant.global_id, complete_tenant.tenant_id;

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
