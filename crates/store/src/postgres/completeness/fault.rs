//! The faults that an object of a tenant's schema can have.

use std::fmt;

use super::object::DatabaseObject;

/// A fault of one object of a tenant's schema. `Display` is for people; no code parses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaFault {
    /// The object does not exist, or is not in force: an invalid index, a disabled trigger.
    Missing(DatabaseObject),
    /// Every role may use the object.
    Open(DatabaseObject),
    /// Somebody changed the object, and this program does not change it back.
    Altered {
        /// The object that was changed.
        object: DatabaseObject,
        /// How it differs now.
        alteration: Alteration,
    },
}

/// How an object differs from what this version makes, where repairing it could cost data or undo what
/// somebody wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alteration {
    /// The column has another type.
    ColumnType {
        /// The type that it has.
        found: String,
        /// The type that it should have.
        expected: String,
    },
    /// The table has row-level security.
    RowSecurity,
    /// The table has a trigger that this service does not make.
    ForeignTrigger {
        /// The trigger.
        trigger: String,
    },
    /// The table has a rule.
    ForeignRule {
        /// The rule.
        rule: String,
    },
    /// The table is unlogged.
    Unlogged,
    /// The object belongs to a role that the owner of the installation cannot act for.
    ForeignOwner {
        /// The role that owns it.
        owner: String,
    },
    /// The table is not this service's, and its indexes have names that this service's tables need.
    TakesIndexNames {
        /// The names.
        indexes: Vec<String>,
    },
}

/// The message about an object that every role may use.
pub const IS_OPEN: &str = "is open to every role (PUBLIC)";

impl fmt::Display for SchemaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(object) => write!(f, "{object} is missing"),
            Self::Open(object) => write!(f, "{object} {IS_OPEN}"),
            Self::Altered { object, alteration } => write!(f, "{object} {alteration}"),
        }
    }
}

impl fmt::Display for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ColumnType { found, expected } => write!(f, "is {found}, not {expected}"),
            Self::RowSecurity => f.write_str("has row-level security, which is not this service's"),
            Self::ForeignTrigger { trigger } => {
                write!(f, "has the trigger {trigger}, which is not this service's")
            }
            Self::ForeignRule { rule } => write!(f, "has the rule {rule}, which is not this service's"),
            Self::Unlogged => f.write_str("is unlogged: a crash empties it"),
            Self::ForeignOwner { owner } => {
                write!(f, "belongs to the role {owner}, not to the owner of the installation")
            }
            Self::TakesIndexNames { indexes } => {
                write!(f, "has indexes whose names this service's tables need: rename {}", indexes.join(", "))
            }
        }
    }
}
