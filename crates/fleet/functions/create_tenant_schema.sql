-- Makes a tenant from psql, exactly as the command line does. Safe to repeat.
CREATE OR REPLACE FUNCTION public.create_tenant_schema(tenant_id text) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $function$
BEGIN
    PERFORM public.provision_tenant(
        create_tenant_schema.tenant_id, gen_random_uuid(), now(), 'ctx_' || gen_random_uuid());
END
$function$;
