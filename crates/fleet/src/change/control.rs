//! Making the control schema, the functions and the serving roles' rights on them, in one transaction.

use context_domain::error::Error;
use context_store::postgres::identifier;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::retry::Attempts;
use crate::examine::control::LEDGER;
use crate::examine::examine_catalogs;
use crate::examine::roles::{CONTROL_GRANTS, query_recorded};
use crate::failure::FleetFailure;
use crate::finding::{Finding, FindingKind};
use crate::fleet::Fleet;
use crate::functions::{CLEANUP, FUNCTIONS, SqlFunction, revoke_statements};
use crate::installation::Installation;
use crate::migrations::{CONTROL, Migration};
use crate::rows::query_rows;

/// The key of the advisory lock that is held while the control schema is changed.
const CONTROL_LOCK: i64 = 0x0063_7478_6374_726c;

const STEP: &str = "make the control schema";

impl Fleet {
    /// Makes or repairs the control schema. Returns notices for people.
    pub(super) async fn bootstrap_control(&mut self, serving: &[String]) -> Result<Vec<String>, Error> {
        let installation = self.installation().clone();
        let mut attempts = Attempts::default();
        loop {
            match make_control(self.session.client_mut(), &installation, serving).await {
                Ok(notices) => return Ok(notices),
                Err(failure) => attempts
                    .wait_after(failure, STEP, None)
                    .await
                    .map_err(|failure| installation.step_failed(STEP, failure))?,
            }
        }
    }
}

/// Makes one attempt: takes the lock, examines the control schema again and repairs it.
async fn make_control(
    client: &mut Client,
    installation: &Installation,
    serving: &[String],
) -> Result<Vec<String>, FleetFailure> {
    let transaction = client.transaction().await?;
    let client = transaction.client();
    let prelude = format!("{} SELECT pg_advisory_xact_lock({CONTROL_LOCK});", installation.prelude);
    client.batch_execute(&prelude).await?;
    // Another bootstrap may have changed it while this one waited.
    let found = examine_catalogs(client, &[], serving).await?;
    let mut notices = Vec::new();
    if found.control.iter().any(|finding| finding.kind == FindingKind::Legacy) {
        rename_legacy_ledger(client).await?;
        notices.push(format!(
            "the table public.{LEDGER} was an older system's: it is now public.{LEDGER}_legacy"
        ));
    }
    client.batch_execute(&drop_statements(&found.control)).await?;
    // The functions come first: the migrations call one of them.
    for function in FUNCTIONS {
        client.batch_execute(&function.create_statement()).await?;
    }
    client.batch_execute(&revoke_statements()).await?;
    for migration in CONTROL {
        client.batch_execute(migration.up).await?;
        record_migration(client, migration).await?;
    }
    notices.extend(admit_roles(client, serving).await?);
    notices.extend(advise_on_public(client).await?);
    transaction.commit().await?;
    Ok(notices)
}

/// Returns the statements that drop functions with the names of ours, but other argument names or another
/// result.
fn drop_statements(findings: &[Finding]) -> String {
    let taken = findings.iter().filter(|finding| finding.kind == FindingKind::NameTaken);
    let functions =
        taken.filter_map(|finding| FUNCTIONS.iter().find(|function| function.object() == finding.object));
    functions.map(SqlFunction::drop_statement).collect()
}

/// Renames the ledger of an older system, and its indexes, whose names ours needs.
async fn rename_legacy_ledger(client: &Client) -> Result<(), tokio_postgres::Error> {
    let sql = "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
               WHERE i.indrelid = to_regclass('public.migration_history')";
    let mut statements = vec![format!("ALTER TABLE public.{LEDGER} RENAME TO {LEDGER}_legacy;")];
    for index in query_rows(client, sql, &[], |row| row.try_get::<_, String>(0)).await? {
        let (old, new) = (identifier(&index), identifier(&format!("{index}_legacy")));
        statements.push(format!("ALTER INDEX public.{old} RENAME TO {new};"));
    }
    client.batch_execute(&statements.concat()).await
}

