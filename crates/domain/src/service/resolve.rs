//! Resolving: a context's own document merged over everything above it.

use super::Service;
use crate::access::{Caller, Permission};
use crate::error::Error;
use crate::resolve::{Explain, Resolved};
use crate::tree::Address;

impl Service {
    /// The resolved context at `address`, from one snapshot of its chain. A context outside the tree resolves to
    /// itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] where nothing live stands at the address, and the store's; never the document without what
    /// it inherits.
    pub async fn resolve(
        &self,
        caller: &Caller,
        address: &Address,
        explain: Explain,
    ) -> Result<Resolved, Error> {
        let tenant = caller.authorized_tenant(Permission::Read)?;
        let chain = self.live_chain(tenant, address).await?;
        Resolved::of(&chain, explain).ok_or_else(|| Error::NotFound(address.clone()))
    }
}
