//! The migrations: SQL files with their numbers, names and checksums, what all of them make, and their text within a function.

use sha2::{Digest, Sha256};

/// One step of a schema. Each is safe to repeat: what is there already is left alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    /// The revision that it makes.
    pub(crate) revision: i32,
    /// What it is called.
    pub(crate) name: &'static str,
    /// Its SQL. In a tenant's, `{schema}` is the schema as an identifier and `{tenant}` the id as a literal.
    pub(crate) up: &'static str,
}

impl Migration {
    /// The hexadecimal SHA-256 of its text: what tells that it was edited after it was applied.
    pub(crate) fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.up))
    }
}

/// What makes the control schema, in order.
pub(crate) const CONTROL: &[Migration] = &[Migration {
    revision: 1,
    name: "control_schema",
    up: include_str!("../migrations/control/001_control_schema.up.sql"),
}];

/// What makes a tenant's schema, in order.
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

/// What all of the tenant's migrations make together. A new tenant is made from it.
const EXPECTED: &str = include_str!("../schema/tenant.sql");

/// What makes a new tenant's tables, as a format of the schema and the tenant's id.
pub(crate) fn expected_as_format() -> String {
    as_format(EXPECTED)
}

/// The tenant's migrations, one after the other, as such a format.
pub(crate) fn as_formats() -> String {
    TENANT.iter().map(|migration| as_format(migration.up)).collect()
}

fn as_format(text: &str) -> String {
    text.replace('%', "%%").replace("{schema}", "%1$I").replace("{tenant}", "%2$L")
}

/// The tenant's migrations as rows of `(revision, name, checksum)`.
pub(crate) fn as_rows() -> String {
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
    fn revisions_are_numbered_without_gaps_up_to_what_the_store_works_on() {
        for (migrations, last) in [(CONTROL, CONTROL_REVISION), (TENANT, TENANT_REVISION)] {
            let revisions: Vec<_> = migrations.iter().map(|migration| migration.revision).collect();
            assert_eq!(revisions, (1..=last).collect::<Vec<_>>());
        }
    }

    #[test]
    fn each_text_can_stand_in_a_function() {
        for text in TENANT.iter().map(|migration| migration.up).chain([EXPECTED]) {
            assert!(!text.contains("$text$") && !text.contains("$function$"), "{text}");
            assert!(text.contains("{schema}") && text.ends_with('\n'), "{text}");
        }
    }
}
