//! The one error type of the product and its stable codes: HTTP and the command line translate them, and add
//! none.

use std::fmt;

use serde_json::Value;

use crate::context::Context;
use crate::fault::Fault;
use crate::id::{KeyId, NoRandomness, TenantId};
use crate::json::ReadError;
use crate::limits::{IDEMPOTENCY_WINDOW_HOURS, MAX_WRITE_ATTEMPTS};
use crate::tree::{Address, Scope};

/// The reason why an operation failed. `Display` is a sentence for the caller: what was wrong, where, the
/// rule, and what to do next. It never includes the source, which is for the log and may quote a driver.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not JSON.
    #[error("the text is not JSON: line {line}, column {column}: {message}")]
    Syntax {
        /// The line, from 1.
        line: u64,
        /// The character in the line, from 1.
        column: u64,
        /// What the parser expected or found there.
        message: String,
    },
    /// The input breaks rules; each fault has its pointer.
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
    /// No live context is at the address.
    #[error("there is no context {0}")]
    NotFound(Address),
    /// The tenant does not exist, or this caller may not know that it does.
    #[error("there is no tenant {tenant}")]
    TenantNotFound {
        /// The tenant's id.
        tenant: TenantId,
    },
    /// A tenant with that id already exists.
    #[error("the tenant {tenant} already exists")]
    TenantExists {
        /// The tenant's id.
        tenant: TenantId,
    },
    /// A create met an existing context.
    #[error(
        "the context already exists: to replace it, send the version that you read (If-Match, --if-match); \
         to change some of its members, patch it"
    )]
    AlreadyExists(Box<Context>),
    /// The condition of a write does not hold for the current version.
    #[error(
        "the condition does not hold for the context as it is now: read `current`, decide again, and send \
         its ETag"
    )]
    PreconditionFailed(Option<Box<Context>>),
    /// A replacement without a condition met an existing context.
    #[error(
        "the context exists: to replace it, send the version that you read (If-Match, --if-match), or * to \
         replace any version; a patch changes only some members"
    )]
    PreconditionRequired(Box<Context>),
    /// A deletion of a single node met children.
    #[error(
        "the node has {count} children: delete them first, or all of them with it (cascade=true, --cascade)"
    )]
    HasChildren {
        /// The number of the node's children, without their own children.
        count: u64,
        /// The node.
        current: Box<Context>,
    },
    /// The parent of a new node does not exist, and the write must not create it.
    #[error(
        "the parent {0} does not exist: create it first, or allow this write to create it \
         (create_parents=true, or no --no-create-parents)"
    )]
    ParentMissing(Scope),
    /// A `test` operation of a JSON patch failed.
    #[error(
        "the `test` operation at {pointer} of the patch failed: the context is not as the patch expects; \
         read it, and make the patch again"
    )]
    PatchTestFailed {
        /// Pointer into the patch: the operation.
        pointer: String,
        /// The context that was to be patched.
        current: Box<Context>,
    },
    /// A node above has locked what the write adds or changes.
    #[error(
        "a node above has locked what this writes: leave these members out, or change them where they are \
         locked"
    )]
    Locked(Vec<Fault>),
    /// The global node cannot be deleted.
    #[error(
        "the global node cannot be deleted, because every node of the tree is below it: replace its document \
         with {{}}"
    )]
    GlobalNode,
    /// The idempotency key was used before, with another request.
    #[error(
        "the idempotency key was used with another request: a key names one request for \
         {IDEMPOTENCY_WINDOW_HOURS} hours; send a new key"
    )]
    IdempotencyKeyReused,
    /// The caller sent no key, or none that is valid.
    #[error("this needs a valid API key: send 'Authorization: Bearer cs_…'")]
    Unauthenticated,
    /// No key has that id.
    #[error("there is no key {0}")]
    KeyNotFound(KeyId),
    /// The caller may not do this.
    #[error("this needs {needs} access")]
    Forbidden {
        /// The access that the caller would need.
        needs: &'static str,
    },
    /// Only the store's owner creates and drops tenants, and this process is not connected as the owner.
    #[error(
        "only the store's owner can create and drop tenants, and this process is not connected as the \
         owner: run `{command}` as the owner, or start the process with DATABASE_ADMIN_URL"
    )]
    OwnerNeeded {
        /// The command that the owner may run instead.
        command: String,
    },
    /// Too many other writers changed the context at the same time.
    #[error(
        "other writers changed the context {MAX_WRITE_ATTEMPTS} times while this write was computed: nothing \
         was written; try again"
    )]
    Contended,
    /// The store cannot be reached or cannot work.
    #[error("the store is unavailable: {detail}")]
    Unavailable {
        /// The part of the cause that callers may see.
        detail: String,
        /// The cause, for the log.
        #[source]
        source: Option<Source>,
    },
    /// The write was sent, and no response was received.
    #[error(
        "no response to the write was received: it may or may not have happened; read the context, or repeat \
         the request with the same idempotency key"
    )]
    OutcomeUnknown(#[source] Source),
    /// The data of one tenant is damaged; other tenants work.
    #[error("the tenant {tenant} is unhealthy: {detail}")]
    TenantUnhealthy {
        /// The tenant's id.
        tenant: TenantId,
        /// The damage that was found.
        detail: String,
        /// The cause, for the log.
        #[source]
        source: Option<Source>,
    },
    /// A bug or another fault of the program itself.
    #[error("an internal error occurred: the log has the details under the request's id")]
    Internal {
        /// The cause, for the log.
        detail: String,
    },
}

