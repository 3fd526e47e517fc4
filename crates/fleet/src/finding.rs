//! The findings of an examination: an object of the installation, and what is wrong with it.

use std::fmt;

use context_domain::id::TenantId;
use context_store::postgres::completeness::{Alteration, DatabaseObject, IS_OPEN};

/// One object that is not as this version makes it.
///
/// Repairs are decided from these fields. `Display` is for people: no code may depend on its words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The tenant that the object belongs to; `None` if it belongs to the installation as a whole.
    pub tenant: Option<TenantId>,
    /// The object.
    pub object: DatabaseObject,
    /// What is wrong with it.
    pub kind: FindingKind,
}

/// What can be wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// It does not exist.
    Missing,
    /// It did not exist, and bootstrap recreated it without the data that it once held.
    Lost,
    /// It exists and is not in force: an invalid index, a disabled trigger, a constraint that was never
    /// validated.
    Invalid,
    /// It differs from what this version makes, and is replaced.
    Different,
    /// Somebody changed it. It is not repaired, because that could cost data or undo what somebody wanted.
    Altered(Alteration),
    /// Every role may use it.
    Open,
    /// Something that this service did not make has its name.
    NameTaken,
    /// An older system's table has its name, and is renamed.
    Legacy,
    /// It is at an earlier revision.
    Behind {
        /// The revision that it is at.
        revision: i32,
    },
    /// It is at a revision that this version does not know.
    Newer {
        /// The revision that it is at.
        revision: i32,
    },
    /// The migration that made it was edited after it had been applied.
    Edited {
        /// The migration's revision.
        revision: i32,
    },
    /// The role has not been granted what serving needs of it.
    NotGranted {
        /// The role.
        role: String,
    },
    /// The database refused to repair it.
    Refused {
        /// What happened.
        why: String,
    },
}

impl Finding {
    /// Returns a finding about the installation as a whole.
    pub(crate) fn of_control(object: DatabaseObject, kind: FindingKind) -> Self {
        Self { tenant: None, object, kind }
    }

    /// Returns a finding about a tenant.
    pub(crate) fn of_tenant(tenant: &TenantId, object: DatabaseObject, kind: FindingKind) -> Self {
        Self { tenant: Some(tenant.clone()), object, kind }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tenant) = &self.tenant {
            write!(f, "tenant {tenant}: ")?;
        }
        let object = &self.object;
        match &self.kind {
            FindingKind::Lost if *object == DatabaseObject::DirectoryRow => {
                write!(f, "{object} was missing and was recreated; any API keys of the tenant are lost")
            }
            kind => write!(f, "{object} {kind}"),
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Lost => f.write_str("was missing and was recreated, empty"),
            Self::Invalid => f.write_str("exists and is not in force"),
            Self::Different => f.write_str("is not what this version makes"),
            Self::Altered(alteration) => write!(f, "{alteration}"),
            Self::Open => f.write_str(IS_OPEN),
            Self::NameTaken => f.write_str("is not this service's"),
            Self::Legacy => f.write_str("is an older system's"),
            Self::Behind { revision } => write!(f, "is at revision {revision}"),
            Self::Newer { revision } => {
                write!(f, "is at revision {revision}, which this version does not know")
            }
            Self::Edited { revision } => {
                write!(f, "was made by migration {revision}, whose text differs from this version's")
            }
            Self::NotGranted { role } => write!(f, "is not granted to the serving role {role}"),
            Self::Refused { why } => write!(f, "could not be repaired: {why}"),
        }
    }
}
