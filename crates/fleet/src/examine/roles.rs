//! The serving roles: what serving needs, and what a role has not been granted of it.

use std::collections::BTreeSet;

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_store::postgres::completeness::{DatabaseObject, PUBLIC, table_names};
use context_store::postgres::{identifier, schema_of};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::change::plan::Plan;
use crate::finding::{Finding, FindingKind};
use crate::fleet::Fleet;
use crate::functions::CLEANUP;
use crate::rows::query_rows;

/// The privileges on tables in `public` that serving needs.
pub(crate) const CONTROL_GRANTS: [(&str, &[&str]); 4] = [
    ("tenants", &["SELECT"]),
    ("migration_history", &["SELECT"]),
    ("serving_roles", &["SELECT"]),
    ("api_keys", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
];

impl Fleet {
    /// Returns the plan's serving roles without the owner, which needs no grants. A role that does not exist
    /// is refused.
    pub(crate) async fn serving_roles(&self, plan: &Plan) -> Result<Vec<String>, Error> {
        let failed = |error| self.installation().statement_failed("look up the serving roles", error);
        let unknown = find_unknown(self.client(), &plan.serving_roles).await.map_err(failed)?;
        if let Some(role) = unknown.first() {
            let role = identifier(role);
            return Err(self.installation().refused(&format!(
                "there is no role {role} that could serve: CREATE ROLE {role} LOGIN PASSWORD '…'; and try \
                 again"
            )));
        }
        let others = plan.serving_roles.iter().filter(|role| **role != self.installation().user);
        Ok(others.cloned().collect::<BTreeSet<_>>().into_iter().collect())
    }
}

/// Returns the recorded roles, each with whether it exists.
pub(crate) async fn query_recorded(client: &Client) -> Result<Vec<(String, bool)>, tokio_postgres::Error> {
    let sql = "SELECT role, EXISTS (SELECT FROM pg_roles WHERE rolname = role)
               FROM public.serving_roles ORDER BY role";
    query_rows(client, sql, &[], |row| Ok((row.try_get(0)?, row.try_get(1)?))).await
}

/// Returns those of `roles` that do not exist.
async fn find_unknown(client: &Client, roles: &[String]) -> Result<Vec<String>, tokio_postgres::Error> {
    let sql =
        "SELECT role FROM unnest($1) AS role WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)";
    query_rows(client, sql, &[(&roles, Type::TEXT_ARRAY)], |row| row.try_get(0)).await
}

/// Returns what the role has not been granted of the tables, the function and the schema `public`.
pub(super) async fn examine_control_grants(
    client: &Client,
    role: &str,
) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let sql = "
        SELECT wanted.relation, false
        FROM unnest($2, $3) AS wanted (relation, privilege)
        JOIN pg_roles AS role ON role.rolname = $1
        JOIN pg_class AS found ON found.oid = to_regclass('public.' || wanted.relation)
        WHERE NOT EXISTS (SELECT FROM aclexplode(found.relacl) AS held
                          WHERE held.grantee = role.oid AND held.privilege_type = wanted.privilege)
        GROUP BY wanted.relation
        UNION ALL
        SELECT NULL, true
        FROM pg_proc AS found JOIN pg_roles AS role ON role.rolname = $1
        WHERE found.oid = to_regprocedure($4)
          AND NOT EXISTS (SELECT FROM aclexplode(found.proacl) AS held WHERE held.grantee = role.oid)
        UNION ALL
        SELECT NULL, false FROM pg_roles AS role
        WHERE role.rolname = $1 AND NOT has_schema_privilege(role.oid, to_regnamespace('public'), 'USAGE')";
    let pairs = || CONTROL_GRANTS.iter().flat_map(|(name, all)| all.iter().map(move |one| (*name, *one)));
    let (relations, privileges): (Vec<&str>, Vec<&str>) = pairs().unzip();
    let function = CLEANUP.signature();
    let parameters = [
        (&role as _, Type::TEXT),
        (&relations as _, Type::TEXT_ARRAY),
        (&privileges as _, Type::TEXT_ARRAY),
        (&function as _, Type::TEXT),
    ];
    let convert = |row: &Row| {
        let (table, is_function): (Option<&str>, bool) = (row.try_get(0)?, row.try_get(1)?);
        let object = match table {
            Some(table) => DatabaseObject::table(PUBLIC, table),
            None if is_function => CLEANUP.object(),
            None => DatabaseObject::schema(PUBLIC),
        };
        Ok(Finding::of_control(object, FindingKind::NotGranted { role: role.to_owned() }))
    };
    query_rows(client, sql, &parameters, convert).await
}

/// Returns the schemas, of all tenants in the directory, that the roles have not been granted with all tables
/// in them. Missing tables are other findings, and are granted when they are made.
pub(super) async fn examine_tenant_grants(
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
    let tables = table_names();
    let parameters = [(&roles as _, Type::TEXT_ARRAY), (&tables.as_slice() as _, Type::TEXT_ARRAY)];
    let convert = |row: &Row| Ok((row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?));
    let rows = query_rows(client, sql, &parameters, convert).await?;
    let finding = |(tenant, role): (String, String)| {
        let tenant: TenantId = tenant.parse().ok()?;
        let schema = DatabaseObject::schema(&schema_of(&tenant));
        Some(Finding::of_tenant(&tenant, schema, FindingKind::NotGranted { role }))
    };
    Ok(rows.into_iter().filter_map(finding).collect())
}
