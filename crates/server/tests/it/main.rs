//! Black-box tests: a real server on a real socket over a real embedded store.
#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod authorization;
mod changes;
mod conditions;
mod contexts;
mod documents;
mod health;
mod hostile;
mod hosts;
mod idempotency;
mod log;
mod openapi;
mod problems;
mod random_credentials;
mod resolved;
mod schema;
mod search;
mod stores;
mod support;
mod tenants;
mod tree;
