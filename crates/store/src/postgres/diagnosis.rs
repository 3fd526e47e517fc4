//! Explains why a call on a tenant failed, or what a tenant's schema lacks, and says what to do.

use context_domain::error::Error;
use context_domain::id::TenantId;
use tokio_postgres::types::Type;

use super::completeness::{self, SchemaFault, SchemaFaults};
use super::failure::Failure;

use super::statement::{Param, StatementKind};
use super::{Store, schema_of};

/// Objects that a message names before it only counts them.
const MAX_NAMED: usize = 5;

impl Store {
    /// Returns the error of a call whose statement named undefined or forbidden objects: the tenant does not
    /// exist, or its schema is damaged, and how.
    pub(super) async fn diagnose(&self, tenant: &TenantId, failure: Failure) -> Error {
        match self.find(tenant).await {
            Ok(None) => Error::TenantNotFound { tenant: tenant.clone() },
            Ok(Some(_)) if failure.is_undefined() => match self.faults(std::slice::from_ref(tenant)).await {
                Ok(faults) => match faults.into_values().next() {
                    Some(faults) => Failure::damaged(describe_faults(tenant, &faults)).in_tenant(tenant),
                    None => failure.in_tenant(tenant),
                },
                Err(other) => other.in_store(),
            },
            Ok(Some(_)) => failure.in_tenant(tenant),
            Err(other) => other.in_store(),
        }
    }

    /// Returns what is wrong with the schemas of these tenants.
    pub(super) async fn faults(&self, tenants: &[TenantId]) -> Result<SchemaFaults, Failure> {
        let schemas: Vec<_> = tenants.iter().map(schema_of).collect();
        let tables = completeness::table_names();
        let params: [Param<'_>; 2] = [(&schemas, Type::TEXT_ARRAY), (&tables.as_slice(), Type::TEXT_ARRAY)];
        let rows = self.pool.query(None, StatementKind::Scan, completeness::CATALOG, &params).await?;
        Ok(completeness::faults_of_rows(&rows)?)
    }
}

/// Says that a tenant lacks these objects, and what to do.
pub(super) fn describe_missing(tenant: &TenantId, objects: &[String]) -> String {
    let verb = if objects.len() == 1 { "is" } else { "are" };
    format!("{} {verb} missing: run `context-service bootstrap --tenant-id {tenant}`", list_first(objects))
}

/// Says what is wrong with a tenant's schema, and what to do. If something is missing, only that is named.
pub(super) fn describe_faults(tenant: &TenantId, faults: &[SchemaFault]) -> String {
    let missing = faults.iter().filter_map(|fault| match fault {
        SchemaFault::Missing(object) => Some(object.to_string()),
        SchemaFault::Open(_) | SchemaFault::Altered { .. } => None,
    });
    let missing: Vec<_> = missing.collect();
    if !missing.is_empty() {
        return describe_missing(tenant, &missing);
    }
    let all: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let advice = if faults.iter().all(|fault| matches!(fault, SchemaFault::Open(_))) {
        format!("run `context-service bootstrap --tenant-id {tenant}`")
    } else {
        "that was changed by hand, and must be changed back by hand".to_owned()
    };
    format!("{}: {advice}", list_first(&all))
}

/// Lists the first of these, and counts the rest.
fn list_first(objects: &[String]) -> String {
    let (listed, rest) = objects.split_at_checked(MAX_NAMED).unwrap_or((objects, &[]));
    let rest = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    format!("{}{rest}", listed.join(", "))
}
