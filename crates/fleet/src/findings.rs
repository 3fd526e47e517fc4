//! What an examination finds: words for people, and data for programs.

use std::fmt;

use context_domain::id::TenantId;
use context_store::postgres::completeness::IS_OPEN;

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Whose; none where it is the installation's as a whole.
    pub tenant: Option<TenantId>,
    /// What: `the table contexts`, `the function public.create_tenant_schema(text)`.
    pub object: String,
    /// What is wrong with it.
    pub kind: Kind,
}

/// What can be wrong with a thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It is not there.
    Missing,
    /// It is there and not in force: an index whose building failed, a trigger that was disabled, a constraint that was
    /// never validated.
    Invalid,
    /// It is not what this version makes.
    Different,
    /// It was changed by somebody, and is not repaired: that could cost what it holds, or what somebody wanted.
    Changed {
        /// What it is now: `is integer, not text`.
        how: String,
    },
    /// Everybody may use it.
    Open,
    /// Something else has its name.
    Another,
    /// Something else has its name, and makes way for it under another.
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
    /// A finding of the installation as a whole.
    pub(crate) fn of_control(object: impl Into<String>, kind: Kind) -> Self {
        Self { tenant: None, object: object.into(), kind }
    }

    /// A finding of a tenant's.
    pub(crate) fn of_tenant(tenant: &TenantId, object: impl Into<String>, kind: Kind) -> Self {
        Self { tenant: Some(tenant.clone()), object: object.into(), kind }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tenant) = &self.tenant {
            write!(f, "tenant {tenant}: ")?;
        }
        let object = &self.object;
        match &self.kind {
            Kind::Missing => write!(f, "{object} is missing"),
            Kind::Invalid => write!(f, "{object} is there and not in force"),
            Kind::Different => write!(f, "{object} is not what this version makes"),
            Kind::Changed { how } => write!(f, "{object} {how}"),
            Kind::Open => write!(f, "{object} {IS_OPEN}"),
            Kind::Another => write!(f, "{object} is something else of that name"),
            Kind::Legacy => write!(f, "{object} is an older system's"),
            Kind::Newer { revision } => {
                write!(f, "{object} is at revision {revision}, which this version does not know")
            }
            Kind::Edited { revision } => {
                write!(
                    f,
                    "{object} was made by another text of the migration {revision} than this version has"
                )
            }
            Kind::Behind { revision } => write!(f, "{object} is at revision {revision}"),
            Kind::NotGranted { role } => write!(f, "{object} is not granted to the serving role {role}"),
            Kind::Refused { why } => write!(f, "{object} could not be repaired: {why}"),
        }
    }
}
