//! The connections to the database: few, opened when they are needed, and each tenant at home on two of them.
//!
//! On a connection of our own a statement with its own transaction is sent while others are still unanswered, so that many
//! callers share it; a transaction, and everything where a pooler may stand in between, has its connection for itself.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use context_domain::id::TenantId;
use tokio::sync::{AcquireError, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit};

use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};
use tokio_postgres::Row;

use super::connect::End;
use super::connection::Connection;
use super::failure::Failure;
use super::session::{ConnectionMode, Mode, Session};
use super::shares::{Admitted, Kind, Share, Shares};
use super::statement::Param;
use super::transaction::Transaction;
use super::url::PostgresUrl;

/// Calls that wait on one connection for their answers at the same time.
const MAX_PIPELINED: u32 = 16;
/// How long a call waits for a connection at the least; where making one may take longer, longer.
const WAIT_LIMIT: Duration = Duration::from_secs(5);
/// What a call waits longer than making a connection may take, so that it is told why none was made.
const WAIT_MARGIN: Duration = Duration::from_secs(1);
/// What a call that has its connection for itself weighs where the least busy one is looked for.
const EXCLUSIVE_WEIGHT: usize = 1_000;
/// What a call weighs that may take long: what is sent behind it waits too.
const LONG_WEIGHT: usize = 8;
/// What a place weighs where the server has no connection left for it, and for how long.
const CROWDED_WEIGHT: usize = 1_000_000;
const CROWDED_PAUSE: Duration = Duration::from_secs(10);
/// What a call weighs more from the moment on when it has taken long: others go elsewhere.
const STALLED_WEIGHT: usize = 1_000;
/// How long that is.
const STALL: Duration = Duration::from_millis(50);
/// The weight from which on a tenant leaves its homes for a connection that is less busy.
const BUSY_WEIGHT: usize = 8;

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It reads, and may be carried out twice.
    Read,
    /// The same; it may take long.
    Scan,
    /// It writes: it is carried out once, or not at all. It may take long, because it waits for locks.
    Write,
}

/// The connections.
pub(super) struct Pool {
    url: PostgresUrl,
    mode: ConnectionMode,
    wait_limit: Duration,
    slots: Vec<Slot>,
    /// A call takes one permit, one that has its connection for itself as many as a connection has: so that whoever has
    /// its permits finds a connection with room, and nobody is overtaken for ever.
    admission: Semaphore,
    /// Writes and transactions may wait for locks: one connection is left to those that do not.
    writes: Semaphore,
    shares: Shares,
    state: Arc<Mutex<State>>,
    losses: Arc<AtomicU64>,
}

/// What is known of all connections.
struct State {
    weights: Vec<usize>,
    mode: Option<Mode>,
}

/// The place of one connection.
#[derive(Default)]
struct Slot {
    /// Held for reading by each call that shares the connection, for writing by the one that does not.
    turn: RwLock<()>,
    opened: tokio::sync::Mutex<Opened>,
    /// How often opening it has failed.
    failures: AtomicU64,
}

#[derive(Default)]
struct Opened {
    connection: Option<Arc<Connection>>,
    /// Why it could not be opened the last time.
    refusal: String,
}

/// Whether a call may share its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    Shared,
    Exclusive,
}

impl Pool {
    /// A pool that opens its connections when they are needed, `max_connections` at the most.
    pub(super) fn new(url: PostgresUrl, mode: ConnectionMode, max_connections: usize) -> Self {
        let count = max_connections.max(1);
        let permits = count.saturating_mul(MAX_PIPELINED as usize).min(Semaphore::MAX_PERMITS);
        Self {
            wait_limit: WAIT_LIMIT.max(url.connecting.limit + WAIT_MARGIN),
            url,
            mode,
            slots: (0..count).map(|_| Slot::default()).collect(),
            admission: Semaphore::new(permits),
            writes: Semaphore::new(count.saturating_sub(1).max(1)),
            shares: Shares::new(count, MAX_PIPELINED),
            state: Arc::new(Mutex::new(State { weights: vec![0; count], mode: None })),
            losses: Arc::default(),
        }
    }

