//! The owner's side of a PostgreSQL installation: bootstrap, migrations, health check, export.
//!
//! An installation is a database with a *control schema* in `public` (the tenants, the ledger of migrations,
//! the API keys, the serving roles), functions in `public` that any permitted role can call from psql, and
//! one schema per tenant. All of it is SQL, in `migrations/`, `schema/` and `functions/`. The functions carry
//! the tenant's tables and migrations in their bodies, filled in when they are installed, so that a tenant is
//! the same whether psql, the API or [`Fleet::bootstrap`] made it. A new tenant is made from
//! `schema/tenant.sql`, which is what all migrations make together. Every migration is safe to repeat, so a
//! tenant is repaired by running all of them again.
//!
//! # Map
//!
//! - [`Fleet`]: the connection as the owner; every operation is a method of it.
//! - `examine/` compares a database with what this version makes, and changes nothing. It finds [`Finding`]s:
//!   an object, and what is wrong with it, as data. `found` is the result; the other files examine one part
//!   each.
//! - `change/` makes and repairs. It examines, decides from the findings, and examines again: [`Report`] is
//!   the difference. `plan` is what is asked for, `jobs` what is done to one tenant, `workers` does many at a
//!   time, `retry` limits how often a transaction is retried, `control` makes the control schema under an
//!   advisory lock.
//! - `export/` writes tenants to files that psql loads back; `change/recreate` drops only what was exported.
//! - `migrations`, `functions` and `control_tables` hold the SQL and what it makes.
//!
//! Files depend on one another in one direction: `change` on `examine` and `export`, and these on the rest
//! (`examine` also on `change/plan`, which depends on nothing here). Nothing here serves requests: a server
//! works as a role that owns nothing.

mod change;
mod control_tables;
mod examine;
mod export;
mod failure;
mod finding;
mod fleet;
mod functions;
mod installation;
mod migrations;
mod rows;

pub use change::plan::{Plan, Progress, default_workers};
pub use change::report::Report;
pub use context_store::postgres::completeness::{Alteration, DatabaseObject};
pub use export::Export;
pub use finding::{Finding, FindingKind};
pub use fleet::Fleet;
