//! Tests of the merge law: by example, by property, and against a second, simpler implementation.
//!
//! `PROPTEST_CASES` sets the number of random chains for each property (default: 256).
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
