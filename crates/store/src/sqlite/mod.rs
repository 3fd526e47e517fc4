//! The embedded store: SQLite files in a folder.
//!
//! Every call on a tenant is one transaction on its file ([`tenant_file`]), run on a thread that may block.
//! The future that waits for it may be dropped; the transaction is then still carried out, or never begun.
//!
//! [`store`] runs transactions; `contexts`, `directory` and `upkeep` implement the ports on it.

mod changes;
mod columns;
mod commit;
mod connections;
mod context_rows;
mod contexts;
mod control;
mod directory;
mod failure;
mod files;
mod index;
mod keys;
mod rows;
mod schema;
mod search;
mod store;
mod tenant_file;
mod terms;
mod upkeep;

pub(crate) use store::SqliteStore;
