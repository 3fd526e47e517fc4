//! The tests that keep the whole machine busy: killed processes, killed servers, poolers, memory.
//!
//! They are a program of their own because cargo runs one program after the other: the quick tests of `it`
//! have time limits, which they would miss while these run. The processes that some of these tests start are
//! this program too, with the name of one test and its role in the environment.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]
#![expect(clippy::disallowed_methods, reason = "the roles and the sizes come from the environment")]

mod kills;
mod memory;
mod poolers;
mod processes;

// Helpers.

#[path = "../support/installation.rs"]
mod installation;
#[path = "../support/writes.rs"]
mod writes;
