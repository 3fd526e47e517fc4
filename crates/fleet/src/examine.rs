//! The health check: everything that is not as this version makes it, and nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use context_domain::error::Error;
use context_domain::id::TenantId;
use tokio_postgres::Client;

use crate::bootstrap::Plan;
use crate::control::{self, Control, LEDGER};
use crate::findings::{Finding, Kind};
use crate::fleet::Fleet;
use crate::ledger::{self, Standing};
use crate::tenants::hides_nodes;
use crate::{functions, roles, tenants};

impl Fleet {
    /// What is wrong with the installation and with each of the tenants; of others, only what stands in the way of
    /// serving and of every change. Nothing wrong: complete, and at the revisions of this version.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the database does not answer.
    pub async fn examine(&self, tenants: &[TenantId]) -> Result<Vec<Finding>, Error> {
        let found = self.look(tenants, &[], &[]).await?;
        Ok(found.findings())
    }

    /// What bootstrap would repair for `plan`: what [`Fleet::examine`] finds, and what the plan's serving roles lack.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the database does not answer, or has no such role.
    pub async fn examine_for(&self, plan: &Plan) -> Result<Vec<Finding>, Error> {
        let serving = self.serving_roles(plan).await?;
        Ok(self.look(&plan.tenants, &serving, &[]).await?.findings())
    }

    /// Looks at the installation and at the listed tenants, as they should be for `roles` and for the recorded ones. Those
    /// that were `made` just now are not asked for their global nodes: the function that makes a tenant fails without.
    pub(crate) async fn look(
        &self,
        tenants: &[TenantId],
        roles: &[String],
        made: &[TenantId],
    ) -> Result<Found, Error> {
        let found = look(self.client(), tenants, roles).await;
        let mut found = found.map_err(|error| self.place().failed("examine the installation", error))?;
        let hidden: BTreeSet<&TenantId> = found
            .tenants
            .iter()
            .filter(|finding| hides_nodes(finding))
            .filter_map(|finding| finding.tenant.as_ref())
            .chain(made)
            .collect();
        let readable: Vec<TenantId> =
            tenants.iter().filter(|tenant| !hidden.contains(tenant)).cloned().collect();
        found.tenants.extend(self.examine_nodes(&readable).await?);
        Ok(found)
    }
}

/// What an examination found, in the parts that repairing needs.
pub(crate) struct Found {
    /// What is wrong with the control schema, the functions and the serving roles' rights on them.
    pub(crate) control: Vec<Finding>,
    /// Whether there is no control schema yet.
    pub(crate) is_absent: bool,
    /// What is wrong with the tenants.
    pub(crate) tenants: Vec<Finding>,
    /// The listed tenants that are in the directory.
    pub(crate) standings: BTreeMap<TenantId, Standing>,
    /// The listed tenants that only the ledger knows: they were in the directory, and were not dropped by us.
    pub(crate) remembered: BTreeSet<TenantId>,
}

impl Found {
    /// Everything, the installation's first.
    pub(crate) fn findings(self) -> Vec<Finding> {
        self.control.into_iter().chain(self.tenants).collect()
    }

    /// What must be looked at by people before anything is changed.
    pub(crate) fn refusals(&self) -> Vec<&Finding> {
        let all = self.control.iter().chain(&self.tenants);
        all.filter(|finding| {
            matches!(finding.kind, Kind::Newer { .. } | Kind::Edited { .. })
                || (finding.kind == Kind::Another && finding.object.starts_with("the table"))
        })
        .collect()
    }
}

/// The same, as far as the catalog and the control schema tell.
pub(crate) async fn look(
    client: &Client,
    listed: &[TenantId],
    roles: &[String],
) -> Result<Found, tokio_postgres::Error> {
    let control = control::examine(client).await?;
    let mut found = Found {
        is_absent: control.is_absent() && !control::is_lost(client).await?,
        control: functions::examine(client).await?,
        tenants: Vec::new(),
        standings: BTreeMap::new(),
        remembered: BTreeSet::new(),
    };
    let rights = look_at_roles(client, &control, roles, &mut found).await?;
    if control.has("tenants") && control.has(LEDGER) {
        found.control.extend(ledger::control_findings(client).await?);
        let (strange_control, strange_tenants): (Vec<_>, Vec<_>) =
            ledger::strangers(client).await?.into_iter().partition(|finding| finding.tenant.is_none());
        found.control.extend(strange_control);
        found.tenants.extend(strange_tenants);
        found.standings = ledger::standings(client, listed).await?;
        found.remembered = ledger::remembered(client, listed).await?;
    } else if control.has("tenants") {
        found.standings = ledger::without_records(client, listed).await?;
    }
    found.control.splice(0..0, control.findings);
    for tenant in listed {
        match found.standings.get(tenant) {
            Some(standing) => found.tenants.extend(standing.findings(tenant)),
            None => found.tenants.push(Finding::of_tenant(tenant, DIRECTORY_ROW, Kind::Missing)),
        }
    }
    found.tenants.extend(tenants::examine(client, listed).await?);
    found.tenants.extend(rights);
    Ok(found)
}

/// What the row of a tenant in the directory is called in findings.
pub(crate) const DIRECTORY_ROW: &str = "the row in public.tenants";

/// What the serving roles lack of `public`, into `found`; and what they lack of the tenants' schemas.
async fn look_at_roles(
    client: &Client,
    control: &Control,
    roles: &[String],
    found: &mut Found,
) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let recorded = if control.has("serving_roles") { roles::recorded(client).await? } else { Vec::new() };
    let (there, gone): (Vec<_>, Vec<_>) = recorded.into_iter().partition(|(_, is_there)| *is_there);
    for (role, _) in gone {
        found.control.push(Finding::of_control(format!("the serving role {role}"), Kind::Missing));
    }
    let mut serving: Vec<String> = there.into_iter().map(|(role, _)| role).collect();
    for role in &serving {
        found.control.extend(roles::control_findings(client, role).await?);
    }
    let new: Vec<String> = roles.iter().filter(|role| !serving.contains(role)).cloned().collect();
    for role in new {
        found.control.push(Finding::of_control("the installation", Kind::NotGranted { role: role.clone() }));
        serving.push(role);
    }
    if control.has("tenants") && !serving.is_empty() {
        return roles::tenant_findings(client, &serving).await;
    }
    Ok(Vec::new())
}
