//! The memory: documents that were read recently, so that an unchanged row is neither sent nor parsed again.
//!
//! A row is identified by its *stamp*: the context's id and version, the transaction that wrote the row
//! (`xmin`), and when the server was started. PostgreSQL compares the stamps in the statement that reads the
//! chain, so versions and documents come from one snapshot. A version alone would not be enough:
//!
//! - The transaction is in the stamp because loading a backup over the tables repeats versions, and because a
//!   role that may disable triggers can change a row without its version.
//! - The server's start is in it because transaction ids are assigned again after a recovery to an earlier
//!   point in time, and after the promotion of a standby that lacked the last transactions.
//! - A server whose process crashed recovers under its old start time, and may have lost transactions that
//!   were not on disk yet (`synchronous_commit = off`). So a lost connection empties the memory, and a read
//!   that it interrupted is repeated without the memory (the story of a lost connection in
//!   [`pool`](super::pool)).

use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use context_domain::context::Context;
use context_domain::id::{ContextId, TenantId};
use context_domain::limits::MAX_DOCUMENTS_BYTES;
use context_domain::tree::{Address, Level, Scope};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::{Map, Value};

/// The approximate number of documents that fit.
const EXPECTED_DOCUMENTS: usize = 16 * 1024;
/// The maximum number of scopes whose context's id is remembered.
const MAX_SCOPES: usize = 16 * 1024;
/// The bytes that a document takes in addition to its members: its other columns, and the cache entry.
const ENTRY_BYTES: usize = 1024;
/// About what the allocator adds to a text or a list, in bytes.
const ALLOCATION_BYTES: usize = 16;
/// The size of a B-tree node of an object's members, in bytes, and how many members it holds when half full.
const NODE_BYTES: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 16;
const NODE_MEMBERS: usize = 6;

/// The documents that were read recently.
///
/// **Life cycle.** It belongs to a store, starts empty, and holds at most [`MAX_DOCUMENTS_BYTES`]: the cache
/// evicts the rest. It is only a cache: a document is used only after the database has confirmed, in the same
/// statement, that it is current.
///
/// **Concurrency.** Both caches are concurrent. [`forget_before`](Self::forget_before) is called before each
/// read; of several reads after one loss, the first empties the memory.
///
/// **Failure.** None of its methods fails. A read that finds nothing in it asks the database for everything.
pub(super) struct Memory {
    losses: AtomicU64,
    documents: Cache<ContextId, CachedDocument, DocumentWeigher>,
    /// The context at a scope when it was last read: a guess that decides which stamps are sent.
    scopes: Cache<(TenantId, Scope), ContextId>,
}

/// A document as it was read from its row.
#[derive(Clone)]
pub(super) struct CachedDocument {
    /// The stamp of the row.
    pub(super) stamp: Arc<str>,
    /// The context in the row.
    pub(super) context: Arc<Context>,
    bytes: u64,
}

/// Weighs a document by the memory that it takes.
#[derive(Clone)]
struct DocumentWeigher;

impl Weighter<ContextId, CachedDocument> for DocumentWeigher {
    fn weight(&self, _: &ContextId, document: &CachedDocument) -> u64 {
        document.bytes
    }
}

impl Memory {
    /// Forgets everything if the number of lost connections has changed since the last call: a server that
    /// failed may have lost its last transactions, and give their numbers to others.
    pub(super) fn forget_before(&self, losses: u64) {
        if self.losses.swap(losses, Ordering::AcqRel) != losses {
            self.documents.clear();
            self.scopes.clear();
        }
    }

    /// Returns the remembered part of the chain to an address: from the global node down, without a gap.
    pub(super) fn chain(&self, tenant: &TenantId, address: &Address) -> Vec<CachedDocument> {
        match address {
            Address::Id(id) => self.chain_of(tenant, id).unwrap_or_default(),
            Address::Scope(scope) => self.chain_at(tenant, scope),
        }
    }

    /// Remembers documents that were read.
    pub(super) fn keep(&self, new: &[CachedDocument]) {
        for document in new {
            self.documents.insert(document.context.id.clone(), document.clone());
        }
    }

    /// Remembers the ids of the new contexts in the chain of a scope.
    pub(super) fn keep_scopes(&self, scope: &Scope, chain: &[Arc<Context>], new: &[CachedDocument]) {
        let is_new = |id: &ContextId| new.iter().any(|document| document.context.id == *id);
        for (depth, context) in chain.iter().enumerate().filter(|(_, context)| is_new(&context.id)) {
            if let Some(scope) = scope.prefix(depth) {
                self.scopes.insert((context.tenant_id.clone(), scope), context.id.clone());
            }
        }
    }

