//! Resolving: a context's own document merged over everything above it.

use std::sync::Arc;

use super::Service;
use crate::access::{Caller, Permission};
use crate::error::Error;
use crate::resolve::{CacheStatus, Explain, Resolved};
use crate::tree::Address;

impl Service {
    /// The resolved context at `address`, from one snapshot of its chain, which is read each time; and whether it had
    /// to be merged anew. A context outside the tree resolves to itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] where nothing live stands at the address, and the store's; never the document without what
    /// it inherits.
    pub async fn resolve(
        &self,
        caller: &Caller,
        address: &Address,
        explain: Explain,
    ) -> Result<(Arc<Resolved>, CacheStatus), Error> {
        let tenant = caller.authorized_tenant(Permission::Read)?;
        let chain = self.live_chain(tenant, address).await?;
        // An explanation is asked for by people, and seldom twice: it is not kept.
        if let (Explain::No, Some(resolved)) = (explain, self.results.of(&chain)) {
            return Ok((resolved, CacheStatus::Validated));
        }
        let resolved =
            Resolved::from_chain(&chain, explain)?.ok_or_else(|| Error::NotFound(address.clone()))?;
        let resolved = Arc::new(resolved);
        if explain == Explain::No {
            self.results.keep(&chain, &resolved);
        }
        Ok((resolved, CacheStatus::Miss))
    }
}
