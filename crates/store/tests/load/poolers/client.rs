//! A process that reads and writes contexts of many tenants at two sites, and checks whose they are.

use std::env;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use context_domain::change::Operation;
use context_domain::clock::{Clock, SystemClock};
use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::id::TenantId;
use context_domain::ports::{ChangeQuery, ContextList, ContextQuery, Expect, Op, Outcome};
use context_domain::service::Ports;
use context_domain::tree::{Address, Scope};
use context_store::postgres::ConnectionMode;
use tokio::time::timeout;

use super::world::{SITES, TENANTS, Tally, data_of, documents};
use crate::installation::{open, tenants};
use crate::writes::commit;

/// Tasks of each process.
const TASKS: usize = 8;

/// One of `IMPATIENT` callers is dropped within `MICROSECONDS`; the others wait as long as it takes.
const IMPATIENT: usize = 10;
const MICROSECONDS: usize = 3_000;
const FOR_EVER: usize = 3_600_000_000;

/// The other tests run this one in processes, with its work in the environment; without it, it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_work() {
    let Ok(urls) = env::var("POOLER_URLS") else { return };
    let urls: Vec<_> = urls.split(' ').map(str::to_owned).collect();
    let (share, stores) = (number("POOLER_SHARE"), number("POOLER_STORES"));
    let setting = if env::var("POOLER_SETTING").unwrap() == "direct" {
        ConnectionMode::Direct
    } else {
        ConnectionMode::Auto
    };
    let tally = Arc::new(Mutex::new(Tally::default()));
    for store in 0..stores {
        let mut sites = Vec::new();
        for url in &urls {
            let adjust = |options: &mut context_store::StoreOptions| {
                (options.connection_mode, options.max_connections) = (setting, number("POOLER_CONNECTIONS"));
            };
            sites.push(open(url, adjust).await);
        }
        let requests = share / stores + usize::from(store < share % stores);
        let mut tasks = Vec::new();
        for task in 0..TASKS {
            let seed = (number("POOLER_SEED") * 1_000 + store) * TASKS + task;
            let client = Client {
                sites: sites.clone(),
                choices: Choices { seed, count: 0 },
                tally: Arc::clone(&tally),
            };
            tasks.push(tokio::spawn(client.work(requests / TASKS + usize::from(task < requests % TASKS))));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }
    println!("{}", tally.lock().unwrap().lines());
}

fn number(name: &str) -> usize {
    env::var(name).unwrap().parse().unwrap()
}

/// Pseudo-random choices that depend on the seed.
struct Choices {
    seed: usize,
    count: usize,
}

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.count += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, self.count).hash(&mut hasher);
        usize::try_from(hasher.finish() % bound as u64).unwrap()
    }
}

struct Client {
    sites: Vec<Ports>,
    choices: Choices,
    tally: Arc<Mutex<Tally>>,
}

impl Client {
    async fn work(mut self, requests: usize) {
        let tenants = tenants(TENANTS);
        for _ in 0..requests {
            let site = self.choices.below(SITES.len());
            let tenant = &tenants[self.choices.below(TENANTS)];
            let kind = self.choices.below(7);
            // Some callers are dropped before the response.
            let patience =
                if self.choices.below(IMPATIENT) == 0 { self.choices.below(MICROSECONDS) } else { FOR_EVER };
            let patience = Duration::from_micros(patience as u64);
            let found = timeout(patience, self.send_request(kind, site, tenant)).await;
            let mut tally = self.tally.lock().unwrap();
            let Ok(found) = found else {
                tally.given_up += 1;
                continue;
            };
            match found {
                Ok(Ok(())) => tally.right += 1,
                Ok(Err(wrong)) => tally.wrong.push(format!("{kind} of {tenant} {}: {wrong}", SITES[site])),
                Err(error) => tally.failed.push(format!("{kind} of {tenant} {}: {error:?}", SITES[site])),
            }
        }
    }

    /// Sends one request; returns what is wrong with the response, if anything is.
    async fn send_request(
        &mut self,
        kind: usize,
        site: usize,
        tenant: &TenantId,
    ) -> Result<Result<(), String>, Error> {
        let ports = self.sites[site].clone();
        let checked =
            |contexts: &[Context], count: usize| check_contexts(contexts, count, SITES[site], tenant);
        let [upper, lower] = documents();
        let chain = async |scope| {
            let chain = ports.contexts.chain(tenant, &Address::Scope(scope)).await?;
            Ok::<Vec<_>, Error>(chain.into_iter().map(Arc::unwrap_or_clone).collect())
        };
        let page = async |list| {
            let query = ContextQuery { list, live_at: SystemClock.now(), limit: 10 };
            ports.contexts.page(tenant, &query).await
        };
        Ok(match kind {
            0 => checked(&chain(Scope::global()).await?, 1),
            1 => checked(&chain(upper).await?, 2),
            2 => checked(&chain(lower).await?, 3),
            3 => checked(&page(ContextList::Matching { search: Box::default(), after: None }).await?, 3),
            4 => {
                let global = chain(Scope::global()).await?.remove(0).id;
                checked(&page(ContextList::Children { parent: global, after: None }).await?, 1)
            }
            5 => {
                let query = ChangeQuery { context: None, before: None, limit: 10 };
                let changes = ports.contexts.changes(tenant, &query).await?;
                if changes.len() >= 3 { Ok(()) } else { Err(format!("{} changes", changes.len())) }
            }
            _ => {
                let Some(current) = chain(lower).await?.pop() else {
                    return Ok(Err("no context".to_owned()));
                };
                let expect = Expect::Version(current.etag());
                let context = Box::new(Context { version: current.version + 1, ..current });
                let op = Op::Put { context, scope: None, operation: Operation::Update };
                match ports.contexts.commit(tenant, commit(expect, op)).await? {
                    Outcome::Done(context) | Outcome::Conflict { current: Some(context) } => {
                        checked(&[*context], 1)
                    }
                    other => Err(format!("{other:?}")),
                }
            }
        })
    }
}

/// Checks that these are `count` contexts of that tenant at that site.
fn check_contexts(contexts: &[Context], count: usize, site: &str, tenant: &TenantId) -> Result<(), String> {
    if contexts.len() != count {
        return Err(format!("{} contexts instead of {count}", contexts.len()));
    }
    let foreign = contexts.iter().find(|context| {
        context.tenant_id != *tenant || context.content.context_data != data_of(site, tenant)
    });
    foreign
        .map_or(Ok(()), |context| Err(format!("{:?} of {}", context.content.context_data, context.tenant_id)))
}
