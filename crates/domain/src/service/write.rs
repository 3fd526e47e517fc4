//! The one write path: read, decide, commit, and retry after a conflict. The parent module describes it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Service;
use super::intent::{Condition, Decision, Intent, WriteDecider, WriteOptions, WriteSnapshot};
use super::written::{Effect, Written};
use crate::access::{Caller, Permission};
use crate::change::{Change, Idempotency, Operation, Record};
use crate::context::Etag;
use crate::error::Error;
use crate::fault::Fault;
use crate::id::TenantId;
use crate::limits::{FREE_WRITE_ATTEMPTS, IDEMPOTENCY_WINDOW_MICROS, MAX_WRITE_ATTEMPTS};
use crate::patch::Patch;
use crate::ports::{Commit, Outcome, Subtree};
use crate::tree::{Address, Scope};

impl Service {
    /// Creates a context, at the `scope` in the body if there is one, otherwise outside the tree.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] for a node that was already written, and those of every write:
    /// [`Error::Invalid`], [`Error::Locked`], [`Error::ParentMissing`], [`Error::IdempotencyKeyReused`],
    /// [`Error::Contended`], and those of the store.
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

    /// Replaces a context, or writes a node for the first time. Members that are absent in `body` get their
    /// defaults.
    ///
    /// # Errors
    /// [`Error::PreconditionRequired`] if the context exists and no condition was sent,
    /// [`Error::PreconditionFailed`] if the condition does not hold, [`Error::NotFound`] for an unknown id,
    /// and those of every write.
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
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::PatchTestFailed`], and those of every
    /// write.
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

    /// Deletes a context.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::HasChildren`], [`Error::GlobalNode`], and
    /// those of every write.
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

    /// Writes. If the write is refused, returns the recorded result of an earlier request with the same key,
    /// if there is one: a repeated request may be refused only because of what the first one changed.
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
        let decider = WriteDecider { tenant, ids: self.ids.as_ref(), address, options: &options };
        let result = self.attempts(caller, &decider, &intent, idempotency.as_ref()).await;
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

    /// Repeats [`Self::attempt`] until it returns a result; after [`FREE_WRITE_ATTEMPTS`] conflicts, in a
    /// queue.
    async fn attempts(
        &self,
        caller: &Caller,
        decider: &WriteDecider<'_>,
        intent: &Intent,
        idempotency: Option<&Idempotency>,
    ) -> Result<Written, Error> {
        for _ in 0..FREE_WRITE_ATTEMPTS {
            if let Some(written) = self.attempt(caller, decider, intent, idempotency).await? {
                return Ok(written);
            }
        }
        let name = decider.address.map_or_else(String::new, ToString::to_string);
        let _turn = self.queues.turn(format!("{} {name}", decider.tenant)).await;
        for _ in FREE_WRITE_ATTEMPTS..MAX_WRITE_ATTEMPTS {
            if let Some(written) = self.attempt(caller, decider, intent, idempotency).await? {
                return Ok(written);
            }
        }
        Err(Error::Contended)
    }

    /// Reads, decides and commits once. Returns `None` after a conflict that another attempt may resolve.
    async fn attempt(
        &self,
        caller: &Caller,
        decider: &WriteDecider<'_>,
        intent: &Intent,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Written>, Error> {
        let read = self.read_for_write(decider.tenant, decider.address).await?;
        let (expect, ensure_path, op, effect) = match decider.decide(intent, &read)? {
            Decision::Answer(written) => return Ok(Some(written)),
            Decision::Commit { expect, ensure_path, op, effect } => (expect, ensure_path, op, effect),
        };
        let record =
            Record { at: read.at, by: caller.name().to_owned(), request_id: caller.request_id().to_owned() };
        let commit = Commit { expect, ensure_path, op, record, idempotency: idempotency.cloned() };
        match (self.ports.contexts.commit(decider.tenant, commit).await?, idempotency) {
            (Outcome::Done(context), _) => Ok(Some(Written::from_context(effect, &context))),
            (Outcome::Replayed(change), Some(idempotency)) => replay(*change, idempotency).map(Some),
            (Outcome::Replayed(_), None) => Err(Error::Internal {
                detail: "the store replayed a write that has no idempotency key".to_owned(),
            }),
            // A caller who named a version has to look at the new one; any other write is decided again.
            (Outcome::Conflict { current }, _) => match decider.options.condition {
                Condition::IsOneOf(_) => Err(Error::PreconditionFailed(current)),
                _ => Ok(None),
            },
            (Outcome::HasChildren(count), _) => match read.target {
                Some(current) => {
                    Err(Error::HasChildren { count, current: Box::new(Arc::unwrap_or_clone(current)) })
                }
                None => Ok(None),
            },
            (Outcome::ParentMissing, _) => match decider.address {
                Some(Address::Scope(scope)) => Err(Error::ParentMissing(scope.parent().unwrap_or_default())),
                _ => Err(Error::Internal {
                    detail: "the store reported a missing parent of a context outside the tree".to_owned(),
                }),
            },
        }
    }

    async fn read_for_write(
        &self,
        tenant: &TenantId,
        address: Option<&Address>,
    ) -> Result<WriteSnapshot, Error> {
        let Some(address) = address else {
            return Ok(WriteSnapshot { ancestors: Vec::new(), target: None, at: self.clock.now() });
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
        Ok(WriteSnapshot { ancestors: chain, target, at })
    }
}

/// Returns the result that `change` recorded, if it was recorded for the same request.
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
