-- Grants each serving role what serving needs of a tenant's schema, and revokes everything from PUBLIC.
CREATE OR REPLACE FUNCTION public.grant_tenant(tenant_id text) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $function$
DECLARE
    -- Roles that no longer exist are left out: making tenants does not fail because of them.
    grantees text := (
        SELECT string_agg(quote_ident(role), ', ') FROM public.serving_roles
        WHERE to_regrole(quote_ident(role)) IS NOT NULL
    );
BEGIN
    EXECUTE format(
        'REVOKE ALL ON SCHEMA %1$I FROM PUBLIC;
         REVOKE ALL ON %1$I.contexts, %1$I.context_changes, %1$I.context_inheritance_cache FROM PUBLIC;'
        || CASE WHEN grantees IS NULL THEN '' ELSE
        'GRANT USAGE ON SCHEMA %1$I TO %2$s;
         GRANT SELECT, INSERT, UPDATE, DELETE
         ON %1$I.contexts, %1$I.context_changes, %1$I.context_inheritance_cache TO %2$s;'
        END, 'tenant_' || grant_tenant.tenant_id, grantees);
END
$function$;
