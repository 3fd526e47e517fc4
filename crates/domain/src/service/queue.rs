//! Queues of writers, one for each address: those that lost a few races wait for their turn instead of racing on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_lock::MutexGuardArc;

/// The queues in which somebody waits.
#[derive(Default)]
pub(super) struct Queues(Mutex<HashMap<String, Arc<async_lock::Mutex<()>>>>);

/// The right to go on, until it is dropped.
pub(super) struct Turn<'a> {
    queues: &'a Queues,
    name: String,
    guard: Option<MutexGuardArc<()>>,
}

impl Queues {
    /// Waits for a turn in the queue called `name`.
    pub(super) async fn turn(&self, name: String) -> Turn<'_> {
        let queue = Arc::clone(self.map().entry(name.clone()).or_default());
        let guard = queue.lock_arc().await;
        Turn { queues: self, name, guard: Some(guard) }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<String, Arc<async_lock::Mutex<()>>>> {
        // The map is whole between any two statements that hold the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut map = self.queues.map();
        drop(self.guard.take());
        // The map's own reference is the last one when nobody waits.
        if map.get(&self.name).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            map.remove(&self.name);
        }
    }
}
