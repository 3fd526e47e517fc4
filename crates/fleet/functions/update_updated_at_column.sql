-- For rows that something other than the service updates. Sets updated_at; and if the content changed, raises
-- the version, so that no cache takes its copy of the row for the present one, and clears the terms: the
-- service's next write sets them again, and without them search reads the row itself. In other tables it sets
-- updated_at only.
CREATE OR REPLACE FUNCTION public.update_updated_at_column() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $function$
BEGIN
    NEW.updated_at := now();
    IF TG_TABLE_NAME = 'contexts' AND starts_with(TG_TABLE_SCHEMA, 'tenant_') THEN
        IF (NEW.context_data, NEW.context_type, NEW.title, NEW.description, NEW.tags, NEW.user_id,
            NEW.expires_at, NEW.inheritance)
           IS DISTINCT FROM
           (OLD.context_data, OLD.context_type, OLD.title, OLD.description, OLD.tags, OLD.user_id,
            OLD.expires_at, OLD.inheritance)
        THEN
            NEW.version := OLD.version + 1;
            NEW.terms := NULL;
        END IF;
    END IF;
    RETURN NEW;
END
$function$;
