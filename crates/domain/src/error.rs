//! Everything that can go wrong, once: each way in translates this one enum.

use serde_json::Value;

use crate::context::Context;
use crate::fault::Fault;
use crate::id::{KeyId, NoRandomness, TenantId};
use crate::json::ReadError;
use crate::limits::MAX_WRITE_ATTEMPTS;
use crate::tree::{Address, Scope};

/// What went wrong. `Display` is a sentence for the caller; it never prints its source, which is for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not JSON.
    #[error("the text is not JSON: line {line}, column {column}: {message}")]
    Syntax {
        /// The line, from 1.
        line: u64,
        /// The character in the line, from 1.
        column: u64,
        /// What was found there.
        message: String,
    },
    /// The input breaks rules; each with its place.
    #[error("{}", faults_sentence(.0))]
    Invalid(Vec<Fault>),
    /// A parameter, header or flag breaks a rule.
    #[error("{name}: {message}")]
    BadParameter {
        /// The parameter's name.
        name: String,
        /// The rule.
        message: String,
    },
    /// Nothing lives at the address.
    #[error("there is no context {0}")]
    NotFound(Address),
    /// There is no such tenant, for this caller.
    #[error("there is no tenant {tenant}")]
    TenantNotFound {
        /// The tenant's id.
        tenant: TenantId,
    },
    /// A tenant of that id exists already.
    #[error("the tenant {tenant} exists already")]
    TenantExists {
        /// The tenant's id.
        tenant: TenantId,
    },
    /// A create met an existing context.
    #[error(
        "the context exists already: to replace it, name the version that you have read (If-Match, --if-match); to change some members, patch it"
    )]
    AlreadyExists(Box<Context>),
    /// A condition named another version than the present one.
    #[error(
        "the condition does not hold: the context was written since; read `current`, decide anew, send its ETag"
    )]
    PreconditionFailed(Option<Box<Context>>),
    /// A replacement without a condition met an existing context.
    #[error(
        "the context exists: to replace it, name the version that you have read (If-Match, --if-match), or * for \
             whatever is there; a patch changes some members only"
    )]
    PreconditionRequired(Box<Context>),
    /// A deletion of one node met children.
    #[error("the node has {count} children: delete them first, or all at once (cascade=true, --cascade)")]
    HasChildren {
        /// How many stand directly below the node.
        count: u64,
        /// The node.
        current: Box<Context>,
    },
    /// The parent of a new node does not exist, and was not to be made.
    #[error(
        "the parent {0} does not exist: create it first, or let it be made (create_parents=true, no --no-create-parents)"
    )]
    ParentMissing(Scope),
    /// A JSON patch's `test` did not hold.
    #[error("the patch's test does not hold at {pointer}: the context is not what the patch was made for")]
    PatchTestFailed {
        /// Pointer into the patch: the operation.
        pointer: String,
        /// The context that was to be patched.
        current: Box<Context>,
    },
    /// A node above has locked what the write adds or changes.
    #[error(
        "a node above has locked what this writes: leave these members out, or change them where they are locked"
    )]
    Locked(Vec<Fault>),
    /// The global node cannot be deleted.
    #[error("the global node cannot be deleted: everything in the tree stands below it; PUT {{}} empties it")]
    GlobalNode,
    /// The idempotency key was used before, with another request.
    #[error(
        "the idempotency key was used with another request: a key names one request for 24 hours; send a new key"
    )]
    IdempotencyKeyReused,
    /// The caller showed no key, or none that works.
    #[error("this needs an API key that works: send 'Authorization: Bearer cs_…'")]
    Unauthenticated,
    /// There is no such key.
    #[error("there is no key {0}")]
    KeyNotFound(KeyId),
    /// The caller may not do this.
    #[error("this needs {needs} access")]
    Forbidden {
        /// What the caller would need.
        needs: &'static str,
    },
    /// Tenants are made and dropped by the store's owner, and this process is not connected as the owner.
    #[error(
        "tenants are made and dropped over the owner's connection, which this process does not have: run `{command}` as the owner, or start the process with DATABASE_ADMIN_URL"
    )]
    OwnerNeeded {
        /// What the owner may run instead.
        command: String,
    },
    /// Too many others wrote at the same time.
    #[error(
        "others wrote the context {MAX_WRITE_ATTEMPTS} times while this write was computed: nothing was written; try again"
    )]
    Contended,
    /// The store cannot be reached or cannot work.
    #[error("the store is unavailable: {detail}")]
    Unavailable {
        /// What the caller may know.
        detail: String,
        /// What the log is told.
        #[source]
        source: Option<Source>,
    },
    /// The write was sent, and no answer came.
    #[error(
        "the write was sent and not answered: it may or may not have happened; read, or repeat it with the same idempotency key"
    )]
    OutcomeUnknown(#[source] Source),
    /// One tenant's area is damaged; others work.
    #[error("the tenant {tenant} is unhealthy: {detail}")]
    TenantUnhealthy {
        /// The tenant's id.
        tenant: TenantId,
        /// What is wrong with it.
        detail: String,
        /// What the log is told.
        #[source]
        source: Option<Source>,
    },
    /// A fault of the program itself.
    #[error("an internal error occurred; the log has it under the request's id")]
    Internal {
        /// What the log is told.
        detail: String,
    },
}

