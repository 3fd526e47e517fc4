-- Makes a tenant: its row in the directory, its schema, its tables and its global node. Returns whether the
-- tenant is new. An existing tenant that is at another revision, or lacks a table or its global node, is
-- completed; any other is left alone.
CREATE OR REPLACE FUNCTION public.provision_tenant(
    tenant_id text, generation uuid, created_at timestamptz, global_id text
) RETURNS boolean
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $function$
DECLARE
    schema_name text := 'tenant_' || provision_tenant.tenant_id;
    caller text := current_setting('role');
    owner name := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.tenants'::regclass);
    is_new boolean;
    at_revision boolean;
    is_complete boolean := false;
BEGIN
    IF provision_tenant.tenant_id ~ '^[a-z0-9][a-z0-9_-]{0,47}$' IS NOT TRUE THEN
        RAISE EXCEPTION '% is not a tenant id: 1 to 48 of a-z, 0-9, ''_'' and ''-'', beginning with a letter or a digit',
            quote_nullable(provision_tenant.tenant_id) USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- A member of the owner's role acts as the owner: the owner could not repair a tenant that another role
    -- owns.
    IF current_user <> owner THEN
        IF NOT pg_has_role(owner, 'MEMBER') THEN
            RAISE EXCEPTION 'the role % may not make tenants: only %, which owns this installation, may',
                quote_ident(current_user), quote_ident(owner)
                USING ERRCODE = 'insufficient_privilege', HINT = format('Connect as %I.', owner);
        END IF;
        PERFORM set_config('role', owner, true);
    END IF;

    INSERT INTO public.tenants (id, generation, created_at, revision)
    VALUES (provision_tenant.tenant_id, provision_tenant.generation, provision_tenant.created_at, {revision})
    ON CONFLICT (id) DO NOTHING;
    is_new := FOUND;
    -- The lock on the row makes sessions that make the same tenant wait for each other. A new row is locked
    -- already.
    IF NOT is_new THEN
        SELECT revision = {revision} INTO at_revision
        FROM public.tenants WHERE id = provision_tenant.tenant_id FOR UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the tenant % was dropped at the same moment: try again', provision_tenant.tenant_id
                USING ERRCODE = 'serialization_failure';
        END IF;
        IF at_revision
            AND to_regclass(format('%I.contexts', schema_name)) IS NOT NULL
            AND to_regclass(format('%I.context_changes', schema_name)) IS NOT NULL
            AND to_regclass(format('%I.context_inheritance_cache', schema_name)) IS NOT NULL
        THEN
            EXECUTE format('SELECT EXISTS (SELECT FROM %I.contexts WHERE context_level = ''global'')', schema_name)
                INTO is_complete;
        END IF;
    END IF;
    IF NOT is_complete THEN
        PERFORM public.complete_tenant(provision_tenant.tenant_id, provision_tenant.global_id);
    END IF;
    PERFORM set_config('role', caller, true);
    RETURN is_new;
END
$function$;