/// Records that a migration of the control schema was applied, unless that is recorded already.
async fn record_migration(client: &Client, migration: &Migration) -> Result<(), tokio_postgres::Error> {
    let sql = "
        INSERT INTO public.migration_history
            (schema, revision, migration_name, checksum, status, started, finished, by)
        SELECT 'public', $1, $2, $3, 'applied', now(), clock_timestamp(), current_user
        WHERE NOT EXISTS (SELECT FROM public.migration_history
                          WHERE tenant IS NULL AND revision = $1 AND status = 'applied')";
    let checksum = migration.checksum();
    let parameters = [
        (&migration.revision as _, Type::INT4),
        (&migration.name as _, Type::TEXT),
        (&checksum as _, Type::TEXT),
    ];
    client.execute_typed(sql, &parameters).await.map(|_| ())
}

/// Grants the serving roles what they need in `public`, and deletes the records of those that no longer
/// exist. Returns a notice for each of the latter.
async fn admit_roles(client: &Client, serving: &[String]) -> Result<Vec<String>, tokio_postgres::Error> {
    let mut notices = Vec::new();
    for (role, exists) in query_recorded(client).await? {
        if exists {
            admit_role(client, &role).await?;
        } else {
            forget_role(client, &role).await?;
            notices.push(format!("the serving role {role} no longer exists: its record was deleted"));
        }
    }
    for role in serving {
        admit_role(client, role).await?;
    }
    Ok(notices)
}

/// Records the role, and grants it what serving needs in `public`.
async fn admit_role(client: &Client, role: &str) -> Result<(), tokio_postgres::Error> {
    let sql = "INSERT INTO public.serving_roles (role) VALUES ($1) ON CONFLICT DO NOTHING";
    client.execute_typed(sql, &[(&role, Type::TEXT)]).await?;
    // No role has a privilege on a schema `public` that somebody recreated. If this role may not grant it,
    // that stays a finding.
    let sql = "SELECT NOT has_schema_privilege($1::name, 'public', 'USAGE')
                  AND has_schema_privilege('public', 'USAGE WITH GRANT OPTION')";
    let needs_usage: bool = client.query_typed_one(sql, &[(&role, Type::NAME)]).await?.try_get(0)?;
    let role = identifier(role);
    let usage = needs_usage.then(|| format!("GRANT USAGE ON SCHEMA public TO {role};"));
    let call = format!("GRANT EXECUTE ON FUNCTION {} TO {role};", CLEANUP.signature());
    let grants = CONTROL_GRANTS
        .iter()
        .map(|(table, privileges)| format!("GRANT {} ON public.{table} TO {role};", privileges.join(", ")));
    client.batch_execute(&grants.chain([call]).chain(usage).collect::<Vec<_>>().concat()).await
}

/// Deletes the record of a role that no longer exists: its grants were dropped with it.
async fn forget_role(client: &Client, role: &str) -> Result<(), tokio_postgres::Error> {
    let sql = "DELETE FROM public.serving_roles WHERE role = $1";
    client.execute_typed(sql, &[(&role, Type::TEXT)]).await.map(|_| ())
}

/// Returns what to do about the schema `public`, if every role may create objects in it.
async fn advise_on_public(client: &Client) -> Result<Option<String>, tokio_postgres::Error> {
    let sql = "SELECT quote_ident(current_user) FROM pg_namespace, aclexplode(nspacl) AS held
               WHERE nspname = 'public' AND held.grantee = 0 AND held.privilege_type = 'CREATE'";
    let actor: Vec<String> = query_rows(client, sql, &[], |row| row.try_get(0)).await?;
    let advice = |actor: &String| {
        format!(
            "every role may create in the schema public, which is PostgreSQL's default before 15: a \
             superuser repairs that with REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT CREATE ON SCHEMA \
             public TO {actor};"
        )
    };
    Ok(actor.first().map(advice))
}
