//! How a command fails: what is printed, and the exit code.

use context_domain::error::Error;

/// Why a command did not do what it was told.
pub(crate) enum Failure {
    /// The service refused or failed.
    Service(Error),
    /// The command line itself cannot go on.
    Other {
        /// What is wrong and what to do.
        message: String,
        /// The process's exit code.
        code: u8,
    },
}

/// Found something wrong.
pub(crate) const WRONG: u8 = 1;
/// Bad usage, as clap has it too.
pub(crate) const USAGE: u8 = 2;

impl Failure {
    /// A failure of the surroundings: a file, the network.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Other { message: message.into(), code: WRONG }
    }

    /// What was typed breaks a rule.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Other { message: message.into(), code: USAGE }
    }

    /// The process's exit code: input that breaks a rule is bad usage.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Service(Error::Syntax { .. } | Error::Invalid(_) | Error::BadParameter { .. }) => USAGE,
            Self::Service(_) => WRONG,
            Self::Other { code, .. } => *code,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Service(error)
    }
}
