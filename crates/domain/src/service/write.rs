//! The one write path: read, compute, commit; where another write came between, again.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Service;
use super::intent::{Condition, Decision, Intent, Judge, Read, WriteOptions};
use crate::access::{Caller, Permission};
use crate::change::{Change, Idempotency, Operation, Record};
use crate::context::{Context, Etag};
use crate::error::Error;
use crate::fault::Fault;
use crate::id::TenantId;
use crate::limits::{FREE_WRITE_ATTEMPTS, IDEMPOTENCY_WINDOW_MICROS, MAX_WRITE_ATTEMPTS};
use crate::patch::Patch;
use crate::ports::{Commit, Outcome, Subtree};
use crate::tree::{Address, Scope};

/// What a write did, and the context after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// What it did.
    pub effect: Effect,
    /// The version after the write; after a deletion, the one that the deletion made.
    pub etag: Etag,
    /// The context as the API shows it; null after a deletion.
    pub context: Value,
    /// Whether an earlier request with the same idempotency key did it.
    pub replayed: bool,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Wrote a context for the first time.
    Created,
    /// Changed a context, or found it just as it was to become.
    Updated,
    /// Removed a context.
    Deleted,
}

impl Service {
    /// Creates a context: at the `scope` in the body if there is one, else outside the tree.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] for a node that somebody wrote; else as every write: [`Error::Invalid`],
    /// [`Error::Locked`], [`Error::ParentMissing`], [`Error::IdempotencyKeyReused`], and the store's.
    pub async fn create(
        &self,
        caller: &Caller,
        mut body: Map<String, Value>,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        let tenant = caller.authorized_tenant(Permission::Write)?;
        let scope = body.remove("scope").filter(|scope| !scope.is_null());
        let address = match scope.as_ref().map(Scope::from_json) {
            None => None,
            Some(Ok(scope)) => Some(Address::Scope(scope)),
            Some(Err(faults)) => {
                let under = |fault: Fault| fault.under("/scope");
                return Err(Error::Invalid(faults.into_iter().map(under).collect()));
            }
        };
        self.write(caller, tenant, address.as_ref(), Intent::Create(body), options).await
    }

    /// Replaces a context, or creates a node that nobody wrote yet; absent members are reset.
    ///
    /// # Errors
    /// [`Error::PreconditionRequired`] where the context exists and no condition was sent,
    /// [`Error::PreconditionFailed`] where the condition does not hold, [`Error::NotFound`] for an unknown id; else
    /// as every write.
    pub async fn put(
        &self,
        caller: &Caller,
        address: &Address,
        body: Map<String, Value>,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        let tenant = caller.authorized_tenant(Permission::Write)?;
        self.write(caller, tenant, Some(address), Intent::Put(body), options).await
    }

    /// Changes some members of a context.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::PatchTestFailed`]; else as every write.
    pub async fn patch(
        &self,
        caller: &Caller,
        address: &Address,
        patch: Patch,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        let tenant = caller.authorized_tenant(Permission::Write)?;
        self.write(caller, tenant, Some(address), Intent::Patch(patch), options).await
    }

    /// Removes a context.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::HasChildren`], [`Error::GlobalNode`]; else as
    /// every write.
    pub async fn delete(
        &self,
        caller: &Caller,
        address: &Address,
        subtree: Subtree,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        let tenant = caller.authorized_tenant(Permission::Write)?;
        self.write(caller, tenant, Some(address), Intent::Delete(subtree), options).await
    }

    /// Writes, and where the write fails looks whether an earlier request with the same key succeeded: a repeated
    /// request meets the world that the first one changed, and would be refused for it.
    async fn write(
        &self,
        caller: &Caller,
        tenant: &TenantId,
        address: Option<&Address>,
        intent: Intent,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        let idempotency = options.idempotency.clone().map(|(key, request)| Idempotency {
            principal: caller.name().to_owned(),
            key,
            request,
        });
        let judge = Judge { tenant, ids: self.ids.as_ref(), address, options: &options };
        let result = self.attempts(caller, &judge, &intent, idempotency.as_ref()).await;
        let (Err(error), Some(idempotency)) = (&result, &idempotency) else { return result };
        if error.is_failure() {
            return result;
        }
        let since = self.clock.now().saturating_add_micros(-IDEMPOTENCY_WINDOW_MICROS);
        match self.ports.contexts.remembered(tenant, idempotency, since).await? {
            Some(change) => replay(change, idempotency),
            None => result,
        }
    }

