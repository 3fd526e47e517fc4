//! Black-box tests of the binary: arguments in, output and exit codes out.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken assumption is a failed test"
)]

mod acme;
mod bootstrap;
mod commands;
mod contexts;
mod documents;
mod help;
mod import;
mod keys;
mod postgres;
mod repository;
mod served;
mod settings;
mod steps;
mod support;
mod tour;
