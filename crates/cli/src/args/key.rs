//! The command line of `key`, as it is typed.

use clap::{Subcommand, ValueEnum};
use context_domain::access::Permission;
use context_domain::clock::Timestamp;
use context_domain::id::{KeyId, TenantId};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key and print its token, this once
    #[command(after_help = "Examples:\n  \
        context-service key create --tenant my-tenant --scope write --name ci\n  \
        context-service key create --scope operator --name ops --expires-at 2030-01-31T12:00:00Z\n\n\
        The token alone goes to standard output, so that TOKEN=$(context-service key create …) works. It is kept \
        nowhere: whoever loses it rotates the key.")]
    Create {
        /// What people are to call the key
        #[arg(long)]
        name: String,
        /// What the key lets its bearer do; each of read, write and admin includes those before it
        #[arg(long, value_enum)]
        scope: KeyScope,
        /// The tenant whose contexts the key is for; an operator's key is for all
        #[arg(long, value_name = "TENANT", required_if_eq_any = [("scope", "read"), ("scope", "write"), ("scope", "admin")])]
        tenant: Option<TenantId>,
        /// When the key ceases to work, in RFC 3339 [default: never]
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
    /// End a key now
    #[command(after_help = "Example:\n  context-service key revoke 0190f5d0c0ffee00a000000000000001")]
    Revoke {
        /// The key's id
        id: KeyId,
    },
    /// Create a key like another one, print its token, and end the other one
    #[command(
        after_help = "Example:\n  context-service key rotate 0190f5d0c0ffee00a000000000000001 --ends-at 2030-01-31T12:00:00Z"
    )]
    Rotate {
        /// The id of the key to replace
        id: KeyId,
        /// Until when the replaced key still works, in RFC 3339 [default: it ends now]
        #[arg(long, value_name = "TIME")]
        ends_at: Option<Timestamp>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyScope {
    /// Read the contexts of a tenant
    Read,
    /// Write them too
    Write,
    /// Everything in the tenant
    Admin,
    /// Everything, tenants and keys included
    Operator,
}

impl KeyScope {
    /// What the scope permits in a tenant; none where it is no tenant's.
    pub(crate) fn permission(self) -> Option<Permission> {
        match self {
            Self::Read => Some(Permission::Read),
            Self::Write => Some(Permission::Write),
            Self::Admin => Some(Permission::Admin),
            Self::Operator => None,
        }
    }
}
