//! The results of resolving that were made last, for as long as what they were made of has not changed.

use std::sync::{Arc, Weak};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::context::Context;
use crate::id::ContextId;
use crate::limits::MAX_RESULTS_BYTES;
use crate::resolve::Resolved;

/// What a result takes beside its text, in bytes: the links of the chain, and the entry itself.
const ENTRY_BYTES: u64 = 1024;
/// The results that fit, at a guess.
const EXPECTED_RESULTS: usize = 4096;

/// The results, by the context that was resolved.
pub(super) struct Results(Cache<ContextId, Arc<Entry>, ByBytes>);

struct Entry {
    /// What it was made of. These do not keep a context that its store forgets, and no other context can take its
    /// place in memory as long as they exist: what they point to is what the result was made of, and nothing else.
    sources: Vec<Weak<Context>>,
    resolved: Arc<Resolved>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<ContextId, Arc<Entry>> for ByBytes {
    fn weight(&self, _: &ContextId, entry: &Arc<Entry>) -> u64 {
        ENTRY_BYTES + entry.resolved.text.len() as u64
    }
}

impl Results {
    /// The result for this chain, if it was made of these very contexts.
    pub(super) fn of(&self, chain: &[Arc<Context>]) -> Option<Arc<Resolved>> {
        let entry = self.0.get(&chain.last()?.id)?;
        entry.is_made_of(chain).then(|| Arc::clone(&entry.resolved))
    }

    /// Keeps the result for this chain, if it can be met again: only a store that keeps a context gives it out twice.
    pub(super) fn keep(&self, chain: &[Arc<Context>], resolved: &Arc<Resolved>) {
        let Some(target) = chain.last() else { return };
        if chain.iter().any(|context| Arc::strong_count(context) == 1) {
            return;
        }
        let sources = chain.iter().map(Arc::downgrade).collect();
        self.0.insert(target.id.clone(), Arc::new(Entry { sources, resolved: Arc::clone(resolved) }));
    }
}

impl Default for Results {
    fn default() -> Self {
        Self(Cache::with_weighter(EXPECTED_RESULTS, MAX_RESULTS_BYTES, ByBytes))
    }
}

impl Entry {
    fn is_made_of(&self, chain: &[Arc<Context>]) -> bool {
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
    fn a_result_is_met_again_for_the_very_same_contexts_only() {
        let (results, above, target) = (Results::default(), context(), context());
        let chain = [Arc::clone(&above), Arc::clone(&target)];
        assert!(results.of(&chain).is_none());
        let made = resolved(&chain);
        results.keep(&chain, &made);
        assert!(results.of(&chain).is_some_and(|found| Arc::ptr_eq(&found, &made)));
        // Equal is not enough: what was read anew may be what somebody changed without raising its version.
        let read_anew = Arc::new(Context::clone(&above));
        assert!(results.of(&[read_anew, Arc::clone(&target)]).is_none());
        assert!(results.of(std::slice::from_ref(&target)).is_none());
        assert!(results.of(&[Arc::clone(&above), Arc::clone(&above), Arc::clone(&target)]).is_none());
        assert!(results.of(&[]).is_none());
    }

    #[test]
    fn a_newer_result_takes_the_place_of_the_old_one() {
        let (results, old, target) = (Results::default(), context(), context());
        let chain = [Arc::clone(&old), Arc::clone(&target)];
        results.keep(&chain, &resolved(&chain));
        let changed = Arc::new(Context { version: 1, ..Context::clone(&old) });
        let chain_now = [Arc::clone(&changed), Arc::clone(&target)];
        let made = resolved(&chain_now);
        results.keep(&chain_now, &made);
        assert!(results.of(&chain).is_none());
        assert!(results.of(&chain_now).is_some_and(|found| Arc::ptr_eq(&found, &made)));
    }

    #[test]
    fn what_no_store_keeps_is_not_kept() {
        let (results, kept) = (Results::default(), context());
        let chain = [Arc::clone(&kept), context()];
        results.keep(&chain, &resolved(&chain));
        assert!(results.of(&chain).is_none());
    }

    #[test]
    fn a_result_does_not_keep_what_its_store_forgot() {
        let (results, held) = (Results::default(), context());
        let chain = [Arc::clone(&held)];
        results.keep(&chain, &resolved(&chain));
        drop(chain);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn results_beyond_the_limit_are_forgotten() {
        let results = Results::default();
        let held: Vec<_> = (0..40).map(|_| large()).collect();
        for context in &held {
            let chain = [Arc::clone(context)];
            results.keep(&chain, &resolved(&chain));
        }
        let found = held.iter().filter(|context| results.of(&[Arc::clone(context)]).is_some()).count();
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
