//! What the database refused, in words that say who, where and what to do.

use std::io;
use std::path::Path;

use context_domain::error::Error;
use context_store::postgres::{PostgresUrl, identifier};
use tokio_postgres::error::SqlState;

/// Where the fleet works, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The URL without its password.
    pub(crate) url: String,
    /// The role that works there.
    pub(crate) user: String,
    /// The database.
    pub(crate) database: String,
    /// Who owns the installation that is there, if there is one.
    pub(crate) owner: Option<String>,
    /// What each transaction that changes something begins with.
    pub(crate) prelude: String,
}

/// How long a change waits for what others hold before it gives way, so that nobody queues behind it for longer.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '3s';";

impl Place {
    /// The place that `url` names, before anyone has asked the server.
    pub(crate) fn of(url: &PostgresUrl) -> Self {
        Self {
            url: url.to_string(),
            user: url.user().to_owned(),
            database: String::new(),
            owner: None,
            prelude: LOCK_TIMEOUT.to_owned(),
        }
    }

    /// Has each change made by `owner`, whom the connected role may act for.
    pub(crate) fn act_as(&mut self, owner: &str) {
        if owner != self.user {
            self.prelude = format!("{LOCK_TIMEOUT} SET LOCAL ROLE {};", identifier(owner));
        }
    }

    /// A refusal that no try again will change.
    pub(crate) fn refused(&self, detail: &str) -> Error {
        Error::Unavailable { detail: format!("{}: {detail}", self.url), source: None }
    }

    /// The failure of a statement that was to `step`.
    pub(crate) fn failed(&self, step: &str, error: tokio_postgres::Error) -> Error {
        let why = match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) if is_of_another(&error) => self.not_owned(),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => self.not_permitted(),
            Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                "others kept it locked: end their transactions, or try again when they are done".to_owned()
            }
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
                "the server takes no writes (a standby?): name the primary".to_owned()
            }
            Some(&SqlState::DISK_FULL) => "the server's disk is full".to_owned(),
            Some(code) => format!("the database refused it ({}); the log says more", code.code()),
            None => "the connection broke".to_owned(),
        };
        let detail = format!("{}: could not {step}: {why}", self.url);
        Error::Unavailable { detail, source: Some(Box::new(error)) }
    }

    /// The failure of `step`, as people are told.
    pub(crate) fn not_done(&self, step: &str, failure: Failure) -> Error {
        match failure {
            Failure::Database(error) => self.failed(step, error),
            Failure::Refused(why) => self.refused(&format!("could not {step}: {why}")),
            Failure::File { what, source } => {
                let detail = format!("could not {step}: {what}: {source}");
                Error::Unavailable { detail, source: Some(Box::new(source)) }
            }
        }
    }

    /// What a role is told that works on what is another's.
    fn not_owned(&self) -> String {
        let owner = identifier(self.owner.as_ref().unwrap_or(&self.user));
        format!(
            "something there belongs to another role, as the log says: let that role or a superuser give it back, with \
             ALTER … OWNER TO {owner};"
        )
    }

    /// What a role that may not do something is told.
    pub(crate) fn not_permitted(&self) -> String {
        let (user, database) = (identifier(&self.user), identifier(&self.database));
        if let Some(owner) = self.owner.as_ref().filter(|owner| **owner != self.user) {
            let owner = identifier(owner);
            return format!(
                "the installation belongs to the role {owner}, and {user} may not: connect as {owner}"
            );
        }
        format!(
            "the role {user} may not; let the role that owns the database {database} do it, or GRANT CREATE ON \
             DATABASE {database} TO {user}; GRANT CREATE ON SCHEMA public TO {user};"
        )
    }
}

/// Why a step failed, before it is said where.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database refused a statement, or the connection broke.
    Database(tokio_postgres::Error),
    /// A file cannot be made or written.
    File {
        /// What cannot be done to which.
        what: String,
        source: io::Error,
    },
    /// It is not done, and no try again will change that.
    Refused(String),
}

impl Failure {
    pub(crate) fn file(what: &str, path: &Path, source: io::Error) -> Self {
        Self::File { what: format!("{what} {}", path.display()), source }
    }

    /// Whether the same step may well succeed the next time.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Database(error) if is_passing(error))
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

/// Whether the same statement may well succeed the next time.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    let passing =
        [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE];
    error.code().is_some_and(|code| passing.contains(code))
}

/// Whether it was refused for want of ownership, which no grant gives. Only the message says so, and only in English; in
/// another language the advice is the one for want of a privilege.
fn is_of_another(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|refusal| refusal.message().starts_with("must be owner of "))
}
