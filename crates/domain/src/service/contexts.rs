//! Reading contexts: one, lists, and the history of writes.

use std::sync::Arc;

use super::Service;
use crate::access::{Caller, Permission};
use crate::change::Change;
use crate::context::Context;
use crate::error::Error;
use crate::id::{ContextId, TenantId};
use crate::json::{compact_len, compact_object_len};
use crate::page::{Gathering, Page, PageRequest, bad_token};
use crate::ports::{ChangeQuery, ContextList, ContextQuery};
use crate::search::Search;
use crate::tree::{Address, Scope};

impl Service {
    /// One context.
    ///
    /// # Errors
    /// [`Error::NotFound`] where nothing live stands at the address, and the store's.
    pub async fn get(&self, caller: &Caller, address: &Address) -> Result<Arc<Context>, Error> {
        let tenant = caller.authorized_tenant(Permission::Read)?;
        let mut chain = self.live_chain(tenant, address).await?;
        chain.pop().ok_or_else(|| Error::NotFound(address.clone()))
    }

    /// A page of the tenant's contexts that match, oldest first.
    ///
    /// # Errors
    /// [`Error::BadParameter`] for the limit or the token, and the store's.
    pub async fn list(
        &self,
        caller: &Caller,
        search: &Search,
        request: &PageRequest,
    ) -> Result<Page<Context>, Error> {
        let tenant = caller.authorized_tenant(Permission::Read)?;
        let list = format!("contexts of {tenant} that match {search:?}");
        let after = parsed(request.cursor(&list)?)?;
        let limit = request.limit()?;
        let search = Box::new(search.clone());
        let found = self
            .contexts_page(tenant, limit, |last| ContextList::Matching {
                search: search.clone(),
                after: last.map_or_else(|| after.clone(), |last| Some(last.id.clone())),
            })
            .await?;
        Ok(Page::from_gathering(&list, found, |context| context.id.to_string()))
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
        let tenant = caller.authorized_tenant(Permission::Read)?;
        let parent = self.get(caller, &Address::Scope(scope.clone())).await?.id.clone();
        let list = format!("children of {parent} of {tenant}");
        let after = request.cursor(&list)?;
        let limit = request.limit()?;
        let found = self
            .contexts_page(tenant, limit, |last| ContextList::Children {
                parent: parent.clone(),
                after: last.map_or_else(|| after.clone(), |last| Some(key_of(last))),
            })
            .await?;
        Ok(Page::from_gathering(&list, found, key_of))
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
        let tenant = caller.authorized_tenant(Permission::Read)?;
        let list = format!("changes of {} of {tenant}", context.map_or("all", ContextId::as_str));
        let before = request.cursor(&list)?.map(|cursor| change_cursor(&cursor)).transpose()?;
        let limit = request.limit()?;
        let first_page = before.is_none();
        let mut found = Gathering::new(limit);
        while let Some(wanted) = found.wanted() {
            let behind = found.last().map(|last: &Change| (last.revision, last.context_id.clone()));
            let before = behind.or_else(|| before.clone());
            let query = ChangeQuery { context: context.cloned(), before, limit: wanted };
            let changes = self.ports.contexts.changes(tenant, &query).await?;
            found.add(changes, wanted, |change| compact_len(&change.content));
        }
        if let (Some(id), true, true) = (context, found.is_empty(), first_page) {
            // A node that nobody wrote yet exists, and has no history.
            self.get(caller, &Address::Id(id.clone())).await?;
        }
        Ok(Page::from_gathering(&list, found, |change| format!("{} {}", change.revision, change.context_id)))
    }

    /// The addressed context behind all its ancestors, if every one of them is live.
    pub(super) async fn live_chain(
        &self,
        tenant: &TenantId,
        address: &Address,
    ) -> Result<Vec<Arc<Context>>, Error> {
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

    /// Reads a page of the list that `behind` gives for the items behind one, or for the first ones.
    async fn contexts_page(
        &self,
        tenant: &TenantId,
        limit: usize,
        behind: impl Fn(Option<&Context>) -> ContextList,
    ) -> Result<Gathering<Context>, Error> {
        let live_at = self.clock.now();
        let mut found = Gathering::new(limit);
        while let Some(wanted) = found.wanted() {
            let query = ContextQuery { list: behind(found.last()), live_at, limit: wanted };
            let contexts = self.ports.contexts.page(tenant, &query).await?;
            found.add(contexts, wanted, |context| compact_object_len(context.data()));
        }
        Ok(found)
    }
}

/// The key of a node among its siblings.
fn key_of(context: &Context) -> String {
    let key = context.place.as_ref().and_then(|place| place.node_key.as_ref());
    key.map(ToString::to_string).unwrap_or_default()
}

fn parsed(cursor: Option<String>) -> Result<Option<ContextId>, Error> {
    cursor.map(|text| text.parse().map_err(|_: String| bad_token())).transpose()
}

fn change_cursor(cursor: &str) -> Result<(u64, ContextId), Error> {
    let parts =
        cursor.split_once(' ').and_then(|(revision, id)| Some((revision.parse().ok()?, id.parse().ok()?)));
    parts.ok_or_else(bad_token)
}
