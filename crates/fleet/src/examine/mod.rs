//! The health check: finds everything that is not as this version makes it, and changes nothing.
//!
//! The catalogs and the control schema are read by a few statements for all tenants together; only the global
//! nodes are read from the tenants' own tables (`nodes`). The result, [`Examination`], is what `change/`
//! decides repairs from.

pub(crate) mod control;
pub(crate) mod found;
mod functions;
pub(crate) mod ledger;
mod nodes;
pub(crate) mod roles;
pub(crate) mod tenants;

use std::collections::BTreeSet;

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_store::postgres::completeness::DatabaseObject;
use tokio_postgres::Client;

use crate::change::plan::Plan;
use crate::finding::{Finding, FindingKind};
use crate::fleet::Fleet;
use control::{ControlState, LEDGER};
use found::Examination;

impl Fleet {
    /// Returns what is wrong with the installation and with each of these tenants; of other tenants, only
    /// missing grants, and migrations that were edited or that this version does not know. If there is no
    /// finding, everything is complete and at the revisions of this version.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database does not answer.
    pub async fn examine(&self, tenants: &[TenantId]) -> Result<Vec<Finding>, Error> {
        Ok(self.examine_everything(tenants, &[], &[]).await?.into_findings())
    }

    /// Returns what differs from `plan`: what [`Fleet::examine`] finds, and what the plan's serving roles
    /// have not been granted.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database does not answer, or has no such role.
    pub async fn examine_for(&self, plan: &Plan) -> Result<Vec<Finding>, Error> {
        let serving = self.serving_roles(plan).await?;
        Ok(self.examine_everything(&plan.tenants, &serving, &[]).await?.into_findings())
    }

    /// Examines the installation and the listed tenants, with grants for `roles` and for the recorded roles.
    /// The global nodes of the tenants that were `made` just now are not read: the function that makes a
    /// tenant fails without one.
    pub(crate) async fn examine_everything(
        &self,
        tenants: &[TenantId],
        roles: &[String],
        made: &[TenantId],
    ) -> Result<Examination, Error> {
        let found = examine_catalogs(self.client(), tenants, roles).await;
        let mut found =
            found.map_err(|error| self.installation().statement_failed("examine the installation", error))?;
        let hidden: BTreeSet<&TenantId> = found
            .tenants
            .iter()
            .filter(|finding| tenants::hides_global_node(finding))
            .filter_map(|finding| finding.tenant.as_ref())
            .chain(made)
            .collect();
        let readable: Vec<TenantId> =
            tenants.iter().filter(|tenant| !hidden.contains(tenant)).cloned().collect();
        found.tenants.extend(self.examine_nodes(&readable).await?);
        Ok(found)
    }
}

/// Examines the installation and the listed tenants as far as the catalogs and the control schema show them.
pub(crate) async fn examine_catalogs(
    client: &Client,
    listed: &[TenantId],
    roles: &[String],
) -> Result<Examination, tokio_postgres::Error> {
    let control = control::examine_control(client).await?;
    let mut found = Examination {
        is_absent: control.is_absent() && !control::was_lost(client).await?,
        control: functions::examine_functions(client).await?,
        ..Examination::default()
    };
    let rights = examine_roles(client, &control, roles, &mut found).await?;
    if control.has("tenants") && control.has(LEDGER) {
        found.control.extend(ledger::examine_control_revision(client).await?);
        let (of_control, of_tenants): (Vec<_>, Vec<_>) = ledger::find_foreign_migrations(client)
            .await?
            .into_iter()
            .partition(|finding| finding.tenant.is_none());
        found.control.extend(of_control);
        found.tenants.extend(of_tenants);
        found.standings = ledger::query_standings(client, listed).await?;
        found.only_in_ledger = ledger::query_only_in_ledger(client, listed).await?;
    } else if control.has("tenants") {
        found.standings = ledger::query_standings_without_ledger(client, listed).await?;
    }
    found.control.splice(0..0, control.findings);
    for tenant in listed {
        match found.standings.get(tenant) {
            Some(standing) => found.tenants.extend(standing.findings(tenant)),
            None => found.tenants.push(Finding::of_tenant(
                tenant,
                DatabaseObject::DirectoryRow,
                FindingKind::Missing,
            )),
        }
    }
    found.tenants.extend(tenants::examine_tenants(client, listed).await?);
    found.tenants.extend(rights);
    Ok(found)
}

/// Adds to `found` what the serving roles have not been granted in `public`, and returns what they have not
/// been granted in the tenants' schemas.
async fn examine_roles(
    client: &Client,
    control: &ControlState,
    roles: &[String],
    found: &mut Examination,
) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let recorded =
        if control.has("serving_roles") { roles::query_recorded(client).await? } else { Vec::new() };
    let (existing, gone): (Vec<_>, Vec<_>) = recorded.into_iter().partition(|(_, exists)| *exists);
    for (role, _) in gone {
        found.control.push(Finding::of_control(DatabaseObject::ServingRole { role }, FindingKind::Missing));
    }
    let mut serving: Vec<String> = existing.into_iter().map(|(role, _)| role).collect();
    for role in &serving {
        found.control.extend(roles::examine_control_grants(client, role).await?);
    }
    let new: Vec<String> = roles.iter().filter(|role| !serving.contains(role)).cloned().collect();
    for role in new {
        let kind = FindingKind::NotGranted { role: role.clone() };
        found.control.push(Finding::of_control(DatabaseObject::Installation, kind));
        serving.push(role);
    }
    if control.has("tenants") && !serving.is_empty() {
        return roles::examine_tenant_grants(client, &serving).await;
    }
    Ok(Vec::new())
}
