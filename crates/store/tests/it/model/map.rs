//! The rules of the service over a plain map, written independently of the stores: what a write changes,
//! answers and records.

use std::collections::{BTreeMap, HashMap};

use context_domain::change::Operation;
use context_domain::clock::Timestamp;
use context_domain::content::Content;
use context_domain::limits::IDEMPOTENCY_WINDOW_MICROS;
use context_domain::ports::Subtree;
use context_domain::service::{Effect, Parents};
use context_domain::tree::Level;
use serde_json::{Map, Value, json};

/// The name of a context in the model: a path of keys, or a number outside the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Name {
    Node(Vec<String>),
    Free(usize),
}

/// A condition. A version is named by life and number, because the model makes no ids.
#[derive(Debug, Clone)]
pub(crate) enum When {
    Always,
    Exists,
    Absent,
    Is(usize, u32),
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Create(Map<String, Value>),
    Put(Map<String, Value>),
    Patch(Map<String, Value>),
    Delete(Subtree),
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) what: What,
    pub(crate) name: Name,
    pub(crate) when: When,
    pub(crate) parents: Parents,
    /// The key, and what distinguishes one request from another.
    pub(crate) key: Option<(String, String)>,
    /// Addresses the context by the id of this life of it instead of by its name.
    pub(crate) life: Option<usize>,
}

/// A context: the life of its name that it is, and what was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Doc {
    pub(crate) life: usize,
    pub(crate) version: u32,
    pub(crate) content: Content,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) name: Name,
    pub(crate) effect: Effect,
    pub(crate) life: usize,
    pub(crate) version: u32,
    pub(crate) doc: Option<Doc>,
    pub(crate) replayed: bool,
}

/// The record of one write of one context.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) life: usize,
    pub(crate) version: u32,
    pub(crate) operation: Operation,
}

pub(crate) struct Model {
    pub(crate) docs: BTreeMap<Name, Doc>,
    pub(crate) history: Vec<Entry>,
    lives: usize,
    keys: HashMap<String, (String, Timestamp, Answer)>,
}

