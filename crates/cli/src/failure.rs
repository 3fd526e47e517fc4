//! How a command fails: what is printed, and the exit code.

use context_domain::error::Error;

/// The reason why a command failed.
pub(crate) enum CommandFailure {
    /// The service refused or failed.
    Service(Error),
    /// The command failed before or outside of the service.
    Other {
        /// What is wrong and what to do.
        message: String,
        /// The process's exit code.
        code: u8,
    },
}

/// Exit code: something was found wrong, or refused.
pub(crate) const WRONG: u8 = 1;
/// Exit code: bad usage, the same number as clap's.
pub(crate) const USAGE: u8 = 2;

impl CommandFailure {
    /// Returns a failure of the environment: a file, the network.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Other { message: message.into(), code: WRONG }
    }

    /// Returns a failure because of arguments or settings that break a rule.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Other { message: message.into(), code: USAGE }
    }

    /// Returns the process's exit code. Input that breaks a rule is bad usage.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Service(Error::Syntax { .. } | Error::Invalid(_) | Error::BadParameter { .. }) => USAGE,
            Self::Service(_) => WRONG,
            Self::Other { code, .. } => *code,
        }
    }
}

impl From<Error> for CommandFailure {
    fn from(error: Error) -> Self {
        Self::Service(error)
    }
}
