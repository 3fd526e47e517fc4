//! Defaults that help texts mention.

/// The address that a server listens on if none is given.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:8000";

/// The tenant that commands are about if none is given.
pub(crate) const DEFAULT_TENANT: &str = "default";
