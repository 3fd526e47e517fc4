//! Many tenants at the same time: each worker has a connection, and takes the next tenant when it is done
//! with one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_store::postgres::Session;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::jobs::{Job, run_job};
use super::plan::Progress;
use crate::fleet::{Connector, Fleet};

/// The result of a tenant's job: whether it made the tenant.
pub(super) type JobResult = (TenantId, Result<bool, Error>);

type Queue = Arc<Mutex<VecDeque<(TenantId, Job)>>>;

/// Does all the jobs, `workers` at a time. Returns the result of each.
pub(super) async fn run_all(
    fleet: &Fleet,
    workers: usize,
    jobs: Vec<(TenantId, Job)>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Vec<JobResult>, Error> {
    let of = jobs.len();
    let workers = workers.clamp(1, of.max(1));
    let queue: Queue = Arc::new(Mutex::new(jobs.into()));
    let (sender, mut receiver) = unbounded_channel();
    let mut running = JoinSet::new();
    for _ in 0..if of == 0 { 0 } else { workers } {
        running.spawn(run_worker(fleet.connector(), Arc::clone(&queue), sender.clone()));
    }
    drop(sender);
    let mut results = Vec::with_capacity(of);
    while let Some(result) = receiver.recv().await {
        results.push(result);
        progress(Progress { done: results.len(), of });
    }
    let mut failed = None;
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failed = Some(error),
            Err(error) => failed = Some(Error::Internal { detail: error.to_string() }),
        }
    }
    // A worker that ended early leaves its jobs to the others; only jobs that none of them did are a failure.
    match failed {
        Some(error) if results.len() < of => Err(error),
        Some(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a worker ended early, and the others did its part"
            );
            Ok(results)
        }
        None => Ok(results),
    }
}

/// Takes one tenant after another until the queue is empty, or the connection is closed.
async fn run_worker(
    connector: Connector,
    queue: Queue,
    results: UnboundedSender<JobResult>,
) -> Result<(), Error> {
    let mut session = Session::open(&connector.url, connector.mode).await?;
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((tenant, job)) = next else { return Ok(()) };
        let result = run_job(&mut session, &connector.installation, &tenant, &job).await;
        let is_closed = session.client().is_closed();
        // The receiver is gone only if the whole call was dropped.
        if results.send((tenant, result)).is_err() {
            return Ok(());
        }
        if is_closed {
            return Err(connector.installation.refused("the connection broke"));
        }
    }
}
