//! The environment. An empty variable counts as not set, because many scripts unset variables that way.

use crate::failure::CommandFailure;

/// Reads a variable; `None` if it is not set or empty.
#[expect(clippy::disallowed_methods, reason = "the command line is what reads the environment")]
pub(super) fn variable(name: &str) -> Result<Option<String>, CommandFailure> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(CommandFailure::usage(format!("{name} is not UTF-8"))),
    }
}
