//! Reading contexts: one, lists, and the history of writes.

use super::Service;
use crate::access::Caller;
use crate::change::Change;
use crate::context::Context;
use crate::error::Error;
use crate::id::ContextId;
use crate::page::{Page, PageRequest, bad_token};
use crate::ports::{ChangeQuery, ContextList, ContextQuery};
use crate::tenant::TenantId;
use crate::tree::{Address, Scope};

impl Service {
    /// One context.
    ///
    /// # Errors
    /// [`Error::NotFound`] where nothing live stands at the address, and the store's.
    pub async fn get(&self, caller: &Caller, address: &Address) -> Result<Context, Error> {
        let tenant = caller.authorized_tenant()?;
        let mut chain = self.live_chain(tenant, address).await?;
        chain.pop().ok_or_else(|| Error::NotFound(address.clone()))
    }

    /// A page of the tenant's contexts, oldest first.
    ///
    /// # Errors
    /// [`Error::BadParameter`] for the limit or the token, and the store's.
    pub async fn list(&self, caller: &Caller, request: &PageRequest) -> Result<Page<Context>, Error> {
        let tenant = caller.authorized_tenant()?;
        let list = format!("contexts of {tenant}");
        let after = parsed(request.cursor(&list)?)?;
        let limit = request.limit()?;
        let found = self.contexts_page(tenant, ContextList::All { after }, limit).await?;
        Ok(Page::of(&list, found, limit, |context| context.id.to_string()))
    }

    /// A page of the nodes directly below a node, by key.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the node; else as [`Service::list`].
    pub async fn children(
        &self,
        caller: &Caller,
        scope: &Scope,
        request: &PageRequest,
    ) -> Result<Page<Context>, Error> {
        let tenant = caller.authorized_tenant()?;
        let parent = self.get(caller, &Address::Scope(scope.clone())).await?.id;
        let list = format!("children of {parent} of {tenant}");
        let after = request.cursor(&list)?;
        let limit = request.limit()?;
        let found = self.contexts_page(tenant, ContextList::Children { parent, after }, limit).await?;
        Ok(Page::of(&list, found, limit, |context| {
            let key = context.place.as_ref().and_then(|place| place.node_key.as_ref());
            key.map(ToString::to_string).unwrap_or_default()
        }))
    }

    /// A page of the tenant's writes, or of one context's, newest first. What was written of a context stays to be
    /// read after its removal.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a context that was never written and does not exist; else as [`Service::list`].
    pub async fn changes(
        &self,
        caller: &Caller,
        context: Option<&ContextId>,
        request: &PageRequest,
    ) -> Result<Page<Change>, Error> {
        let tenant = caller.authorized_tenant()?;
        let list = format!("changes of {} of {tenant}", context.map_or("all", ContextId::as_str));
        let before = request.cursor(&list)?.map(|cursor| change_cursor(&cursor)).transpose()?;
        let limit = request.limit()?;
        let first_page = before.is_none();
        let query = ChangeQuery { context: context.cloned(), before, limit: limit + 1 };
        let found = self.ports.contexts.changes(tenant, &query).await?;
        if let (Some(id), true, true) = (context, found.is_empty(), first_page) {
            // A node that nobody wrote yet exists, and has no history.
            self.get(caller, &Address::Id(id.clone())).await?;
        }
        Ok(Page::of(&list, found, limit, |change| format!("{} {}", change.revision, change.context_id)))
    }

    /// The addressed context behind all its ancestors, if every one of them is live.
    pub(super) async fn live_chain(
        &self,
        tenant: &TenantId,
        address: &Address,
    ) -> Result<Vec<Context>, Error> {
        let chain = self.ports.contexts.chain(tenant, address).await?;
        let now = self.clock.now();
        let complete = match address {
            Address::Id(_) => !chain.is_empty(),
            Address::Scope(scope) => chain.len() == scope.level().depth() + 1,
        };
        if !complete || chain.iter().any(|context| context.expired(now)) {
            return Err(Error::NotFound(address.clone()));
        }
        Ok(chain)
    }

    async fn contexts_page(
        &self,
        tenant: &TenantId,
        list: ContextList,
        limit: usize,
    ) -> Result<Vec<Context>, Error> {
        // One more than asked for tells whether the list goes on.
        let query = ContextQuery { list, live_at: self.clock.now(), limit: limit + 1 };
        self.ports.contexts.page(tenant, &query).await
    }
}

fn parsed(cursor: Option<String>) -> Result<Option<ContextId>, Error> {
    cursor.map(|text| text.parse().map_err(|_: String| bad_token())).transpose()
}

fn change_cursor(cursor: &str) -> Result<(u64, ContextId), Error> {
    let parts =
        cursor.split_once(' ').and_then(|(revision, id)| Some((revision.parse().ok()?, id.parse().ok()?)));
    parts.ok_or_else(bad_token)
}
