//! The environment. A variable that is set to nothing is not set: that is how many a script unsets one.

use crate::failure::Failure;

/// The variable of that name.
#[expect(clippy::disallowed_methods, reason = "the command line is what reads the environment")]
pub(super) fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::usage(format!("{name} is not UTF-8"))),
    }
}
