//! PostgreSQL killed under load: calls fail with the right error, succeed again after the restart, and lose
//! no acknowledged write.

use std::collections::HashSet;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use context_domain::change::Operation;
use context_domain::clock::{Clock, SystemClock};
use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::{Commit, ContextList, ContextQuery, Expect, Op, Outcome};
use context_domain::service::Ports;
use context_domain::tree::Address;
use context_testing::{SERVER, Server};
use serde_json::Map;
use tokio::time::sleep;

use crate::installation::{install, open, tenants};
use crate::writes::{commit, creation};

/// Callers at once, and the tenants that they share.
const CLIENTS: usize = 8;
const TENANTS: usize = 3;

/// Rounds that each client must have completed before the next kill.
const DONE_BETWEEN_KILLS: usize = 5;

/// How soon every client must succeed again after the server was restarted.
const RECOVERY: Duration = Duration::from_secs(30);

/// Pause of a client between two attempts while nothing works.
const PAUSE: Duration = Duration::from_millis(10);

/// Returns how often the server is killed: 3 times, or `KILL_ROUNDS`.
fn rounds() -> u64 {
    env::var("KILL_ROUNDS").map_or(3, |text| text.parse().unwrap())
}

/// The results of a client's writes.
#[derive(Default)]
struct WriteLog {
    acknowledged: Vec<ContextId>,
    refused: Vec<ContextId>,
    unknown: Vec<ContextId>,
    increments: usize,
    refusals: usize,
}

struct Client {
    ports: Ports,
    tenant: TenantId,
    done: Arc<Vec<AtomicUsize>>,
    number: usize,
    stop: Arc<AtomicBool>,
    log: WriteLog,
}

impl Client {
    async fn work(mut self) -> WriteLog {
        let mut counter = Counter::default();
        while !self.stop.load(Ordering::Relaxed) {
            let succeeded = self.insert().await && self.increment(&mut counter).await;
            if succeeded {
                self.done[self.number].fetch_add(1, Ordering::Relaxed);
            } else {
                sleep(PAUSE).await;
            }
        }
        self.log
    }

    /// Creates a context and reads it; returns whether it was created.
    async fn insert(&mut self) -> bool {
        let commit = creation(&self.tenant, None, Map::new());
        let Op::Put { context, .. } = &commit.op else { panic!("a creation puts") };
        let id = context.id.clone();
        match self.ports.contexts.commit(&self.tenant, commit).await {
            Ok(Outcome::Done(_)) => self.log.acknowledged.push(id.clone()),
            Err(Error::Unavailable { .. }) => self.log.refused.push(id.clone()),
            Err(Error::OutcomeUnknown(_)) => self.log.unknown.push(id.clone()),
            other => panic!("{other:?}"),
        }
        if self.log.acknowledged.last() != Some(&id) {
            return false;
        }
        match self.ports.contexts.chain(&self.tenant, &Address::Id(id)).await {
            Ok(chain) => assert_eq!(chain.len(), 1, "what was acknowledged is not found"),
            Err(Error::Unavailable { .. }) => self.log.refusals += 1,
            Err(error) => panic!("{error:?}"),
        }
        true
    }

