//! The service over the store that the settings name.

use std::sync::Arc;

use context_domain::clock::{Clock, SystemClock};
use context_domain::error::Error;
use context_domain::id::RandomIds;
use context_domain::service::Service;
use context_store::StoreOptions;

/// The service, and the clock that it uses.
pub(crate) struct OpenedService {
    pub(crate) service: Service,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Opens the store. An embedded store that does not exist is created, with the tenant `default`; PostgreSQL
/// is bootstrapped by a command of its own.
pub(crate) async fn open_service(options: &StoreOptions) -> Result<OpenedService, Error> {
    let ids = Arc::new(RandomIds);
    let opened = context_store::open(options, Arc::new(SystemClock), ids.clone()).await?;
    let service = Service::new(opened.ports, Arc::clone(&opened.clock), ids);
    Ok(OpenedService { service, clock: opened.clock })
}
