//! The documents that were read last: a row that has not changed since is neither sent nor parsed again.
//!
//! What a row is, is told by its stamp: the context's id and version, the transaction that wrote the row (`xmin`), and
//! when the server was started. PostgreSQL compares the stamps in the statement that reads the chain, so that versions and
//! documents come from one snapshot. The transaction is there because a version alone does not prove enough: a backup
//! that is loaded over the tables counts the same versions again, and whoever may switch a trigger off can change a row
//! and leave its version. The start of the server is there because transactions are numbered anew after a recovery to an
//! earlier point, and after a standby was promoted that lacked the last of them. A server whose process failed goes on
//! under its old start, and may have lost what was not on disk yet (`synchronous_commit = off`): a lost connection
//! empties the memory, and a read that was under way is made again without it.

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

/// The documents that fit, at a guess.
const EXPECTED_DOCUMENTS: usize = 16 * 1024;
/// Scopes of which it is known which context stands there.
const MAX_PLACES: usize = 16 * 1024;
/// What a document takes beside its members, in bytes: its other columns, and the entry itself.
const ENTRY_BYTES: usize = 1024;
/// What the allocator adds to a text or a list, in bytes, at a guess.
const ALLOCATION_BYTES: usize = 16;
/// What a node of the map of an object's members takes, in bytes, and how many members it holds when half full.
const NODE_BYTES: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 16;
const NODE_MEMBERS: usize = 6;

/// The documents.
pub(super) struct Memory {
    losses: AtomicU64,
    documents: Cache<ContextId, Remembered, ByBytes>,
    /// Which context stood at a scope when it was last read. It only tells which stamps to ask about.
    places: Cache<(TenantId, Scope), ContextId>,
}

/// A row as it was read.
#[derive(Clone)]
pub(super) struct Remembered {
    /// What tells it from any other row.
    pub(super) stamp: Arc<str>,
    /// What it holds.
    pub(super) context: Arc<Context>,
    bytes: u64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<ContextId, Remembered> for ByBytes {
    fn weight(&self, _: &ContextId, remembered: &Remembered) -> u64 {
        remembered.bytes
    }
}

impl Memory {
    /// Forgets everything, if more connections have been lost than when this was asked last: a server that fails may
    /// forget the last transactions, and give their numbers to others.
    pub(super) fn forget_before(&self, losses: u64) {
        if self.losses.swap(losses, Ordering::AcqRel) != losses {
            self.documents.clear();
            self.places.clear();
        }
    }

    /// What is remembered of the way to an address, global first, as far down as it is remembered without a gap.
    pub(super) fn chain(&self, tenant: &TenantId, address: &Address) -> Vec<Remembered> {
        match address {
            Address::Id(id) => self.chain_of(tenant, id).unwrap_or_default(),
            Address::Scope(scope) => self.chain_at(tenant, scope),
        }
    }

    /// Remembers rows that were read.
    pub(super) fn keep(&self, new: &[Remembered]) {
        for remembered in new {
            self.documents.insert(remembered.context.id.clone(), remembered.clone());
        }
    }

    /// Remembers which contexts stand on the way to a scope, as far as they are new.
    pub(super) fn keep_places(&self, scope: &Scope, chain: &[Arc<Context>], new: &[Remembered]) {
        let is_new = |id: &ContextId| new.iter().any(|remembered| remembered.context.id == *id);
        for (depth, context) in chain.iter().enumerate().filter(|(_, context)| is_new(&context.id)) {
            if let Some(scope) = scope.prefix(depth) {
                self.places.insert((context.tenant_id.clone(), scope), context.id.clone());
            }
        }
    }

    fn chain_at(&self, tenant: &TenantId, scope: &Scope) -> Vec<Remembered> {
        let mut scope = Some(scope.clone());
        while let Some(at) = scope {
            let place = (tenant.clone(), at);
            let known = self.places.get(&place).and_then(|id| self.chain_of(tenant, &id));
            if let Some(chain) = known {
                return chain;
            }
            scope = place.1.parent();
        }
        Vec::new()
    }

    /// The context and all above it, global first; none if one of them is not remembered.
    fn chain_of(&self, tenant: &TenantId, id: &ContextId) -> Option<Vec<Remembered>> {
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
            documents: Cache::with_weighter(EXPECTED_DOCUMENTS, MAX_DOCUMENTS_BYTES, ByBytes),
            places: Cache::new(MAX_PLACES),
        }
    }
}

impl Remembered {
    /// A row of this stamp.
    pub(super) fn new(stamp: &str, context: Arc<Context>) -> Self {
        let inheritance = context.content.inheritance.as_ref();
        // The rules are kept as they were written and as trees of their pointers.
        let rules = inheritance.map_or(0, |rules| 3 * footprint(rules.as_value()));
        let bytes = ENTRY_BYTES + members_footprint(context.data()) + rules;
        Self { stamp: stamp.into(), context, bytes: bytes as u64 }
    }
}

/// About how many bytes of memory a value takes beside its own size.
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

    fn remembered(data: Value) -> Remembered {
        let mut context = NewTenant::new("one".parse().unwrap(), &SystemClock, &RandomIds).global;
        let Value::Object(members) = data else { panic!() };
        context.content.context_data = members;
        Remembered::new("stamp", Arc::new(context))
    }

    #[test]
    fn documents_beyond_the_limit_are_forgotten() {
        let memory = Memory::default();
        for _ in 0..200 {
            memory.keep(&[remembered(json!({"text": "x".repeat(1_000_000)}))]);
        }
        assert!(memory.documents.weight() <= MAX_DOCUMENTS_BYTES);
        assert!((8..=64).contains(&memory.documents.len()), "{}", memory.documents.len());
    }

    #[test]
    fn small_objects_weigh_what_they_take_and_not_what_they_say() {
        let objects: Vec<_> = (0..1_000).map(|n| json!({ "n": n })).collect();
        let weight = remembered(json!({ "objects": objects })).bytes;
        // Each is a node of a map with room for eleven members.
        assert!((600_000..900_000).contains(&weight), "{weight}");
        let text = remembered(json!({"text": "x".repeat(100_000)})).bytes;
        assert!((100_000..104_000).contains(&text), "{text}");
    }

    #[test]
    fn another_tenants_document_is_not_known() {
        let (memory, kept) = (Memory::default(), remembered(json!({})));
        memory.keep(std::slice::from_ref(&kept));
        let address = Address::Id(kept.context.id.clone());
        assert_eq!(memory.chain(&"one".parse().unwrap(), &address).len(), 1);
        assert_eq!(memory.chain(&"two".parse().unwrap(), &address).len(), 0);
    }

    #[test]
    fn a_loss_forgets_everything_once() {
        let (memory, kept) = (Memory::default(), remembered(json!({})));
        let (tenant, address) = ("one".parse().unwrap(), Address::Id(kept.context.id.clone()));
        let keep = || memory.keep(std::slice::from_ref(&kept));
        for (losses, known) in [(0, 1), (1, 0), (1, 1), (3, 0)] {
            keep();
            memory.forget_before(losses);
            assert_eq!(memory.chain(&tenant, &address).len(), known, "{losses}");
        }
    }
}
