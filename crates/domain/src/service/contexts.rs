//! Reading contexts: one context, lists, and the history of writes.

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
    /// Returns a context.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no live context at the address, and those of the store.
    pub async fn get(&self, caller: &Caller, address: &Address) -> Result<Arc<Context>, Error> {
        let tenant = caller.authorized_tenant(Permission::Read)?;
        let mut chain = self.live_chain(tenant, address).await?;
        chain.pop().ok_or_else(|| Error::NotFound(address.clone()))
    }

    /// Returns a page of the tenant's contexts that match, oldest first.
    ///
    /// # Errors
    /// [`Error::BadParameter`] for the limit or the token, and those of the store.
    pub async fn list(
        &self,
        caller: &Caller,
        search: &Search,
        request: &PageRequest,
    ) -> Result<Page<Context>, Error> {
        let tenant = caller.authorized_tenant(Permission::Read)?;
        let list = format!("contexts of {tenant} that match {search:?}");
        let after = parse_id_cursor(request.cursor(&list)?)?;
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

    /// Returns a page of a node's children, by key.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the node, and those of [`Service::list`].
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
                after: last.map_or_else(|| after.clone(), |last| Some(node_key_text(last))),
            })
            .await?;
        Ok(Page::from_gathering(&list, found, node_key_text))
    }

    /// Returns a page of the tenant's changes, or of those of one context, newest first. The changes of a
    /// deleted context can still be read.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a context that does not exist and has no changes, and those of
    /// [`Service::list`].
    pub async fn changes(
        &self,
        caller: &Caller,
        context: Option<&ContextId>,
        request: &PageRequest,
    ) -> Result<Page<Change>, Error> {
        let tenant = caller.authorized_tenant(Permission::Read)?;
        let list = format!("changes of {} of {tenant}", context.map_or("all", ContextId::as_str));
        let before = request.cursor(&list)?.map(|cursor| parse_change_cursor(&cursor)).transpose()?;
        let limit = request.limit()?;
        let first_page = before.is_none();
        let mut found = Gathering::new(limit);
        while let Some(wanted) = found.wanted() {
            let last_read = found.last().map(|last: &Change| (last.revision, last.context_id.clone()));
            let before = last_read.or_else(|| before.clone());
            let query = ChangeQuery { context: context.cloned(), before, limit: wanted };
            let changes = self.ports.contexts.changes(tenant, &query).await?;
            found.add(changes, wanted, |change| compact_len(&change.content));
        }
        if let (Some(id), true, true) = (context, found.is_empty(), first_page) {
            // A node that exists but has not been written yet has no changes, which is not an error.
            self.get(caller, &Address::Id(id.clone())).await?;
        }
        Ok(Page::from_gathering(&list, found, |change| format!("{} {}", change.revision, change.context_id)))
    }

    /// Returns the addressed context preceded by all its ancestors, or [`Error::NotFound`] unless all of them
    /// are live.
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

    /// Reads a page in several calls. `list_after` returns the list as it continues after a context, or from
    /// the start of the page.
    async fn contexts_page(
        &self,
        tenant: &TenantId,
        limit: usize,
        list_after: impl Fn(Option<&Context>) -> ContextList,
    ) -> Result<Gathering<Context>, Error> {
        let live_at = self.clock.now();
        let mut found = Gathering::new(limit);
        while let Some(wanted) = found.wanted() {
            let query = ContextQuery { list: list_after(found.last()), live_at, limit: wanted };
            let contexts = self.ports.contexts.page(tenant, &query).await?;
            found.add(contexts, wanted, |context| compact_object_len(context.data()));
        }
        Ok(found)
    }
}

/// Returns the key of a node; empty for a context that has none.
fn node_key_text(context: &Context) -> String {
    let key = context.place.as_ref().and_then(|place| place.node_key.as_ref());
    key.map(ToString::to_string).unwrap_or_default()
}

fn parse_id_cursor(cursor: Option<String>) -> Result<Option<ContextId>, Error> {
    cursor.map(|text| text.parse().map_err(|_: String| bad_token())).transpose()
}

fn parse_change_cursor(cursor: &str) -> Result<(u64, ContextId), Error> {
    let parts =
        cursor.split_once(' ').and_then(|(revision, id)| Some((revision.parse().ok()?, id.parse().ok()?)));
    parts.ok_or_else(bad_token)
}
