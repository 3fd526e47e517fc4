//! The owner's side of a PostgreSQL installation: bootstrap, migrations, health.
//!
//! An installation is a database with a *control schema* in `public` (the tenants, the ledger of migrations, the keys, the
//! serving roles), functions beside it that anyone with the right can call from psql, and one schema a tenant. All of it is
//! SQL, in `migrations/`, `schema/` and `functions/`: the functions carry the tenant's tables and migrations in their bodies,
//! put there when they are installed, so that a tenant made from psql, by the API or by [`Fleet::bootstrap`] is the same.
//!
//! [`Fleet::examine`] compares a database with that and changes nothing. [`Fleet::bootstrap`] examines, and then has the
//! functions do what is missing: the control schema in one transaction, each tenant in its own, several at a time. A new
//! tenant is made from `schema/tenant.sql`, which is what all migrations make together. Every migration is safe to repeat, so
//! that repairing a tenant is running all of them again. Nothing here serves: a server works as a role that owns nothing.

mod bootstrap;
mod control;
mod examine;
mod export;
mod failure;
mod findings;
mod fleet;
mod functions;
mod jobs;
mod ledger;
mod migrations;
mod nodes;
mod recreate;
mod roles;
mod rows;
mod tenants;
mod workers;

pub use bootstrap::{Plan, Report, default_workers};
pub use export::Export;
pub use findings::{Finding, Kind};
pub use fleet::Fleet;
pub use workers::Progress;
