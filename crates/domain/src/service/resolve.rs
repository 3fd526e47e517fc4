//! Resolving contexts: a context's own document merged over those of its ancestors.

use std::sync::Arc;

use super::Service;
use crate::access::{Caller, Permission};
use crate::error::Error;
use crate::resolve::{CacheStatus, Explain, Resolved};
use crate::tree::Address;

impl Service {
    /// Returns the resolved context at `address`, and whether it was in memory. The chain is read from the
    /// store each time, in one snapshot. A context outside the tree resolves to its own document.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no live context at the address, and those of the store. A failure
    /// never returns the document without what it inherits.
    pub async fn resolve(
        &self,
        caller: &Caller,
        address: &Address,
        explain: Explain,
    ) -> Result<(Arc<Resolved>, CacheStatus), Error> {
        let tenant = caller.authorized_tenant(Permission::Read)?;
        let chain = self.live_chain(tenant, address).await?;
        // Results with an explanation are not kept: people ask for them, and rarely twice.
        if let (Explain::No, Some(resolved)) = (explain, self.results.find(&chain)) {
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
