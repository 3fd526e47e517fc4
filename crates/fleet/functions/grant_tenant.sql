-- Gives each serving role what serving needs of a tenant's schema, and everybody else nothing.
CREATE OR REPLACE FUNCTION public.grant_tenant(tenant_id text) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $function$
DECLARE
    schema_name text := 'tenant_' || grant_tenant.tenant_id;
    tables text := format('%1$I.contexts, %1$I.context_changes, %1$I.context_inheritance_cache', schema_name);
    -- Those that are gone are left out: making tenants does not fail because of them.
    grantees text := (
        SELECT string_agg(quote_ident(role), ', ') FROM public.serving_roles
        WHERE to_regrole(quote_ident(role)) IS NOT NULL
    );
BEGIN
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', schema_name);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', tables);
    IF grantees IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', schema_name, grantees);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s', tables, grantees);
    END IF;
END
$function$;