/// Declares [`Code`], its list and its strings together, so that no code can be missing from one of them.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)+) => {
        /// The stable name of a problem, for programs: `code` in an HTTP problem and in the command line's
        /// JSON.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Returns the code as callers see it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

codes! {
    /// A parameter, a header or the path breaks a rule.
    BadParameter => "bad_parameter",
    /// The text is not JSON.
    InvalidJson => "invalid_json",
    /// The caller sent no key, or none that is valid.
    Unauthenticated => "unauthenticated",
    /// The caller may not do this.
    Forbidden => "forbidden",
    /// Only the store's owner can do this.
    OwnerNeeded => "owner_needed",
    /// Transport only: the request names a host that the server does not serve.
    HostNotAllowed => "host_not_allowed",
    /// Transport only: the request comes from a web page of a foreign origin.
    OriginNotAllowed => "origin_not_allowed",
    /// No live context is at the address.
    NotFound => "not_found",
    /// The tenant does not exist, or this caller may not know that it does.
    TenantNotFound => "tenant_not_found",
    /// No key has that id.
    KeyNotFound => "key_not_found",
    /// Transport only: no route has the path.
    RouteNotFound => "route_not_found",
    /// Transport only: the route does not have the method.
    MethodNotAllowed => "method_not_allowed",
    /// Transport only: the request's body did not arrive in time.
    RequestTimeout => "request_timeout",
    /// A tenant with that id already exists.
    TenantExists => "tenant_exists",
    /// A create met an existing context.
    AlreadyExists => "already_exists",
    /// A deletion of a single node met children.
    HasChildren => "has_children",
    /// The parent of a new node does not exist.
    ParentMissing => "parent_missing",
    /// A `test` operation of a JSON patch failed.
    PatchTestFailed => "patch_test_failed",
    /// The condition of a write does not hold.
    PreconditionFailed => "precondition_failed",
    /// Transport only: the request's body is too large.
    TooLarge => "too_large",
    /// Transport only: the body has a media type that the route does not read.
    UnsupportedMediaType => "unsupported_media_type",
    /// The input breaks rules.
    Invalid => "invalid",
    /// A node above has locked what the write changes.
    Locked => "locked",
    /// The global node cannot be deleted.
    GlobalNode => "global_node",
    /// The idempotency key was used before, with another request.
    IdempotencyKeyReused => "idempotency_key_reused",
    /// A replacement without a condition met an existing context.
    PreconditionRequired => "precondition_required",
    /// A bug or another fault of the program itself.
    Internal => "internal",
    /// Too many other writers changed the context at the same time.
    Contended => "contended",
    /// The store cannot be reached or cannot work.
    StoreUnavailable => "store_unavailable",
    /// The data of one tenant is damaged.
    TenantUnhealthy => "tenant_unhealthy",
    /// It is not known whether the write happened.
    OutcomeUnknown => "outcome_unknown",
    /// Transport only: too many requests are in progress.
    Overloaded => "overloaded",
    /// Transport only: the response took too long.
    Timeout => "timeout",
}

