-- Adds those of the wanted constraints, each a name and a definition, that a table does not have: one that
-- was dropped comes back when its migration is run again.
CREATE OR REPLACE FUNCTION public.add_missing_constraints(relation regclass, wanted text[]) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $function$
DECLARE
    missing text := (
        SELECT string_agg(format('ADD CONSTRAINT %I %s', wanted[n][1], wanted[n][2]), ', ' ORDER BY n)
        FROM generate_subscripts(wanted, 1) AS n
        WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = relation AND conname = wanted[n][1])
    );
BEGIN
    IF missing IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s %s', relation, missing);
    END IF;
END
$function$;
