//! Chooses the slot of a call: each running call puts a weight on its slot, and the next one goes where the
//! weight is least.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use context_domain::id::TenantId;
use tokio::time::sleep;

use super::shares::{Borrower, TenantShare};

/// The weight of a slot for which the server had no connection left, and for how long.
const CROWDED_WEIGHT: usize = 1_000_000;
const CROWDED_PAUSE: Duration = Duration::from_secs(10);
/// The weight at which a home slot counts as busy, and the tenant may use another slot.
const BUSY_WEIGHT: usize = 8;

/// The weights of all slots of a pool.
#[derive(Clone)]
pub(super) struct SlotWeights(Arc<Mutex<Vec<usize>>>);

/// A weight on a slot, and a running call that counts against a tenant's share. Dropping it ends both.
pub(super) struct SlotLoad {
    weights: SlotWeights,
    share: Option<Arc<TenantShare>>,
    slot: usize,
    weight: usize,
}

impl SlotWeights {
    /// Makes the weights of `count` slots, all zero.
    pub(super) fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new(vec![0; count])))
    }

    /// Chooses a slot for a call of that weight, and puts the weight on it: the less busy home slot of the
    /// tenant or, if both are busy, the least busy of all slots that the tenant's share allows.
    pub(super) fn choose(&self, borrower: Borrower<'_>, weight: usize) -> SlotLoad {
        // One lock for choosing and counting, so that no two calls exceed a share together.
        let mut weights = self.locked();
        let weight_of = |slot: &usize| weights.get(*slot).copied().unwrap_or(usize::MAX);
        let is_allowed = |slot: &usize| borrower.share.is_none_or(|share| share.allows(*slot));
        let [first, second] = home_slots(borrower.tenant, weights.len());
        let home = if weight_of(&second) < weight_of(&first) { second } else { first };
        let slot = if weight_of(&home) < BUSY_WEIGHT && is_allowed(&home) {
            home
        } else {
            // The home slot wins a tie.
            let allowed = (0..weights.len()).filter(is_allowed);
            allowed.min_by_key(|slot| (weight_of(slot), *slot != home)).unwrap_or(home)
        };
        if let Some(share) = borrower.share {
            share.begin(slot);
        }
        add(&mut weights, slot, weight);
        SlotLoad { weights: self.clone(), share: borrower.share.cloned(), slot, weight }
    }

    /// Whether there is a slot that is not marked as crowded.
    pub(super) fn has_uncrowded(&self) -> bool {
        self.locked().iter().any(|weight| *weight < CROWDED_WEIGHT)
    }

    fn locked(&self) -> MutexGuard<'_, Vec<usize>> {
        // A panic cannot leave the weights half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotLoad {
    /// Returns the number of the slot.
    pub(super) fn slot(&self) -> usize {
        self.slot
    }

    /// Adds to the weight.
    pub(super) fn grow(&mut self, more: usize) {
        add(&mut self.weights.locked(), self.slot, more);
        self.weight = self.weight.saturating_add(more);
    }

    /// Marks the slot as crowded for a while: only calls that have no other choice go there.
    pub(super) fn mark_crowded(&self) {
        add(&mut self.weights.locked(), self.slot, CROWDED_WEIGHT);
        let (weights, slot) = (self.weights.clone(), self.slot);
        let mark = Self { weights, share: None, slot, weight: CROWDED_WEIGHT };
        drop(tokio::spawn(async move {
            sleep(CROWDED_PAUSE).await;
            drop(mark);
        }));
    }
}

impl Drop for SlotLoad {
    fn drop(&mut self) {
        if let Some(weight) = self.weights.locked().get_mut(self.slot) {
            *weight = weight.saturating_sub(self.weight);
        }
        if let Some(share) = &self.share {
            share.end(self.slot);
        }
    }
}

fn add(weights: &mut [usize], slot: usize, more: usize) {
    if let Some(weight) = weights.get_mut(slot) {
        *weight = weight.saturating_add(more);
    }
}

/// Returns the two slots that a tenant's calls go to first, so that each server process caches the tables of
/// few tenants.
fn home_slots(tenant: Option<&TenantId>, count: usize) -> [usize; 2] {
    let mut hasher = DefaultHasher::new();
    tenant.map(TenantId::as_str).hash(&mut hasher);
    let hash = usize::try_from(hasher.finish() >> 1).unwrap_or_default();
    let first = hash.checked_rem(count).unwrap_or_default();
    let others = count.saturating_sub(1);
    let step = (hash / count.max(1)).checked_rem(others).map_or(0, |step| step + 1);
    [first, (first + step).checked_rem(count).unwrap_or_default()]
}