impl Code {
    /// Whether the fault is the service's and not the caller's.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Internal
                | Self::Contended
                | Self::StoreUnavailable
                | Self::TenantUnhealthy
                | Self::OutcomeUnknown
                | Self::Overloaded
                | Self::Timeout
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// The error of a library, for the log only.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    /// Returns the stable name of the problem, for programs.
    pub fn code(&self) -> Code {
        match self {
            Self::Syntax { .. } => Code::InvalidJson,
            Self::Invalid(_) => Code::Invalid,
            Self::BadParameter { .. } => Code::BadParameter,
            Self::NotFound(_) => Code::NotFound,
            Self::TenantNotFound { .. } => Code::TenantNotFound,
            Self::TenantExists { .. } => Code::TenantExists,
            Self::AlreadyExists(_) => Code::AlreadyExists,
            Self::PreconditionFailed(_) => Code::PreconditionFailed,
            Self::PreconditionRequired(_) => Code::PreconditionRequired,
            Self::HasChildren { .. } => Code::HasChildren,
            Self::ParentMissing(_) => Code::ParentMissing,
            Self::PatchTestFailed { .. } => Code::PatchTestFailed,
            Self::Locked(_) => Code::Locked,
            Self::GlobalNode => Code::GlobalNode,
            Self::IdempotencyKeyReused => Code::IdempotencyKeyReused,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::KeyNotFound(_) => Code::KeyNotFound,
            Self::Forbidden { .. } => Code::Forbidden,
            Self::OwnerNeeded { .. } => Code::OwnerNeeded,
            Self::Contended => Code::Contended,
            Self::Unavailable { .. } => Code::StoreUnavailable,
            Self::OutcomeUnknown(_) => Code::OutcomeUnknown,
            Self::TenantUnhealthy { .. } => Code::TenantUnhealthy,
            Self::Internal { .. } => Code::Internal,
        }
    }

    /// Returns the faults of the input; empty for other errors.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Invalid(faults) | Self::Locked(faults) => faults,
            _ => &[],
        }
    }

    /// Returns the context as it is now, if the error is that it is not as the caller expected.
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

    /// Whether the fault is the service's and not the caller's; the log records these as errors.
    pub fn is_failure(&self) -> bool {
        self.code().is_failure()
    }

    /// Returns the error as JSON members: `code`, `detail`, and `errors`, `current_version` and `current` if
    /// the error has them.
    pub fn to_json(&self) -> Value {
        let mut members = serde_json::Map::new();
        members.insert("code".to_owned(), self.code().as_str().into());
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

/// Returns the first fault, and how many more there are.
fn faults_sentence(faults: &[Fault]) -> String {
    let Some(first) = faults.first() else { return "the input is invalid".to_owned() };
    let place = if first.pointer.is_empty() { String::new() } else { format!("{}: ", first.pointer) };
    match faults.len() {
        1 => format!("{place}{}", first.message),
        all => format!("{place}{} (and {} more)", first.message, all - 1),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_is_one_word_in_snake_case_and_unique() {
        let texts: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for text in texts {
            assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{text}");
        }
    }

    #[test]
    fn messages_name_the_limits_they_are_about() {
        assert!(Error::IdempotencyKeyReused.to_string().contains(" 24 hours;"));
        assert!(Error::Contended.to_string().contains(" 100 times "));
    }
}
