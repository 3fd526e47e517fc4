//! Undoes the writes of an import after one of them was refused.

use std::sync::Arc;

use context_domain::access::Caller;
use context_domain::context::{Context, Etag};
use context_domain::error::Error;
use context_domain::ports::Subtree;
use context_domain::service::{Condition, Service, WriteOptions};
use context_domain::tree::{Address, Scope};

use super::outcome::{ImportItem, ImportOutcome};

/// A write that succeeded.
pub(super) struct DoneWrite {
    /// The index of its item.
    pub(super) item: usize,
    pub(super) scope: Scope,
    /// The version that it created.
    pub(super) etag: Etag,
    /// The context before the write.
    pub(super) before: Option<Arc<Context>>,
}

/// Restores the contexts as they were before, except those that others have overwritten since, and
/// sets the outcome of each item.
///
/// New nodes are deleted first, from the bottom up, because a node with children cannot be deleted; then
/// replaced nodes are restored from the top down, so that each is checked against the locks under which it
/// was written.
pub(super) async fn undo_writes(
    service: &Service,
    caller: &Caller,
    done: Vec<DoneWrite>,
    missing_above: &[Scope],
    items: &mut [ImportItem],
) {
    let (replaced, new): (Vec<_>, Vec<_>) = done.into_iter().partition(|done| done.before.is_some());
    for done in new.into_iter().rev() {
        let removed = delete_version(service, caller, &done.scope, done.etag).await;
        set_outcome(items, done.item, removed);
    }
    let mut above: Vec<_> = missing_above.iter().collect();
    above.sort_by_key(|scope| std::cmp::Reverse(scope.level()));
    for scope in above {
        if let Err(error) = delete_unwritten(service, caller, scope).await {
            tracing::warn!(%scope, %error, "a parent node that the import created could not be removed");
        }
    }
    for DoneWrite { item, scope, etag, before } in replaced {
        if let Some(before) = before {
            let body = before.content.to_json();
            let put = service.put(caller, &Address::Scope(scope), body, if_version(etag)).await;
            set_outcome(items, item, put.map(|_| ()));
        }
    }
}

async fn delete_version(service: &Service, caller: &Caller, scope: &Scope, etag: Etag) -> Result<(), Error> {
    let address = Address::Scope(scope.clone());
    service.delete(caller, &address, Subtree::MustBeEmpty, if_version(etag)).await.map(|_| ())
}

/// Deletes a node that was created as a parent, unless others have written to it or below it meanwhile.
async fn delete_unwritten(service: &Service, caller: &Caller, scope: &Scope) -> Result<(), Error> {
    match service.get(caller, &Address::Scope(scope.clone())).await {
        Ok(node) if node.version == 0 => match delete_version(service, caller, scope, node.etag()).await {
            Err(Error::HasChildren { .. } | Error::PreconditionFailed(_)) => Ok(()),
            other => other,
        },
        Ok(_) | Err(Error::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn if_version(etag: Etag) -> WriteOptions {
    WriteOptions { condition: Condition::IsOneOf(vec![etag]), ..WriteOptions::default() }
}

fn set_outcome(items: &mut [ImportItem], at: usize, result: Result<(), Error>) {
    if let Some(item) = items.get_mut(at) {
        item.outcome = match result {
            Ok(()) => ImportOutcome::Undone,
            Err(error) => ImportOutcome::Left(error.to_string()),
        };
    }
}
