//! The tests of the stores through their ports: one program, so that they are linked once.
//!
//! They share one PostgreSQL server, on which most of them have a database of their own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod concurrency;
mod conformance;
mod folders;
mod model;
mod postgres_connections;
mod postgres_documents;
mod postgres_tenants;
mod upgrade;

// Helpers.

#[path = "../support/database.rs"]
mod database;
#[path = "../support/fakes.rs"]
mod fakes;
#[path = "../support/installation.rs"]
mod installation;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/stores.rs"]
mod stores;
#[path = "../support/writes.rs"]
mod writes;
