//! The migrations: SQL files with their revisions, names and checksums, and their text within a function.

use sha2::{Digest, Sha256};

/// One step of a schema. Each is safe to repeat: what exists already is left alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    /// The revision that it makes.
    pub(crate) revision: i32,
    /// Its name.
    pub(crate) name: &'static str,
    /// Its SQL. In a tenant's, `{schema}` is the schema as an identifier and `{tenant}` the id as a literal.
    pub(crate) up: &'static str,
}

impl Migration {
    /// Returns the hexadecimal SHA-256 of its text, which shows whether it was edited after it was applied.
    pub(crate) fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.up))
    }
}

/// The migrations that make the control schema, in order.
pub(crate) const CONTROL: &[Migration] = &[Migration {
    revision: 1,
    name: "control_schema",
    up: include_str!("../migrations/control/001_control_schema.up.sql"),
}];

/// The migrations that make a tenant's schema, in order.
pub(crate) const TENANT: &[Migration] = &[
    Migration {
        revision: 1,
        name: "create_contexts",
        up: include_str!("../migrations/tenant/001_create_contexts.up.sql"),
    },
    Migration {
        revision: 2,
        name: "context_tree",
        up: include_str!("../migrations/tenant/002_context_tree.up.sql"),
    },
    Migration {
        revision: 3,
        name: "create_context_inheritance_cache",
        up: include_str!("../migrations/tenant/003_create_context_inheritance_cache.up.sql"),
    },
    Migration {
        revision: 4,
        name: "fix_context_inheritance_cache",
        up: include_str!("../migrations/tenant/004_fix_context_inheritance_cache.up.sql"),
    },
    Migration {
        revision: 5,
        name: "context_changes",
        up: include_str!("../migrations/tenant/005_context_changes.up.sql"),
    },
];

/// The schema that all tenant migrations together make. A new tenant is made from it.
const EXPECTED: &str = include_str!("../schema/tenant.sql");

/// Returns the SQL that makes a new tenant's tables, as a format string for the schema and the tenant's id.
pub(crate) fn expected_as_format() -> String {
    as_format(EXPECTED)
}

/// Returns the SQL of all tenant migrations in order, as such a format string.
pub(crate) fn migrations_as_format() -> String {
    TENANT.iter().map(|migration| as_format(migration.up)).collect()
}

fn as_format(text: &str) -> String {
    text.replace('%', "%%").replace("{schema}", "%1$I").replace("{tenant}", "%2$L")
}

/// Returns the tenant migrations as SQL rows of `(revision, name, checksum)`.
pub(crate) fn migrations_as_rows() -> String {
    let rows = TENANT.iter().map(|migration| {
        format!("({}, '{}', '{}')", migration.revision, migration.name, migration.checksum())
    });
    rows.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use context_store::postgres::{CONTROL_REVISION, TENANT_REVISION};

    #[test]
    fn revisions_have_no_gaps_and_end_at_the_ones_that_the_store_works_on() {
        for (migrations, last) in [(CONTROL, CONTROL_REVISION), (TENANT, TENANT_REVISION)] {
            let revisions: Vec<_> = migrations.iter().map(|migration| migration.revision).collect();
            assert_eq!(revisions, (1..=last).collect::<Vec<_>>());
        }
    }

    #[test]
    fn each_text_can_be_part_of_a_functions_body() {
        for text in TENANT.iter().map(|migration| migration.up).chain([EXPECTED]) {
            assert!(!text.contains("$text$") && !text.contains("$function$"), "{text}");
            assert!(text.contains("{schema}") && text.ends_with('\n'), "{text}");
        }
    }
}
