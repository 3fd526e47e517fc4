//! The serving roles: recorded, and granted what serving needs and nothing else.

use context_domain::id::TenantId;
use context_store::postgres::completeness::TABLES;
use context_store::postgres::identifier;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::findings::{Finding, Kind};
use crate::rows::query;

/// What serving needs of the tables in `public`.
const CONTROL_GRANTS: [(&str, &[&str]); 4] = [
    ("tenants", &["SELECT"]),
    ("migration_history", &["SELECT"]),
    ("serving_roles", &["SELECT"]),
    ("api_keys", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
];

/// The one function that serving calls.
const CALLED: &str = "public.cleanup_expired_contexts(text)";

/// The recorded roles, each with whether it is there.
pub(crate) async fn recorded(client: &Client) -> Result<Vec<(String, bool)>, tokio_postgres::Error> {
    let sql = "SELECT role, EXISTS (SELECT FROM pg_roles WHERE rolname = role) FROM public.serving_roles ORDER BY role";
    query(client, sql, &[], |row| Ok((row.try_get(0)?, row.try_get(1)?))).await
}

/// What to do about a schema `public` in which every role may create, if it is one.
pub(crate) async fn advice_on_public(client: &Client) -> Result<Option<String>, tokio_postgres::Error> {
    let sql = "SELECT quote_ident(current_user) FROM pg_namespace, aclexplode(nspacl) AS held
               WHERE nspname = 'public' AND held.grantee = 0 AND held.privilege_type = 'CREATE'";
    let actor: Vec<String> = query(client, sql, &[], |row| row.try_get(0)).await?;
    let advice = |actor: &String| {
        format!(
            "every role may create in the schema public, as PostgreSQL has it before 15: a superuser repairs that with REVOKE \
             CREATE ON SCHEMA public FROM PUBLIC; GRANT CREATE ON SCHEMA public TO {actor};"
        )
    };
    Ok(actor.first().map(advice))
}

/// Which of `roles` are not there.
pub(crate) async fn unknown(client: &Client, roles: &[String]) -> Result<Vec<String>, tokio_postgres::Error> {
    let sql =
        "SELECT role FROM unnest($1) AS role WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)";
    query(client, sql, &[(&roles, Type::TEXT_ARRAY)], |row| row.try_get(0)).await
}

/// What the role lacks of the tables and functions in `public`.
pub(crate) async fn control_findings(
    client: &Client,
    role: &str,
) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let sql = "
        SELECT wanted.relation
        FROM unnest($2, $3) AS wanted (relation, privilege)
        JOIN pg_roles AS role ON role.rolname = $1
        JOIN pg_class AS found ON found.oid = to_regclass('public.' || wanted.relation)
        WHERE NOT EXISTS (SELECT FROM aclexplode(found.relacl) AS held
                          WHERE held.grantee = role.oid AND held.privilege_type = wanted.privilege)
        GROUP BY wanted.relation
        UNION ALL
        SELECT 'function'
        FROM pg_proc AS found JOIN pg_roles AS role ON role.rolname = $1
        WHERE found.oid = to_regprocedure($4)
          AND NOT EXISTS (SELECT FROM aclexplode(found.proacl) AS held WHERE held.grantee = role.oid)
        UNION ALL
        SELECT 'schema' FROM pg_roles AS role
        WHERE role.rolname = $1 AND NOT has_schema_privilege(role.oid, to_regnamespace('public'), 'USAGE')";
    let pairs = || CONTROL_GRANTS.iter().flat_map(|(name, all)| all.iter().map(move |one| (*name, *one)));
    let (relations, privileges): (Vec<&str>, Vec<&str>) = pairs().unzip();
    let parameters = [
        (&role as _, Type::TEXT),
        (&relations as _, Type::TEXT_ARRAY),
        (&privileges as _, Type::TEXT_ARRAY),
        (&CALLED as _, Type::TEXT),
    ];
    let read = |row: &Row| {
        let object = match row.try_get(0)? {
            "function" => format!("the function {CALLED}"),
            "schema" => "the schema public".to_owned(),
            relation => format!("the table public.{relation}"),
        };
        Ok(Finding::of_control(object, Kind::NotGranted { role: role.to_owned() }))
    };
    query(client, sql, &parameters, read).await
}

/// What the roles lack of the tenants' schemas, all tenants of the directory looked at. What is missing in a schema is
/// found elsewhere, and granted when it is made.
pub(crate) async fn tenant_findings(
    client: &Client,
    roles: &[String],
) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let sql = "
        SELECT tenant.id, role.rolname::text
        FROM public.tenants AS tenant
        JOIN pg_namespace AS space ON space.nspname = ('tenant_' || tenant.id)::name
        JOIN pg_roles AS role ON role.rolname::text = ANY ($1)
        WHERE NOT EXISTS (SELECT FROM aclexplode(space.nspacl) AS held
                          WHERE held.grantee = role.oid AND held.privilege_type = 'USAGE')
           OR EXISTS (
               SELECT FROM pg_class AS relation
               WHERE relation.relnamespace = space.oid AND relation.relname = ANY ($2::name[])
                 AND (SELECT count(DISTINCT held.privilege_type) FROM aclexplode(relation.relacl) AS held
                      WHERE held.grantee = role.oid
                        AND held.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')) < 4)
        ORDER BY 1, 2";
    let tables = TABLES.each_ref().map(|table| table.name);
    let parameters = [(&roles as _, Type::TEXT_ARRAY), (&tables.as_slice() as _, Type::TEXT_ARRAY)];
    let read = |row: &Row| Ok((row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?));
    let rows = query(client, sql, &parameters, read).await?;
    let finding = |(tenant, role): (String, String)| {
        let tenant: TenantId = tenant.parse().ok()?;
        Some(Finding::of_tenant(&tenant, "the schema", Kind::NotGranted { role }))
    };
    Ok(rows.into_iter().filter_map(finding).collect())
}

/// Records the role, and grants it what serving needs of `public`.
pub(crate) async fn admit(client: &Client, role: &str) -> Result<(), tokio_postgres::Error> {
    let sql = "INSERT INTO public.serving_roles (role) VALUES ($1) ON CONFLICT DO NOTHING";
    client.execute_typed(sql, &[(&role, Type::TEXT)]).await?;
    // A schema `public` that somebody made anew is open to nobody. Who may not grant it leaves that to be found.
    let sql = "SELECT NOT has_schema_privilege($1::name, 'public', 'USAGE')
                  AND has_schema_privilege('public', 'USAGE WITH GRANT OPTION')";
    let is_shut_out: bool = client.query_typed_one(sql, &[(&role, Type::NAME)]).await?.try_get(0)?;
    let role = identifier(role);
    let usage = is_shut_out.then(|| format!("GRANT USAGE ON SCHEMA public TO {role};"));
    let grant = format!("GRANT EXECUTE ON FUNCTION {CALLED} TO {role};");
    let grants = CONTROL_GRANTS
        .iter()
        .map(|(table, privileges)| format!("GRANT {} ON public.{table} TO {role};", privileges.join(", ")));
    client.batch_execute(&grants.chain([grant]).chain(usage).collect::<Vec<_>>().concat()).await
}

/// Forgets a recorded role that is gone: what it was granted went with it.
pub(crate) async fn forget(client: &Client, role: &str) -> Result<(), tokio_postgres::Error> {
    let sql = "DELETE FROM public.serving_roles WHERE role = $1";
    client.execute_typed(sql, &[(&role, Type::TEXT)]).await.map(|_| ())
}
