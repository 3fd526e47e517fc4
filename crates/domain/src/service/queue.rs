//! Queues of writes, one per address: writes that lost several conflicts wait for their turn instead of
//! racing again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_lock::MutexGuardArc;

/// The queues that are in use, by name.
#[derive(Default)]
pub(super) struct WriteQueues(Mutex<HashMap<String, Arc<async_lock::Mutex<()>>>>);

/// The turn of one write. When it is dropped, the next write has its turn.
pub(super) struct QueueTurn<'a> {
    queues: &'a WriteQueues,
    name: String,
    guard: Option<MutexGuardArc<()>>,
}

impl WriteQueues {
    /// Waits for a turn in the queue called `name`.
    pub(super) async fn turn(&self, name: String) -> QueueTurn<'_> {
        let queue = Arc::clone(self.map().entry(name.clone()).or_default());
        let guard = queue.lock_arc().await;
        QueueTurn { queues: self, name, guard: Some(guard) }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<String, Arc<async_lock::Mutex<()>>>> {
        // A panic cannot leave the map half-changed: each use of the lock is a single operation on it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for QueueTurn<'_> {
    fn drop(&mut self) {
        let mut map = self.queues.map();
        drop(self.guard.take());
        // If nobody waits, the map has the only reference left.
        if map.get(&self.name).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            map.remove(&self.name);
        }
    }
}
