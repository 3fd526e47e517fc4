//! The merge law: by example, by property, and against a second, plainer telling of it.
//!
//! `PROPTEST_CASES` says how many random chains each property sees (256 where it is not set).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod chains;
mod law;
mod properties;
mod reference;