    /// How many connections the server has ended, or lost by ending itself.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    /// Another pool on the same way, for work that is not to be done on these connections. What this one has told of the way
    /// is not told again.
    pub(super) fn beside(&self, max_connections: usize) -> Self {
        let beside = Self::new(self.url.clone(), self.mode, max_connections);
        beside.state().mode = self.mode();
        beside
    }

    /// The database.
    pub(super) fn url(&self) -> &PostgresUrl {
        &self.url
    }

    /// How statements are sent on the connection that was opened last, if one was.
    pub(super) fn mode(&self) -> Option<Mode> {
        self.state().mode
    }

    /// Carries out one statement in a transaction of its own, in one round trip. `home` is the tenant that it is about.
    pub(super) async fn query(
        &self,
        home: Option<&TenantId>,
        access: Access,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let mut place = self.place(home, access, Sharing::Shared).await?;
        let answer = place.call(access, sql, params).await;
        drop(place);
        match answer {
            // A read may be carried out twice: the connection may have died while nobody used it.
            Err(Failure::Unavailable { source: Some(source), .. }) if !source.is::<Elapsed>() => {
                let mut place = self.place(home, access, Sharing::Shared).await?;
                place.call(access, sql, params).await
            }
            other => other,
        }
    }

    /// Begins a transaction, which has its connection for itself.
    pub(super) async fn begin(&self, home: Option<&TenantId>) -> Result<Transaction<'_>, Failure> {
        let place = self.place(home, Access::Write, Sharing::Exclusive).await?;
        Ok(Transaction::new(place))
    }

    /// A connection for a call.
    async fn place(
        &self,
        home: Option<&TenantId>,
        access: Access,
        sharing: Sharing,
    ) -> Result<Place<'_>, Failure> {
        let placed = async {
            let mode = self.mode();
            let shares_it = sharing == Sharing::Shared && mode == Some(Mode::Direct);
            let permits = if shares_it { 1 } else { MAX_PIPELINED };
            let admitted = self.admit(home, permits, access).await?;
            let share = admitted.as_ref().map(|admitted| Arc::clone(&admitted.share));
            let who = Who { home, share: share.as_ref() };
            let write = match access {
                Access::Read | Access::Scan => None,
                Access::Write => Some(self.writes.acquire().await.map_err(|error| closed(&error))?),
            };
            // Nothing is shared before it is known that nothing stands in between.
            if shares_it {
                let weight = if access == Access::Read { 1 } else { LONG_WEIGHT };
                let place = self.place_as(who, weight, Sharing::Shared).await?;
                if place.connection.mode() == Mode::Direct {
                    return Ok(place.holding(write, admitted));
                }
            }
            let place = self.place_as(who, EXCLUSIVE_WEIGHT, Sharing::Exclusive).await?;
            Ok(place.holding(write, admitted))
        };
        timeout(self.wait_limit, placed).await.unwrap_or_else(|elapsed| {
            let detail = format!(
                "all {} connections to the database are busy; try again, or let it have more",
                self.slots.len()
            );
            Err(Failure::unavailable(detail, elapsed))
        })
    }

    /// Lets a tenant's call in, once the tenant has less under way than its share.
    async fn admit(
        &self,
        home: Option<&TenantId>,
        permits: u32,
        access: Access,
    ) -> Result<Option<Admitted>, Failure> {
        let Some(tenant) = home else { return Ok(None) };
        let kind = if access == Access::Write { Kind::Write } else { Kind::Read };
        let admitted = self.shares.of(tenant).admit(permits, kind).await;
        admitted.map(Some).map_err(|error| closed(&error))
    }

    /// A connection for a call of that weight: of those that the server has for us, where it has not enough.
    pub(super) async fn place_as(
        &self,
        who: Who<'_>,
        weight: usize,
        sharing: Sharing,
    ) -> Result<Place<'_>, Failure> {
        loop {
            match self.try_place(who, weight, sharing).await {
                Err(failure) if failure.is_crowd() && self.has_room() => {}
                other => return other,
            }
        }
    }

    async fn try_place(&self, who: Who<'_>, weight: usize, sharing: Sharing) -> Result<Place<'_>, Failure> {
        let permits = if sharing == Sharing::Exclusive { MAX_PIPELINED } else { 1 };
        let admitted = self.admission.acquire_many(permits).await.map_err(|error| closed(&error))?;
        let load = self.choose(who, weight);
        let slot = self.slots.get(load.index).ok_or_else(|| Failure::Misuse("no such slot".to_owned()))?;
        let turn = match sharing {
            Sharing::Shared => Turn::Shared(slot.turn.read().await),
            Sharing::Exclusive => Turn::Exclusive(slot.turn.write().await),
        };
        let connection = self.connection(slot, who.home).await;
        let connection = connection.inspect_err(|failure| {
            if failure.is_crowd() {
                load.shun();
            }
        })?;
        Ok(Place { connection, slot, write: None, admitted: None, _turn: turn, load, _room: admitted })
    }

    /// The less busy home of the tenant, or where both are busy, the least busy of all connections that it may have.
    fn choose(&self, who: Who<'_>, weight: usize) -> Load {
        let state = self.state();
        let weight_of = |index: &usize| state.weights.get(*index).copied().unwrap_or(usize::MAX);
        let may_have = |index: &usize| who.share.is_none_or(|share| share.allows(*index));
        let [first, second] = homes(who.home, state.weights.len());
        let at_home = if weight_of(&second) < weight_of(&first) { second } else { first };
        let index = if weight_of(&at_home) < BUSY_WEIGHT && may_have(&at_home) {
            at_home
        } else {
            // Of several that are as busy, the one at home.
            let all = (0..state.weights.len()).filter(may_have);
            all.min_by_key(|index| (weight_of(index), *index != at_home)).unwrap_or(at_home)
        };
        // Before the lock is given back, so that nobody else goes beyond the share meanwhile.
        if let Some(share) = who.share {
            share.begin(index);
        }
        drop(state);
        let mut load = Load::new(&self.state, index, weight);
        load.share = who.share.cloned();
        load
    }

    /// Whether there is a place of which it is not known that the server has no connection for it.
    fn has_room(&self) -> bool {
        self.state().weights.iter().any(|weight| *weight < CROWDED_WEIGHT)
    }

    /// The connection of that slot, opened if need be.
    async fn connection(&self, slot: &Slot, home: Option<&TenantId>) -> Result<Arc<Connection>, Failure> {
        let failures = slot.failures.load(Ordering::Acquire);
        let mut opened = slot.opened.lock().await;
        if let Some(connection) = opened.connection.as_ref().filter(|connection| connection.takes(home)) {
            return Ok(Arc::clone(connection));
        }
        opened.connection = None;
        if slot.failures.load(Ordering::Acquire) != failures {
            // Another call has tried while this one waited for its turn to.
            return Err(Failure::Unavailable { detail: opened.refusal.clone(), source: None });
        }
        match self.open().await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                connection.takes(home);
                opened.connection = Some(Arc::clone(&connection));
                Ok(connection)
            }
            Err(failure) => {
                slot.failures.fetch_add(1, Ordering::Release);
                if let Failure::Unavailable { detail, .. } = &failure {
                    opened.refusal.clone_from(detail);
                }
                Err(failure)
            }
        }
    }

    async fn open(&self) -> Result<Connection, Failure> {
        let mut session = Session::connect(&self.url, self.mode).await?;
        if let Some(end) = session.take_end() {
            self.watch(end);
        }
        let mode = session.mode();
        let before = self.state().mode.replace(mode);
        if before != Some(mode) {
            tracing::info!(
                ?mode,
                hosts = self.url.hosts(),
                database = self.url.database(),
                "PostgreSQL is reached"
            );
        }
        Connection::new(session).await
    }

    fn watch(&self, end: JoinHandle<End>) {
        let losses = Arc::clone(&self.losses);
        drop(tokio::spawn(async move {
            if end.await.is_ok_and(|end| end == End::Lost) {
                losses.fetch_add(1, Ordering::Release);
            }
        }));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

/// A connection, for as long as a call needs it.
pub(super) struct Place<'p> {
    pub(super) connection: Arc<Connection>,
    slot: &'p Slot,
    write: Option<SemaphorePermit<'p>>,
    admitted: Option<Admitted>,
    _turn: Turn<'p>,
    load: Load,
    _room: SemaphorePermit<'p>,
}