/// The code of an error, and the context that it carries.
type Failure = (&'static str, Option<Box<Doc>>);

impl Model {
    /// A new tenant.
    pub(crate) fn new(at: Timestamp) -> Self {
        let mut model = Self { docs: BTreeMap::new(), history: Vec::new(), lives: 0, keys: HashMap::new() };
        model.make_empty(&[], at);
        model
    }

    /// The context of that name, if it and all nodes above it are live.
    pub(crate) fn live(&self, name: &Name, at: Timestamp) -> Option<&Doc> {
        let one = |name: &Name| {
            self.docs.get(name).filter(|doc| doc.content.expires_at.is_none_or(|expiry| expiry > at))
        };
        if let Name::Node(keys) = name {
            for depth in 0..keys.len() {
                one(&Name::Node(keys[..depth].to_vec()))?;
            }
        }
        one(name)
    }

    /// The name of that life's context, live or not.
    pub(crate) fn name_of(&self, life: usize) -> Option<&Name> {
        self.docs.iter().find(|(_, doc)| doc.life == life).map(|(name, _)| name)
    }

    pub(crate) fn children(&self, keys: &[String], at: Timestamp) -> Vec<Name> {
        let child = |name: &&Name| match name {
            Name::Node(below) => below.len() == keys.len() + 1 && below.starts_with(keys),
            Name::Free(_) => false,
        };
        self.docs.keys().filter(child).filter(|name| self.live(name, at).is_some()).cloned().collect()
    }

    pub(crate) fn write(&mut self, request: &Request, at: Timestamp) -> Result<Answer, Failure> {
        if let Some((key, fingerprint)) = &request.key
            && let Some((first, since, answer)) = self.keys.get(key)
            && since.saturating_add_micros(IDEMPOTENCY_WINDOW_MICROS) > at
        {
            if first != fingerprint {
                return Err(("idempotency_key_reused", None));
            }
            return Ok(Answer { replayed: true, ..answer.clone() });
        }
        let answer = self.write_once(request, at)?;
        if let Some((key, fingerprint)) = &request.key {
            self.keys.insert(key.clone(), (fingerprint.clone(), at, answer.clone()));
        }
        Ok(answer)
    }

    fn write_once(&mut self, request: &Request, at: Timestamp) -> Result<Answer, Failure> {
        let current = self.live(&request.name, at).cloned();
        let current = current.filter(|doc| request.life.is_none_or(|life| doc.life == life));
        let by_id = request.life.is_some();
        let name = &request.name;
        match &request.what {
            What::Create(body) => match current {
                Some(doc) if doc.version > 0 => Err(("already_exists", Some(Box::new(doc)))),
                other => self.make(name, body, other, request.parents, at),
            },
            What::Put(body) => match (&current, &request.when) {
                (None, _) if by_id => Err(("not_found", None)),
                (None, When::Always | When::Absent) => self.make(name, body, None, request.parents, at),
                (None, _) => Err(("precondition_failed", None)),
                (Some(doc), When::Always | When::Absent) if doc.version == 0 => {
                    self.make(name, body, current, request.parents, at)
                }
                (Some(_), When::Always) => Err(("precondition_required", current.map(Box::new))),
                (Some(doc), when) => {
                    holds(doc, when)?;
                    let content = parsed(body, level(name))?;
                    self.overwrite(name, doc.clone(), content, request, at)
                }
            },
            What::Patch(patch) => {
                let doc = current.ok_or(("not_found", None))?;
                holds(&doc, &request.when)?;
                let mut members = Value::Object(doc.content.to_json());
                merge(&mut members, &Value::Object(patch.clone()));
                let content = parsed(members.as_object().unwrap(), level(name))?;
                self.overwrite(name, doc, content, request, at)
            }
            What::Delete(subtree) => {
                let doc = current.ok_or(("not_found", None))?;
                holds(&doc, &request.when)?;
                if level(name) == Some(Level::Global) {
                    return Err(("global_node", None));
                }
                if let Name::Node(keys) = name
                    && *subtree == Subtree::MustBeEmpty
                    && !self.children(keys, at).is_empty()
                {
                    return Err(("has_children", Some(Box::new(doc))));
                }
                self.remove(name, at);
                let version = doc.version + 1;
                Ok(Answer {
                    name: name.clone(),
                    effect: Effect::Deleted,
                    life: doc.life,
                    version,
                    doc: None,
                    replayed: false,
                })
            }
        }
    }

    fn make(
        &mut self,
        name: &Name,
        body: &Map<String, Value>,
        unwritten: Option<Doc>,
        parents: Parents,
        at: Timestamp,
    ) -> Result<Answer, Failure> {
        let content = parsed(body, level(name))?;
        if content.expires_at.is_some_and(|expiry| expiry <= at) {
            return Err(("invalid", None));
        }
        let life = if let Some(doc) = unwritten {
            doc.life
        } else {
            if let Name::Node(keys) = name {
                let above = Name::Node(keys[..keys.len() - 1].to_vec());
                if parents == Parents::MustExist && self.live(&above, at).is_none() {
                    return Err(("parent_missing", None));
                }
                for depth in 1..=keys.len() {
                    let step = Name::Node(keys[..depth].to_vec());
                    if self.docs.contains_key(&step) && self.live(&step, at).is_none() {
                        self.remove(&step, at);
                    }
                    if depth < keys.len() && !self.docs.contains_key(&step) {
                        self.make_empty(&keys[..depth], at);
                    }
                }
            }
            self.lives += 1;
            self.lives - 1
        };
        let doc = Doc { life, version: 1, content, created_at: at, updated_at: at };
        Ok(self.done(name, doc, Effect::Created, Operation::Create))
    }

    fn overwrite(
        &mut self,
        name: &Name,
        doc: Doc,
        content: Content,
        request: &Request,
        at: Timestamp,
    ) -> Result<Answer, Failure> {
        if content == doc.content {
            if request.key.is_some() {
                self.history.push(Entry { life: doc.life, version: doc.version, operation: Operation::None });
            }
            let (life, version) = (doc.life, doc.version);
            return Ok(Answer {
                name: name.clone(),
                effect: Effect::Updated,
                life,
                version,
                doc: Some(doc),
                replayed: false,
            });
        }
        if content.expires_at.is_some_and(|expiry| expiry <= at) {
            return Err(("invalid", None));
        }
        let created_at = if doc.version == 0 { at } else { doc.created_at };
        let doc = Doc { life: doc.life, version: doc.version + 1, content, created_at, updated_at: at };
        Ok(self.done(name, doc, Effect::Updated, Operation::Update))
    }

    fn done(&mut self, name: &Name, doc: Doc, effect: Effect, operation: Operation) -> Answer {
        self.history.push(Entry { life: doc.life, version: doc.version, operation });
        self.docs.insert(name.clone(), doc.clone());
        Answer {
            name: name.clone(),
            effect,
            life: doc.life,
            version: doc.version,
            doc: Some(doc),
            replayed: false,
        }
    }

    fn make_empty(&mut self, keys: &[String], at: Timestamp) {
        let content = Content::empty_node(Level::ALL[keys.len()]);
        let doc = Doc { life: self.lives, version: 0, content, created_at: at, updated_at: at };
        self.lives += 1;
        self.docs.insert(Name::Node(keys.to_vec()), doc);
    }

    /// Removes a context and all below it. Those that have expired, or are below one that has, are recorded
    /// as expired.
    fn remove(&mut self, name: &Name, at: Timestamp) {
        let below: Vec<_> = match name {
            Name::Free(_) => vec![name.clone()],
            Name::Node(keys) => {
                let within = |other: &&Name| matches!(other, Name::Node(other) if other.starts_with(keys));
                self.docs.keys().filter(within).cloned().collect()
            }
        };
        let live: Vec<_> = below.iter().map(|name| self.live(name, at).is_some()).collect();
        for (name, live) in below.iter().zip(live) {
            let doc = self.docs.remove(name).unwrap();
            let operation = if live { Operation::Delete } else { Operation::Expire };
            self.history.push(Entry { life: doc.life, version: doc.version + 1, operation });
        }
    }
}

pub(crate) fn level(name: &Name) -> Option<Level> {
    match name {
        Name::Node(keys) => Some(Level::ALL[keys.len()]),
        Name::Free(_) => None,
    }
}

fn holds(doc: &Doc, when: &When) -> Result<(), Failure> {
    let holds = match when {
        When::Always | When::Exists => true,
        When::Absent => false,
        When::Is(life, version) => (doc.life, doc.version) == (*life, *version),
    };
    if holds { Ok(()) } else { Err(("precondition_failed", Some(Box::new(doc.clone())))) }
}

fn parsed(body: &Map<String, Value>, level: Option<Level>) -> Result<Content, Failure> {
    Content::from_json(body, level).map_err(|_| ("invalid", None))
}

/// The algorithm of RFC 7396, section 2.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
