-- Gives each serving role what serving needs of a tenant's schema, and everybody else nothing.
CREATE OR REPLACE FUNCTION public.grant_tenant(tenant_id text) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $function$
DECLARE
    schema_name text := 'tenant_' || grant_tenant.tenant_id;
    tables text := format('%1$I.contexts, %1$I.context_changes, %1$I.context_inheritance_cache', schema_name);
    grantee text;
BEGIN
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', schema_name);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', tables);
    FOR grantee IN
        SELECT serving.role FROM public.serving_roles AS serving JOIN pg_roles ON rolname = serving.role
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', schema_name, grantee);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', tables, grantee);
    END LOOP;
END
$function$;
