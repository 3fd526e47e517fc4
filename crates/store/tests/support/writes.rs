//! Writes through the ports, with the real clock and random ids.

use context_domain::change::{Operation, Record};
use context_domain::clock::{Clock, SystemClock};
use context_domain::content::Content;
use context_domain::context::Context;
use context_domain::id::{ContextId, IdSource, RandomIds, TenantId};
use context_domain::ports::{Commit, Expect, Op};
use context_domain::tree::{Level, Place, Scope};
use serde_json::{Map, Value};

/// A commit with a record and no idempotency key.
pub(crate) fn commit(expect: Expect, op: Op) -> Commit {
    let record = Record { at: SystemClock.now(), by: "p".to_owned(), request_id: "r".to_owned() };
    Commit { expect, ensure_path: None, op, record, idempotency: None }
}

/// The commit that creates a context, at the scope or outside the tree.
pub(crate) fn creation(tenant: &TenantId, scope: Option<Scope>, data: Map<String, Value>) -> Commit {
    let level = scope.as_ref().map(Scope::level);
    let context = Context {
        id: ContextId::new(RandomIds.uuid()),
        tenant_id: tenant.clone(),
        content: Content { context_data: data, ..Content::empty_node(level.unwrap_or(Level::Project)) },
        place: scope.as_ref().map(|scope| Place {
            level: scope.level(),
            parent_id: None,
            node_key: scope.key().cloned(),
        }),
        created_at: SystemClock.now(),
        updated_at: SystemClock.now(),
        version: 1,
    };
    commit(Expect::Absent, Op::Put { context: Box::new(context), scope, operation: Operation::Create })
}