    async fn attempts(
        &self,
        caller: &Caller,
        judge: &Judge<'_>,
        intent: &Intent,
        idempotency: Option<&Idempotency>,
    ) -> Result<Written, Error> {
        for _ in 0..FREE_WRITE_ATTEMPTS {
            if let Some(written) = self.attempt(caller, judge, intent, idempotency).await? {
                return Ok(written);
            }
        }
        let name = judge.address.map_or_else(String::new, ToString::to_string);
        let _turn = self.queues.turn(format!("{} {name}", judge.tenant)).await;
        for _ in FREE_WRITE_ATTEMPTS..MAX_WRITE_ATTEMPTS {
            if let Some(written) = self.attempt(caller, judge, intent, idempotency).await? {
                return Ok(written);
            }
        }
        Err(Error::Contended)
    }

    /// One round of read, compute and commit; none where another write came between and the answer may be another
    /// one now.
    async fn attempt(
        &self,
        caller: &Caller,
        judge: &Judge<'_>,
        intent: &Intent,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Written>, Error> {
        let read = self.read_for_write(judge.tenant, judge.address).await?;
        let (expect, ensure_path, op, effect) = match judge.decide(intent, &read)? {
            Decision::Answer(written) => return Ok(Some(written)),
            Decision::Commit { expect, ensure_path, op, effect } => (expect, ensure_path, op, effect),
        };
        let record =
            Record { at: read.at, by: caller.name().to_owned(), request_id: caller.request_id().to_owned() };
        let commit = Commit { expect, ensure_path, op, record, idempotency: idempotency.cloned() };
        match (self.ports.contexts.commit(judge.tenant, commit).await?, idempotency) {
            (Outcome::Done(context), _) => Ok(Some(Written::from_context(effect, &context))),
            (Outcome::Replayed(change), Some(idempotency)) => replay(*change, idempotency).map(Some),
            (Outcome::Replayed(_), None) => {
                Err(Error::Internal { detail: "a write without an idempotency key was replayed".to_owned() })
            }
            // Whoever named a version is told that it is not the present one; anybody else is served anew.
            (Outcome::Conflict { current }, _) => match judge.options.condition {
                Condition::IsOneOf(_) => Err(Error::PreconditionFailed(current)),
                _ => Ok(None),
            },
            (Outcome::HasChildren(count), _) => match read.target {
                Some(current) => {
                    Err(Error::HasChildren { count, current: Box::new(Arc::unwrap_or_clone(current)) })
                }
                None => Ok(None),
            },
            (Outcome::ParentMissing, _) => match judge.address {
                Some(Address::Scope(scope)) => Err(Error::ParentMissing(scope.parent().unwrap_or_default())),
                _ => Err(Error::Internal { detail: "a context outside the tree lacked a parent".to_owned() }),
            },
        }
    }

    async fn read_for_write(&self, tenant: &TenantId, address: Option<&Address>) -> Result<Read, Error> {
        let Some(address) = address else {
            return Ok(Read { ancestors: Vec::new(), target: None, at: self.clock.now() });
        };
        let mut chain = self.ports.contexts.chain(tenant, address).await?;
        let at = self.clock.now();
        let complete = match address {
            Address::Id(_) => chain.len(),
            Address::Scope(scope) => scope.level().depth() + 1,
        };
        let live = chain.iter().take_while(|context| !context.expired(at)).count();
        chain.truncate(live);
        let target = if live == complete { chain.pop() } else { None };
        Ok(Read { ancestors: chain, target, at })
    }
}

impl Written {
    pub(super) fn from_context(effect: Effect, context: &Context) -> Self {
        if effect == Effect::Deleted {
            let etag = Etag { id: context.id.clone(), version: context.version.saturating_add(1) };
            return Self { effect, etag, context: Value::Null, replayed: false };
        }
        Self { effect, etag: context.etag(), context: context.to_json(), replayed: false }
    }
}

/// Answers again what `change` recorded, if it is of the same request.
fn replay(change: Change, idempotency: &Idempotency) -> Result<Written, Error> {
    let same = change.idempotency.is_some_and(|known| known.request == idempotency.request);
    if !same {
        return Err(Error::IdempotencyKeyReused);
    }
    let effect = match change.operation {
        Operation::Create => Effect::Created,
        Operation::Update | Operation::None => Effect::Updated,
        Operation::Delete | Operation::Expire => Effect::Deleted,
    };
    let etag = Etag { id: change.context_id, version: change.version };
    Ok(Written { effect, etag, context: change.content, replayed: true })
}
