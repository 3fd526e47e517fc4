//! Many tenants at the same time: each worker has a connection, and takes the next tenant when it is done with one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_store::postgres::Session;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::fleet::{Fleet, Reach};
use crate::jobs::{self, Job};

/// How far long work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Tenants that were worked on.
    pub done: usize,
    /// Tenants to work on in all.
    pub of: usize,
}

/// What became of a tenant's job: whether it made a new one.
pub(crate) type Outcome = (TenantId, Result<bool, Error>);

type Queue = Arc<Mutex<VecDeque<(TenantId, Job)>>>;

/// Does all the jobs, `workers` at a time; what became of each.
pub(crate) async fn run(
    fleet: &Fleet,
    workers: usize,
    jobs: Vec<(TenantId, Job)>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Vec<Outcome>, Error> {
    let of = jobs.len();
    let workers = workers.clamp(1, of.max(1));
    let queue: Queue = Arc::new(Mutex::new(jobs.into()));
    let (outcomes, mut received) = unbounded_channel();
    let mut crew = JoinSet::new();
    for _ in 0..if of == 0 { 0 } else { workers } {
        crew.spawn(work(fleet.reach(), Arc::clone(&queue), outcomes.clone()));
    }
    drop(outcomes);
    let mut all = Vec::with_capacity(of);
    while let Some(outcome) = received.recv().await {
        all.push(outcome);
        progress(Progress { done: all.len(), of });
    }
    let mut broken = None;
    while let Some(ended) = crew.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => broken = Some(error),
            Err(error) => broken = Some(Error::Internal { detail: error.to_string() }),
        }
    }
    // A worker that could not go on leaves its part to the others; what nobody did is the failure.
    match broken {
        Some(error) if all.len() < of => Err(error),
        Some(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a worker ended early, the others did its part"
            );
            Ok(all)
        }
        None => Ok(all),
    }
}

/// Takes one tenant after another until there are no more, or the connection is gone.
async fn work(reach: Reach, queue: Queue, outcomes: UnboundedSender<Outcome>) -> Result<(), Error> {
    let mut session = Session::open(&reach.url, reach.mode).await?;
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((tenant, job)) = next else { return Ok(()) };
        let result = jobs::run(&mut session, &reach.place, &tenant, &job).await;
        let is_over = session.client().is_closed();
        // Nobody listens any more only where the whole call was dropped.
        if outcomes.send((tenant, result)).is_err() {
            return Ok(());
        }
        if is_over {
            return Err(reach.place.refused("the connection broke"));
        }
    }
}