    fn chain_at(&self, tenant: &TenantId, scope: &Scope) -> Vec<CachedDocument> {
        let mut scope = Some(scope.clone());
        while let Some(at) = scope {
            let key = (tenant.clone(), at);
            let known = self.scopes.get(&key).and_then(|id| self.chain_of(tenant, &id));
            if let Some(chain) = known {
                return chain;
            }
            scope = key.1.parent();
        }
        Vec::new()
    }

    /// Returns the context after its ancestors, global first; `None` if one of them is not remembered.
    fn chain_of(&self, tenant: &TenantId, id: &ContextId) -> Option<Vec<CachedDocument>> {
        let mut chain = Vec::with_capacity(Level::ALL.len());
        let mut next = Some(id.clone());
        while let Some(id) = next {
            let found = self.documents.get(&id).filter(|found| found.context.tenant_id == *tenant)?;
            next = found.context.place.as_ref().and_then(|place| place.parent_id.clone());
            chain.push(found);
            if chain.len() > Level::ALL.len() {
                return None;
            }
        }
        chain.reverse();
        Some(chain)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            losses: AtomicU64::new(0),
            documents: Cache::with_weighter(EXPECTED_DOCUMENTS, MAX_DOCUMENTS_BYTES, DocumentWeigher),
            scopes: Cache::new(MAX_SCOPES),
        }
    }
}

impl CachedDocument {
    /// Makes a document of a row with this stamp.
    pub(super) fn new(stamp: &str, context: Arc<Context>) -> Self {
        let inheritance = context.content.inheritance.as_ref();
        // The rules are held as they were written and as trees of their pointers.
        let rules = inheritance.map_or(0, |rules| 3 * footprint(rules.as_value()));
        let bytes = ENTRY_BYTES + members_footprint(context.data()) + rules;
        Self { stamp: stamp.into(), context, bytes: bytes as u64 }
    }
}

/// Estimates the bytes of heap memory that a value takes.
fn footprint(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len() + ALLOCATION_BYTES,
        Value::Array(elements) => {
            let within = elements.iter().map(footprint).sum::<usize>();
            elements.len() * size_of::<Value>() + ALLOCATION_BYTES + within
        }
        Value::Object(members) => members_footprint(members),
    }
}

fn members_footprint(members: &Map<String, Value>) -> usize {
    let nodes = members.len().div_ceil(NODE_MEMBERS) * (NODE_BYTES + ALLOCATION_BYTES);
    let within = members.iter().map(|(name, value)| name.len() + ALLOCATION_BYTES + footprint(value));
    nodes + within.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use context_domain::clock::SystemClock;
    use context_domain::id::RandomIds;
    use context_domain::tenant::NewTenant;
    use serde_json::json;

    fn document(data: Value) -> CachedDocument {
        let mut context = NewTenant::new("one".parse().unwrap(), &SystemClock, &RandomIds).global;
        let Value::Object(members) = data else { panic!() };
        context.content.context_data = members;
        CachedDocument::new("stamp", Arc::new(context))
    }

    #[test]
    fn documents_beyond_the_limit_are_forgotten() {
        let memory = Memory::default();
        for _ in 0..200 {
            memory.keep(&[document(json!({"text": "x".repeat(1_000_000)}))]);
        }
        assert!(memory.documents.weight() <= MAX_DOCUMENTS_BYTES);
        assert!((8..=64).contains(&memory.documents.len()), "{}", memory.documents.len());
    }

    #[test]
    fn small_objects_weigh_the_memory_that_they_take() {
        let objects: Vec<_> = (0..1_000).map(|n| json!({ "n": n })).collect();
        let weight = document(json!({ "objects": objects })).bytes;
        // Each is a node of a map with room for eleven members.
        assert!((600_000..900_000).contains(&weight), "{weight}");
        let text = document(json!({"text": "x".repeat(100_000)})).bytes;
        assert!((100_000..104_000).contains(&text), "{text}");
    }

    #[test]
    fn another_tenants_document_is_not_returned() {
        let (memory, kept) = (Memory::default(), document(json!({})));
        memory.keep(std::slice::from_ref(&kept));
        let address = Address::Id(kept.context.id.clone());
        assert_eq!(memory.chain(&"one".parse().unwrap(), &address).len(), 1);
        assert_eq!(memory.chain(&"two".parse().unwrap(), &address).len(), 0);
    }

    #[test]
    fn a_lost_connection_empties_the_memory_once() {
        let (memory, kept) = (Memory::default(), document(json!({})));
        let (tenant, address) = ("one".parse().unwrap(), Address::Id(kept.context.id.clone()));
        let keep = || memory.keep(std::slice::from_ref(&kept));
        for (losses, known) in [(0, 1), (1, 0), (1, 1), (3, 0)] {
            keep();
            memory.forget_before(losses);
            assert_eq!(memory.chain(&tenant, &address).len(), known, "{losses}");
        }
    }
}