/// Whose call it is.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    /// The tenant that it is about.
    pub(super) home: Option<&'a TenantId>,
    /// What the tenant has of the connections.
    pub(super) share: Option<&'a Arc<Share>>,
}

impl<'p> Place<'p> {
    /// The same, with the right to it.
    fn holding(mut self, write: Option<SemaphorePermit<'p>>, admitted: Option<Admitted>) -> Self {
        self.write = write;
        self.admitted = admitted;
        self
    }

    /// Carries out one statement. Where it takes long, the connection is told as busy, so that others go elsewhere.
    async fn call(&mut self, access: Access, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        let connection = Arc::clone(&self.connection);
        let mut answer = pin!(connection.call(access, sql, params));
        if let Ok(answer) = timeout(STALL, &mut answer).await {
            return answer;
        }
        self.load.grow(STALLED_WEIGHT);
        answer.await
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // Who holds the lock replaces the connection anyway.
        let Ok(mut opened) = self.slot.opened.try_lock() else { return };
        let is_it = |kept: &mut Arc<Connection>| Arc::ptr_eq(kept, &self.connection) && kept.is_retired();
        drop(opened.connection.take_if(is_it));
    }
}

#[expect(dead_code, reason = "the guards are held, not read")]
enum Turn<'p> {
    Shared(RwLockReadGuard<'p, ()>),
    Exclusive(RwLockWriteGuard<'p, ()>),
}

/// A weight on a slot, until it is dropped.
struct Load {
    share: Option<Arc<Share>>,
    state: Arc<Mutex<State>>,
    index: usize,
    weight: usize,
}

impl Load {
    fn new(state: &Arc<Mutex<State>>, index: usize, weight: usize) -> Self {
        if let Some(weights) = locked(state).weights.get_mut(index) {
            *weights = weights.saturating_add(weight);
        }
        Self { share: None, state: Arc::clone(state), index, weight }
    }

    fn grow(&mut self, more: usize) {
        if let Some(weights) = locked(&self.state).weights.get_mut(self.index) {
            *weights = weights.saturating_add(more);
        }
        self.weight = self.weight.saturating_add(more);
    }

    /// Lets nobody choose the slot for a while who has another choice.
    fn shun(&self) {
        let shunned = Self::new(&self.state, self.index, CROWDED_WEIGHT);
        drop(tokio::spawn(async move {
            sleep(CROWDED_PAUSE).await;
            drop(shunned);
        }));
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(weights) = locked(&self.state).weights.get_mut(self.index) {
            *weights = weights.saturating_sub(self.weight);
        }
        if let Some(share) = &self.share {
            share.end(self.index);
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // The state is whole between any two statements that hold the lock.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed(error: &AcquireError) -> Failure {
    Failure::Misuse(error.to_string())
}

/// The two slots at which a tenant is at home.
fn homes(home: Option<&TenantId>, count: usize) -> [usize; 2] {
    let mut hasher = DefaultHasher::new();
    home.map(TenantId::as_str).hash(&mut hasher);
    let hash = usize::try_from(hasher.finish() >> 1).unwrap_or_default();
    let first = hash.checked_rem(count).unwrap_or_default();
    let others = count.saturating_sub(1);
    let step = (hash / count.max(1)).checked_rem(others).map_or(0, |step| step + 1);
    [first, (first + step).checked_rem(count).unwrap_or_default()]
}
