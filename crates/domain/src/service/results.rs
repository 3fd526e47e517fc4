//! Recent resolved contexts, kept in memory for as long as the contexts they were made from are unchanged.

use std::sync::{Arc, Weak};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::context::Context;
use crate::id::ContextId;
use crate::limits::MAX_RESULTS_BYTES;
use crate::resolve::Resolved;

/// Bytes of a result in addition to its text, for the references to its chain and the entry itself; an
/// estimate.
const ENTRY_BYTES: u64 = 1024;
/// Expected number of results, an estimate for the cache's initial size.
const EXPECTED_RESULTS: usize = 4096;

/// Resolved contexts by the id of the context that was resolved; at most [`MAX_RESULTS_BYTES`].
pub(super) struct ResultMemory(Cache<ContextId, Arc<KeptResult>, ResultWeighter>);

struct KeptResult {
    /// The contexts that it was made from. A weak reference lets the store drop the context, but no other
    /// context can be allocated at the same address while it exists, so comparing pointers is safe.
    sources: Vec<Weak<Context>>,
    resolved: Arc<Resolved>,
}

#[derive(Clone)]
struct ResultWeighter;

impl Weighter<ContextId, Arc<KeptResult>> for ResultWeighter {
    fn weight(&self, _: &ContextId, entry: &Arc<KeptResult>) -> u64 {
        ENTRY_BYTES + entry.resolved.text.len() as u64
    }
}

impl ResultMemory {
    /// Returns the result for this chain, if it was made from these contexts, compared by pointer.
    pub(super) fn find(&self, chain: &[Arc<Context>]) -> Option<Arc<Resolved>> {
        let entry = self.0.get(&chain.last()?.id)?;
        entry.is_made_from(chain).then(|| Arc::clone(&entry.resolved))
    }

    /// Keeps the result for this chain, if it can be found again. It cannot if the store does not keep the
    /// contexts itself, because then each read returns a new pointer.
    pub(super) fn keep(&self, chain: &[Arc<Context>], resolved: &Arc<Resolved>) {
        let Some(target) = chain.last() else { return };
        if chain.iter().any(|context| Arc::strong_count(context) == 1) {
            return;
        }
        let sources = chain.iter().map(Arc::downgrade).collect();
        self.0.insert(target.id.clone(), Arc::new(KeptResult { sources, resolved: Arc::clone(resolved) }));
    }
}

impl Default for ResultMemory {
    fn default() -> Self {
        Self(Cache::with_weighter(EXPECTED_RESULTS, MAX_RESULTS_BYTES, ResultWeighter))
    }
}

impl KeptResult {
    fn is_made_from(&self, chain: &[Arc<Context>]) -> bool {
        self.sources.len() == chain.len()
            && self.sources.iter().zip(chain).all(|(source, context)| source.as_ptr() == Arc::as_ptr(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::id::RandomIds;
    use crate::resolve::Explain;
    use crate::tenant::NewTenant;

    fn context() -> Arc<Context> {
        Arc::new(NewTenant::new("default".parse().unwrap(), &SystemClock, &RandomIds).global)
    }

    fn resolved(chain: &[Arc<Context>]) -> Arc<Resolved> {
        Arc::new(Resolved::from_chain(chain, Explain::No).unwrap().unwrap())
    }

    #[test]
    fn a_result_is_found_only_for_the_same_pointers() {
        let (results, above, target) = (ResultMemory::default(), context(), context());
        let chain = [Arc::clone(&above), Arc::clone(&target)];
        assert!(results.find(&chain).is_none());
        let made = resolved(&chain);
        results.keep(&chain, &made);
        assert!(results.find(&chain).is_some_and(|found| Arc::ptr_eq(&found, &made)));
        // Equality is not enough: a row may have been changed without incrementing its version.
        let read_again = Arc::new(Context::clone(&above));
        assert!(results.find(&[read_again, Arc::clone(&target)]).is_none());
        assert!(results.find(std::slice::from_ref(&target)).is_none());
        assert!(results.find(&[Arc::clone(&above), Arc::clone(&above), Arc::clone(&target)]).is_none());
        assert!(results.find(&[]).is_none());
    }

    #[test]
    fn a_newer_result_replaces_the_older_one() {
        let (results, old, target) = (ResultMemory::default(), context(), context());
        let chain = [Arc::clone(&old), Arc::clone(&target)];
        results.keep(&chain, &resolved(&chain));
        let changed = Arc::new(Context { version: 1, ..Context::clone(&old) });
        let chain_now = [Arc::clone(&changed), Arc::clone(&target)];
        let made = resolved(&chain_now);
        results.keep(&chain_now, &made);
        assert!(results.find(&chain).is_none());
        assert!(results.find(&chain_now).is_some_and(|found| Arc::ptr_eq(&found, &made)));
    }

    #[test]
    fn results_of_contexts_that_the_store_does_not_keep_are_not_kept() {
        let (results, kept) = (ResultMemory::default(), context());
        let chain = [Arc::clone(&kept), context()];
        results.keep(&chain, &resolved(&chain));
        assert!(results.find(&chain).is_none());
    }

    #[test]
    fn a_result_does_not_keep_its_contexts_in_memory() {
        let (results, held) = (ResultMemory::default(), context());
        let chain = [Arc::clone(&held)];
        results.keep(&chain, &resolved(&chain));
        drop(chain);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn results_beyond_the_limit_are_dropped() {
        let results = ResultMemory::default();
        let held: Vec<_> = (0..40).map(|_| large()).collect();
        for context in &held {
            let chain = [Arc::clone(context)];
            results.keep(&chain, &resolved(&chain));
        }
        let found = held.iter().filter(|context| results.find(&[Arc::clone(context)]).is_some()).count();
        let limit = usize::try_from(MAX_RESULTS_BYTES).unwrap() / LARGE;
        assert!((1..=limit).contains(&found), "{found}");
        assert!(results.0.weight() <= MAX_RESULTS_BYTES);
    }

    const LARGE: usize = 1_000_000;

    fn large() -> Arc<Context> {
        let mut context = Context::clone(&context());
        context.content.context_data.insert("text".to_owned(), "x".repeat(LARGE).into());
        Arc::new(context)
    }
}
