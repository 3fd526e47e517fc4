//! Decides what a write does, from the request and the context as it was read. No port is called here.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::written::{Effect, Written};
use crate::change::{IdempotencyKey, Operation, RequestHash};
use crate::clock::Timestamp;
use crate::content::Content;
use crate::context::{Context, Etag};
use crate::error::Error;
use crate::fault::Fault;
use crate::id::{ContextId, IdSource, TenantId};
use crate::limits::MAX_FAULTS;
use crate::merge::{Link, newly_blocked};
use crate::patch::{Patch, PatchError};
use crate::ports::{EnsurePath, Expect, Op, Subtree};
use crate::tree::{Address, Level, Place, Scope};

/// The options of a write.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// The condition under which it is done.
    pub condition: Condition,
    /// The treatment of missing ancestors.
    pub parents: Parents,
    /// The key under which a success is remembered, and the hash of the request.
    pub idempotency: Option<(IdempotencyKey, RequestHash)>,
}

/// A precondition of RFC 9110, section 13.1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Condition {
    /// No condition.
    #[default]
    Unconditional,
    /// `If-Match: *`: the context exists, in any version.
    Exists,
    /// `If-Match` with entity tags: the context exists in one of these versions.
    IsOneOf(Vec<Etag>),
    /// `If-None-Match: *`: the context does not exist.
    Absent,
}

/// The treatment of missing ancestors of a new node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parents {
    /// They are created, empty, at version 0.
    #[default]
    Create,
    /// The write fails.
    MustExist,
}

/// The write that a caller requests.
pub(super) enum Intent {
    Create(Map<String, Value>),
    Put(Map<String, Value>),
    Patch(Patch),
    Delete(Subtree),
}

/// The contexts that were read for a write.
pub(super) struct WriteSnapshot {
    /// The live ancestors that exist, global first.
    pub(super) ancestors: Vec<Arc<Context>>,
    /// The live context at the address.
    pub(super) target: Option<Arc<Context>>,
    /// When it was read, which is the time of the write.
    pub(super) at: Timestamp,
}

/// The decision on a write: a commit, or only an answer because nothing changes.
pub(super) enum Decision {
    Commit { expect: Expect, ensure_path: Option<EnsurePath>, op: Op, effect: Effect },
    Answer(Written),
}

/// Decides what a write does.
pub(super) struct WriteDecider<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) ids: &'a dyn IdSource,
    /// The address; `None` for a new context outside the tree.
    pub(super) address: Option<&'a Address>,
    pub(super) options: &'a WriteOptions,
}

