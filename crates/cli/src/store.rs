//! The service over the store that the settings name.

use std::sync::Arc;

use context_domain::clock::{Clock, SystemClock};
use context_domain::error::Error;
use context_domain::id::RandomIds;
use context_domain::service::Service;
use context_store::StoreOptions;

/// The service, and the time that it goes by.
pub(crate) struct Opened {
    pub(crate) service: Service,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Opens the store. A new embedded one is made, with the tenant `default`; PostgreSQL is bootstrapped by its own command.
pub(crate) async fn open(options: &StoreOptions) -> Result<Opened, Error> {
    let ids = Arc::new(RandomIds);
    let opened = context_store::open(options, Arc::new(SystemClock), ids.clone()).await?;
    let service = Service::new(opened.ports, Arc::clone(&opened.clock), ids);
    Ok(Opened { service, clock: opened.clock })
}
