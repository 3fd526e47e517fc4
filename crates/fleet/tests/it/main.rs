//! The fleet, against a real PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken assumption is a failed test"
)]

mod bootstrap;
mod catalog;
mod cleanup;
mod concurrency;
mod examine;
mod expected;
mod export;
mod functions;
mod grants;
mod ledger;
mod names;
mod odd_names;
mod operators;
mod sources;
mod support;
mod tampering;
