//! The arguments of `key`.

use clap::{Subcommand, ValueEnum};
use context_domain::access::Permission;
use context_domain::clock::Timestamp;
use context_domain::id::{KeyId, TenantId};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key and print its token, which is shown only once
    #[command(after_help = "Examples:\n  \
        context-service key create --tenant my-tenant --scope write --name ci\n  \
        context-service key create --scope operator --name ops --expires-at 2030-01-31T12:00:00Z\n\n\
        Only the token is printed on standard output, so that TOKEN=$(context-service key create …) works. \
        It is stored nowhere: if it is lost, rotate the key.")]
    Create {
        /// A name for people
        #[arg(long)]
        name: String,
        /// What the key permits; each of read, write and admin includes those before it
        #[arg(long, value_enum)]
        scope: KeyScope,
        /// The tenant that the key is for; an operator's key is for all
        #[arg(long, value_name = "TENANT", required_if_eq_any = TENANT_SCOPES)]
        tenant: Option<TenantId>,
        /// The time from which the key no longer works, in RFC 3339 [default: never]
        #[arg(long, value_name = "TIME")]
        expires_at: Option<Timestamp>,
    },
    /// List keys, oldest first; never their tokens
    #[command(after_help = "Example:\n  context-service key list --tenant my-tenant --output json")]
    List {
        /// Only the keys of this tenant
        #[arg(long, value_name = "TENANT")]
        tenant: Option<TenantId>,
    },
    /// Revoke a key now
    #[command(after_help = "Example:\n  context-service key revoke 0190f5d0c0ffee00a000000000000001")]
    Revoke {
        /// The key's id
        id: KeyId,
    },
    /// Replace a key: create one with the same rights, print its token, and revoke the old one
    #[command(after_help = "Example:\n  context-service key rotate 0190f5d0c0ffee00a000000000000001 \
        --ends-at 2030-01-31T12:00:00Z")]
    Rotate {
        /// The id of the key to replace
        id: KeyId,
        /// The time until which the replaced key still works, in RFC 3339 [default: now]
        #[arg(long, value_name = "TIME")]
        ends_at: Option<Timestamp>,
    },
}

/// The scopes that need a tenant, as conditions of an argument.
const TENANT_SCOPES: [(&str, &str); 3] = [("scope", "read"), ("scope", "write"), ("scope", "admin")];

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyScope {
    /// Read the contexts of a tenant
    Read,
    /// Write them too
    Write,
    /// Everything in the tenant
    Admin,
    /// Everything in every tenant, and the management of tenants and keys
    Operator,
}

impl KeyScope {
    /// Returns what the scope permits in a tenant; `None` if it is not limited to one.
    pub(crate) fn permission(self) -> Option<Permission> {
        match self {
            Self::Read => Some(Permission::Read),
            Self::Write => Some(Permission::Write),
            Self::Admin => Some(Permission::Admin),
            Self::Operator => None,
        }
    }
}
