//! The parts that a table must have, by name.

/// A table and what belongs to it. The lists of these are generated from databases that the SQL files made.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedTable {
    /// Its name.
    pub name: &'static str,
    /// The names of its columns, and their types as the catalog prints them.
    pub columns: &'static [(&'static str, &'static str)],
    /// The names of its indexes, except those of constraints.
    pub indexes: &'static [&'static str],
    /// The names of its constraints.
    pub constraints: &'static [&'static str],
    /// The names of its triggers.
    pub triggers: &'static [&'static str],
}
