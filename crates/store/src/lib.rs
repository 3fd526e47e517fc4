//! Where contexts are kept: [`open`] gives the ports of `context-domain` over the store that a URL names.
//!
//! There is one store so far, the embedded one: a folder with SQLite files, shared by any number of processes on
//! one machine. `control.db` knows the tenants and the keys; each tenant has a file of its own under `tenants/`, so that no
//! statement can reach another tenant's rows, and one damaged file leaves the others working.

mod sqlite;
mod url;

use std::sync::Arc;

use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::IdSource;
use context_domain::service::Ports;

pub use url::StoreUrl;

/// Opens the store that `url` names. One that does not exist is made, with the tenant `default`, all at once: a
/// second process that opens it at the same moment waits and finds it whole.
///
/// # Errors
/// [`Error::Unavailable`] where the store cannot be made or opened, is none of this program's, or was written by a
/// newer version.
pub async fn open(url: &StoreUrl, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Result<Ports, Error> {
    let store = Arc::new(sqlite::Store::open(url.folder(), clock, ids).await?);
    let (contexts, directory) = (Arc::clone(&store), Arc::clone(&store));
    Ok(Ports { contexts, directory, upkeep: store })
}
