//! The installation that the fleet works on, the role that it works as, and errors that name both and say
//! what to do.

use context_domain::error::Error;
use context_store::postgres::{PostgresUrl, identifier};
use tokio_postgres::error::SqlState;

use crate::failure::FleetFailure;

/// The installation that the fleet works on, and the role that it works as.
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    /// The URL without its password.
    pub(crate) url: String,
    /// The role that is connected.
    pub(crate) user: String,
    pub(crate) database: String,
    /// The role that owns the installation; `None` if there is no installation yet.
    pub(crate) owner: Option<String>,
    /// The statements that begin each transaction that changes something.
    pub(crate) prelude: String,
}

/// How long a change waits for a lock before it gives up: meanwhile, all other statements on the table wait
/// too.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '3s';";

impl Installation {
    /// Returns the installation that `url` names, before anything is known from the server.
    pub(crate) fn from_url(url: &PostgresUrl) -> Self {
        Self {
            url: url.to_string(),
            user: url.user().to_owned(),
            database: String::new(),
            owner: None,
            prelude: LOCK_TIMEOUT.to_owned(),
        }
    }

    /// Makes each change run as `owner`, which the connected role is a member of.
    pub(crate) fn act_as(&mut self, owner: &str) {
        if owner != self.user {
            self.prelude = format!("{LOCK_TIMEOUT} SET LOCAL ROLE {};", identifier(owner));
        }
    }

    /// Returns the error of work that was refused, for a reason that a retry does not change.
    pub(crate) fn refused(&self, detail: &str) -> Error {
        Error::Unavailable { detail: format!("{}: {detail}", self.url), source: None }
    }

    /// Returns the error of a failed statement that was part of `step`.
    pub(crate) fn statement_failed(&self, step: &str, error: tokio_postgres::Error) -> Error {
        let why = match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) if lacks_ownership(&error) => self.not_owned(),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => self.not_permitted(),
            Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                "others kept it locked: end their transactions, or try again when they are done".to_owned()
            }
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => READ_ONLY.to_owned(),
            Some(&SqlState::DISK_FULL) => "the server's disk is full".to_owned(),
            Some(code) => format!("the database refused it ({}); the log says more", code.code()),
            None => "the connection broke".to_owned(),
        };
        let detail = format!("{}: could not {step}: {why}", self.url);
        Error::Unavailable { detail, source: Some(Box::new(error)) }
    }

    /// Returns the error of a failed `step`.
    pub(crate) fn step_failed(&self, step: &str, failure: FleetFailure) -> Error {
        match failure {
            FleetFailure::Database(error) => self.statement_failed(step, error),
            FleetFailure::Refused(why) => self.refused(&format!("could not {step}: {why}")),
            FleetFailure::File { what, source } => {
                let detail = format!("could not {step}: {what}: {source}");
                Error::Unavailable { detail, source: Some(Box::new(source)) }
            }
        }
    }

    /// Says what to do about an object that belongs to another role.
    fn not_owned(&self) -> String {
        let owner = identifier(self.owner.as_ref().unwrap_or(&self.user));
        format!(
            "an object belongs to another role, as the log says: let that role or a superuser give it back, \
             with ALTER … OWNER TO {owner};"
        )
    }

    /// Says what to do about a privilege that the role does not have.
    pub(crate) fn not_permitted(&self) -> String {
        let (user, database) = (identifier(&self.user), identifier(&self.database));
        if let Some(owner) = self.owner.as_ref().filter(|owner| **owner != self.user) {
            let owner = identifier(owner);
            return format!(
                "the installation belongs to the role {owner}, and {user} may not change it: connect as \
                 {owner}"
            );
        }
        format!(
            "the role {user} may not: let the role that owns the database {database} do it, or GRANT CREATE \
             ON DATABASE {database} TO {user}; GRANT CREATE ON SCHEMA public TO {user};"
        )
    }
}

/// The message about a server that refuses writes.
pub(crate) const READ_ONLY: &str = "the server takes no writes (a standby?): name the primary";

/// Whether the role would have to own the object, which no grant can replace. PostgreSQL has one SQLSTATE for
/// this and for a missing privilege: only its message distinguishes them, and only in English. In another
/// language the advice is the one for a privilege.
fn lacks_ownership(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|refusal| refusal.message().starts_with("must be owner of "))
}
