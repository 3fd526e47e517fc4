//! Putting back what an import wrote, after a write of it was refused.

use std::sync::Arc;

use context_domain::access::Caller;
use context_domain::context::{Context, Etag};
use context_domain::error::Error;
use context_domain::ports::Subtree;
use context_domain::service::{Condition, Service, WriteOptions};
use context_domain::tree::{Address, Scope};

use super::apply::{Item, Outcome};

/// A write that was done.
pub(super) struct Done {
    /// Which of the items it was.
    pub(super) item: usize,
    pub(super) scope: Scope,
    /// The version that it made.
    pub(super) etag: Etag,
    /// What was there before.
    pub(super) before: Option<Arc<Context>>,
}

/// Puts back what was there before, where nobody wrote over it since, and tells each item what became of it.
///
/// What was new goes first, from the bottom up, because a node with others below it stays; then what was replaced, from
/// the top down, so that each node meets the locks that it was written under.
pub(super) async fn undo(
    service: &Service,
    caller: &Caller,
    done: Vec<Done>,
    missing_above: &[Scope],
    items: &mut [Item],
) {
    let (replaced, new): (Vec<_>, Vec<_>) = done.into_iter().partition(|done| done.before.is_some());
    for done in new.into_iter().rev() {
        let removed = remove(service, caller, &done.scope, done.etag).await;
        tell(items, done.item, removed);
    }
    let mut above: Vec<_> = missing_above.iter().collect();
    above.sort_by_key(|scope| std::cmp::Reverse(scope.level()));
    for scope in above {
        if let Err(error) = remove_unwritten(service, caller, scope).await {
            tracing::warn!(%scope, %error, "a node that the import made above others is left");
        }
    }
    for Done { item, scope, etag, before } in replaced {
        if let Some(before) = before {
            let body = before.content.to_json();
            let put = service.put(caller, &Address::Scope(scope), body, matching(etag)).await;
            tell(items, item, put.map(|_| ()));
        }
    }
}

async fn remove(service: &Service, caller: &Caller, scope: &Scope, etag: Etag) -> Result<(), Error> {
    let address = Address::Scope(scope.clone());
    service.delete(caller, &address, Subtree::MustBeEmpty, matching(etag)).await.map(|_| ())
}

/// Removes a node that was made because others were to stand below it; not if somebody wrote it meanwhile, or wrote
/// below it.
async fn remove_unwritten(service: &Service, caller: &Caller, scope: &Scope) -> Result<(), Error> {
    match service.get(caller, &Address::Scope(scope.clone())).await {
        Ok(node) if node.version == 0 => match remove(service, caller, scope, node.etag()).await {
            Err(Error::HasChildren { .. } | Error::PreconditionFailed(_)) => Ok(()),
            other => other,
        },
        Ok(_) | Err(Error::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn matching(etag: Etag) -> WriteOptions {
    WriteOptions { condition: Condition::IsOneOf(vec![etag]), ..WriteOptions::default() }
}

fn tell(items: &mut [Item], at: usize, result: Result<(), Error>) {
    if let Some(item) = items.get_mut(at) {
        item.outcome = match result {
            Ok(()) => Outcome::Undone,
            Err(error) => Outcome::Left(error.to_string()),
        };
    }
}