impl WriteDecider<'_> {
    /// Returns the decision on `intent`, given the contexts that were read.
    ///
    /// # Errors
    /// The reason why the write is refused.
    pub(super) fn decide(&self, intent: &Intent, read: &WriteSnapshot) -> Result<Decision, Error> {
        match intent {
            Intent::Create(body) => self.create(body, read),
            Intent::Put(body) => self.put(body, read),
            Intent::Patch(patch) => self.patch(patch, read),
            Intent::Delete(subtree) => self.delete(*subtree, read),
        }
    }

    fn create(&self, body: &Map<String, Value>, read: &WriteSnapshot) -> Result<Decision, Error> {
        match read.target.as_deref() {
            Some(current) if current.version > 0 => Err(Error::AlreadyExists(Box::new(current.clone()))),
            target => self.write_new(body, target, read),
        }
    }

    fn put(&self, body: &Map<String, Value>, read: &WriteSnapshot) -> Result<Decision, Error> {
        let Some(current) = read.target.as_deref() else {
            return match (self.address, &self.options.condition) {
                (Some(address @ Address::Id(_)), _) => Err(Error::NotFound(address.clone())),
                (_, Condition::Unconditional | Condition::Absent) => self.write_new(body, None, read),
                (_, Condition::Exists | Condition::IsOneOf(_)) => Err(Error::PreconditionFailed(None)),
            };
        };
        match self.options.condition {
            Condition::Unconditional | Condition::Absent if current.version == 0 => {
                return self.write_new(body, Some(current), read);
            }
            Condition::Unconditional => return Err(Error::PreconditionRequired(Box::new(current.clone()))),
            _ => self.check_condition(current)?,
        }
        let content = Content::from_json(body, level_of(current))?;
        self.overwrite(current, content, read)
    }

    fn patch(&self, patch: &Patch, read: &WriteSnapshot) -> Result<Decision, Error> {
        let current = self.existing(read)?;
        self.check_condition(current)?;
        let patched = patch.apply(current.content.to_json()).map_err(|error| match error {
            PatchError::TestFailed(pointer) => {
                Error::PatchTestFailed { pointer, current: Box::new(current.clone()) }
            }
            PatchError::Invalid(fault) => Error::Invalid(vec![fault]),
        })?;
        let content = Content::from_json(&patched, level_of(current))?;
        self.overwrite(current, content, read)
    }

    fn delete(&self, subtree: Subtree, read: &WriteSnapshot) -> Result<Decision, Error> {
        let current = self.existing(read)?;
        self.check_condition(current)?;
        if level_of(current) == Some(Level::Global) {
            return Err(Error::GlobalNode);
        }
        Ok(Decision::Commit {
            expect: Expect::Version(current.etag()),
            ensure_path: None,
            op: Op::Delete { subtree },
            effect: Effect::Deleted,
        })
    }

    /// Writes a context that does not exist, or the node `unwritten`, which exists at version 0.
    fn write_new(
        &self,
        body: &Map<String, Value>,
        unwritten: Option<&Context>,
        read: &WriteSnapshot,
    ) -> Result<Decision, Error> {
        let scope = match self.address {
            Some(Address::Scope(scope)) => Some(scope),
            _ => None,
        };
        let level = unwritten.map_or(scope.map(Scope::level), level_of);
        let content = Content::from_json(body, level)?;
        check_content(&content, None, read)?;
        let (id, place) = match unwritten {
            Some(node) => (node.id.clone(), node.place.clone()),
            None => (ContextId::new(self.ids.uuid()), scope.map(place_of)),
        };
        let context = Context {
            id,
            tenant_id: self.tenant.clone(),
            content,
            place,
            created_at: read.at,
            updated_at: read.at,
            version: 1,
        };
        Ok(Decision::Commit {
            expect: unwritten.map_or(Expect::Absent, |node| Expect::Version(node.etag())),
            ensure_path: scope.filter(|_| unwritten.is_none()).and_then(|scope| self.path_above(scope)),
            op: Op::Put {
                context: Box::new(context),
                scope: scope.filter(|_| unwritten.is_none()).cloned(),
                operation: Operation::Create,
            },
            effect: Effect::Created,
        })
    }

    /// Gives an existing context new content, unless it equals the current one.
    fn overwrite(
        &self,
        current: &Context,
        content: Content,
        read: &WriteSnapshot,
    ) -> Result<Decision, Error> {
        let expect = Expect::Version(current.etag());
        if content == current.content {
            if self.options.idempotency.is_some() {
                return Ok(Decision::Commit {
                    expect,
                    ensure_path: None,
                    op: Op::Keep,
                    effect: Effect::Updated,
                });
            }
            return Ok(Decision::Answer(Written::from_context(Effect::Updated, current)));
        }
        check_content(&content, Some(current), read)?;
        let version = current.version.checked_add(1).ok_or_else(|| Error::Internal {
            detail: format!("{} cannot have a version after {}", current.id, current.version),
        })?;
        let created_at = if current.version == 0 { read.at } else { current.created_at };
        let context = Context { content, version, created_at, updated_at: read.at, ..current.clone() };
        let op = Op::Put { context: Box::new(context), scope: None, operation: Operation::Update };
        Ok(Decision::Commit { expect, ensure_path: None, op, effect: Effect::Updated })
    }

    fn existing<'r>(&self, read: &'r WriteSnapshot) -> Result<&'r Context, Error> {
        read.target.as_deref().ok_or_else(|| match self.address {
            Some(address) => Error::NotFound(address.clone()),
            None => Error::Internal { detail: "a write to an existing context has no address".to_owned() },
        })
    }

    fn check_condition(&self, current: &Context) -> Result<(), Error> {
        let holds = match &self.options.condition {
            Condition::Unconditional | Condition::Exists => true,
            Condition::IsOneOf(etags) => etags.contains(&current.etag()),
            Condition::Absent => false,
        };
        if holds { Ok(()) } else { Err(Error::PreconditionFailed(Some(Box::new(current.clone())))) }
    }

    fn path_above(&self, scope: &Scope) -> Option<EnsurePath> {
        let above = scope.parent().filter(|_| self.options.parents == Parents::Create)?;
        let ids = above.keys().iter().map(|_| ContextId::new(self.ids.uuid())).collect();
        Some(EnsurePath { scope: above, ids })
    }
}

/// Returns the place of a new node; the store fills in the parent.
fn place_of(scope: &Scope) -> Place {
    Place { level: scope.level(), parent_id: None, node_key: scope.key().cloned() }
}

fn level_of(context: &Context) -> Option<Level> {
    context.place.as_ref().map(|place| place.level)
}

/// Checks the rules that depend on time and ancestors: the expiry is in the future, and the write changes no
/// locked value.
fn check_content(content: &Content, current: Option<&Context>, read: &WriteSnapshot) -> Result<(), Error> {
    if content.expires_at.is_some_and(|at| at <= read.at) {
        let rule =
            format!("expires_at is in the past: it is {} now; to remove a context, delete it", read.at);
        return Err(Error::Invalid(vec![Fault::new("/expires_at", rule)]));
    }
    if current.is_some_and(|current| *current.data() == content.context_data) {
        return Ok(());
    }
    let links: Vec<_> = read.ancestors.iter().map(|node| Link::from_context(node)).collect();
    let blocked = newly_blocked(&links, current.map(Context::data), &content.context_data);
    let beyond = blocked.len().saturating_sub(MAX_FAULTS);
    let mut faults: Vec<_> = blocked
        .into_iter()
        .take(MAX_FAULTS)
        .map(|blocked| {
            let node = read.ancestors.get(blocked.locked_by);
            let message = format!("locked by {}", node.map_or_else(String::new, |node| describe_node(node)));
            Fault::new(blocked.pointer, message).under("/context_data")
        })
        .collect();
    if beyond > 0 {
        faults.push(Fault::new("/context_data", format!("{beyond} more values are locked")));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Locked(faults)) }
}

/// Describes a node for people.
fn describe_node(node: &Context) -> String {
    match node.place.as_ref().map(|place| (place.level, &place.node_key)) {
        Some((level, Some(key))) => format!("the {level} '{key}' ({})", node.id),
        Some((level, None)) => format!("the {level} node ({})", node.id),
        None => node.id.to_string(),
    }
}