    /// Writes the next version of the client's own context; returns whether that succeeded.
    async fn increment(&mut self, counter: &mut Counter) -> bool {
        let Some(id) = &counter.id else {
            counter.id = self.log.acknowledged.last().cloned();
            (counter.acknowledged, counter.perhaps) = (1, 1);
            return true;
        };
        let current = match self.ports.contexts.chain(&self.tenant, &Address::Id(id.clone())).await {
            Ok(mut chain) => Arc::unwrap_or_clone(chain.pop().unwrap()),
            Err(Error::Unavailable { .. }) => {
                self.log.refusals += 1;
                return false;
            }
            Err(error) => panic!("{error:?}"),
        };
        let possible = counter.acknowledged..=counter.perhaps;
        assert!(
            possible.contains(&current.version),
            "the version is {}, and not in {possible:?}",
            current.version
        );
        counter.acknowledged = current.version;
        counter.perhaps = current.version;
        let next = next_version(current);
        match self.ports.contexts.commit(&self.tenant, next).await {
            Ok(Outcome::Done(context)) => {
                (counter.acknowledged, counter.perhaps) = (context.version, context.version);
                self.log.increments += 1;
                true
            }
            Err(Error::Unavailable { .. }) => {
                self.log.refusals += 1;
                false
            }
            Err(Error::OutcomeUnknown(_)) => {
                counter.perhaps += 1;
                false
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A context that only one client writes, and the versions that it may have.
#[derive(Default)]
struct Counter {
    id: Option<ContextId>,
    acknowledged: u32,
    perhaps: u32,
}

fn next_version(current: Context) -> Commit {
    let expect = Expect::Version(current.etag());
    let context = Box::new(Context { version: current.version + 1, ..current });
    commit(expect, Op::Put { context, scope: None, operation: Operation::Update })
}

/// Waits until every client has completed enough rounds after those counted in `before`.
async fn all_progress(done: &[AtomicUsize], before: &[usize]) {
    let since = Instant::now();
    let is_waiting = || {
        done.iter().zip(before).any(|(now, before)| now.load(Ordering::Relaxed) < before + DONE_BETWEEN_KILLS)
    };
    while is_waiting() {
        assert!(since.elapsed() < RECOVERY, "some client does not succeed again: {before:?}, then {done:?}");
        sleep(PAUSE).await;
    }
}

/// Returns the ids of all contexts of a tenant.
async fn all_ids(ports: &Ports, tenant: &TenantId) -> HashSet<ContextId> {
    let mut found = HashSet::new();
    let mut after = None;
    loop {
        let list = ContextList::Matching { search: Box::default(), after };
        let query = ContextQuery { list, live_at: SystemClock.now(), limit: 1_000 };
        let page = ports.contexts.page(tenant, &query).await.unwrap();
        after = page.last().map(|context| context.id.clone());
        if after.is_none() {
            return found;
        }
        found.extend(page.into_iter().map(|context| context.id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_killed_server_loses_no_acknowledged_write() {
    let server = Server::builder().durable().start().await;
    let tenants = tenants(TENANTS);
    let database = install(&server, &tenants).await;
    let ports = open(&server.url_as(SERVER, &database), |_| {}).await;
    let done: Arc<Vec<AtomicUsize>> = Arc::new((0..CLIENTS).map(|_| AtomicUsize::new(0)).collect());
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let tenant = tenants[number % TENANTS].clone();
            let (ports, done, stop) = (ports.clone(), Arc::clone(&done), Arc::clone(&stop));
            (
                tenant.clone(),
                tokio::spawn(Client { ports, tenant, done, number, stop, log: WriteLog::default() }.work()),
            )
        })
        .collect();
    let counts = || done.iter().map(|count| count.load(Ordering::Relaxed)).collect::<Vec<_>>();
    let mut longest = Duration::ZERO;
    all_progress(&done, &counts()).await;
    for round in 0..rounds() {
        // The moments of the kills and the times until the restart vary.
        sleep(Duration::from_micros(round * 7_919 % 60_000)).await;
        tokio::task::block_in_place(|| server.kill());
        sleep(Duration::from_millis(round * 137 % 700)).await;
        tokio::task::block_in_place(|| server.restart());
        let restarted = Instant::now();
        all_progress(&done, &counts()).await;
        longest = longest.max(restarted.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let (mut sum, mut came_through) = (WriteLog::default(), 0);
    for (tenant, client) in clients {
        let log = client.await.unwrap();
        let there = all_ids(&ports, &tenant).await;
        let lost = log.acknowledged.iter().filter(|id| !there.contains(id)).count();
        assert_eq!(lost, 0, "of {} acknowledged writes", log.acknowledged.len());
        let stray = log.refused.iter().filter(|id| there.contains(id)).count();
        assert_eq!(stray, 0, "of {} refused writes", log.refused.len());
        came_through += log.unknown.iter().filter(|id| there.contains(id)).count();
        sum.acknowledged.extend(log.acknowledged);
        sum.refused.extend(log.refused);
        sum.unknown.extend(log.unknown);
        sum.increments += log.increments;
        sum.refusals += log.refusals;
    }
    println!(
        "{} kills: {} inserts and {} increments acknowledged, {} inserts refused, of {} unknown ones \
         {came_through} were written, {} other refusals; all clients succeeded again within {longest:?}",
        rounds(),
        sum.acknowledged.len(),
        sum.increments,
        sum.refused.len(),
        sum.unknown.len(),
        sum.refusals
    );
    assert!(!sum.refused.is_empty() || sum.refusals > 0, "no call failed: the kills had no effect");
}