/// The error of a library, for the log only.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "invalid_json",
            Self::Invalid(_) => "invalid",
            Self::BadParameter { .. } => "bad_parameter",
            Self::NotFound(_) => "not_found",
            Self::TenantNotFound { .. } => "tenant_not_found",
            Self::TenantExists { .. } => "tenant_exists",
            Self::AlreadyExists(_) => "already_exists",
            Self::PreconditionFailed(_) => "precondition_failed",
            Self::PreconditionRequired(_) => "precondition_required",
            Self::HasChildren { .. } => "has_children",
            Self::ParentMissing(_) => "parent_missing",
            Self::PatchTestFailed { .. } => "patch_test_failed",
            Self::Locked(_) => "locked",
            Self::GlobalNode => "global_node",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::Unauthenticated => "unauthenticated",
            Self::KeyNotFound(_) => "key_not_found",
            Self::Forbidden { .. } => "forbidden",
            Self::OwnerNeeded { .. } => "owner_needed",
            Self::Contended => "contended",
            Self::Unavailable { .. } => "store_unavailable",
            Self::OutcomeUnknown(_) => "outcome_unknown",
            Self::TenantUnhealthy { .. } => "tenant_unhealthy",
            Self::Internal { .. } => "internal",
        }
    }

    /// What is wrong and where, if the input is.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Invalid(faults) | Self::Locked(faults) => faults,
            _ => &[],
        }
    }

    /// The context as it is now, where the error is that it is not what the caller took it for.
    pub fn current(&self) -> Option<&Context> {
        match self {
            Self::AlreadyExists(current)
            | Self::PreconditionRequired(current)
            | Self::HasChildren { current, .. }
            | Self::PatchTestFailed { current, .. } => Some(current),
            Self::PreconditionFailed(current) => current.as_deref(),
            _ => None,
        }
    }

    /// Whether the fault is the service's and not the caller's: what a log calls an error.
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::Contended
                | Self::Unavailable { .. }
                | Self::OutcomeUnknown(_)
                | Self::TenantUnhealthy { .. }
                | Self::Internal { .. }
        )
    }

    /// The error as members of a machine-readable answer: `detail`, `code`, and `errors`, `current_version` and
    /// `current` where there are any.
    pub fn to_json(&self) -> Value {
        let mut members = serde_json::Map::new();
        members.insert("code".to_owned(), self.code().into());
        members.insert("detail".to_owned(), self.to_string().into());
        if !self.faults().is_empty() {
            members.insert("errors".to_owned(), self.faults().iter().map(Fault::to_json).collect());
        }
        if let Some(current) = self.current() {
            members.insert("current_version".to_owned(), current.version.into());
            members.insert("current".to_owned(), current.to_json());
        }
        Value::Object(members)
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Syntax { line, column, message } => Self::Syntax { line, column, message },
            ReadError::Rule(fault) => Self::Invalid(vec![fault]),
        }
    }
}

impl From<NoRandomness> for Error {
    fn from(error: NoRandomness) -> Self {
        Self::Internal { detail: error.to_string() }
    }
}

impl From<Vec<Fault>> for Error {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Invalid(faults)
    }
}

/// The first fault, and how many more there are.
fn faults_sentence(faults: &[Fault]) -> String {
    let Some(first) = faults.first() else { return "the input is invalid".to_owned() };
    let place = if first.pointer.is_empty() { String::new() } else { format!("{}: ", first.pointer) };
    match faults.len() {
        1 => format!("{place}{}", first.message),
        all => format!("{place}{} (and {} more)", first.message, all - 1),
    }
}
