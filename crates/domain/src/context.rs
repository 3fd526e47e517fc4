//! Contexts: a JSON document with a type, tags, an owner, an expiry and a version.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::content::Content;
use crate::id::{ContextId, TenantId};
use crate::tree::{NodeKey, Place};

/// A context as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// Its id, which is never reused.
    pub id: ContextId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// The members that callers write.
    pub content: Content,
    /// Its position in the tree; `None` outside the tree.
    pub place: Option<Place>,
    /// When it was first written.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Incremented by each change; 0 for a node that was created for its descendants and not written yet.
    pub version: u32,
}

impl Context {
    /// Returns the entity tag of this version.
    pub fn etag(&self) -> Etag {
        Etag { id: self.id.clone(), version: self.version }
    }

    /// Whether the context itself has expired at `now`. Its ancestors are not considered.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.content.expires_at.is_some_and(|at| at <= now)
    }

    /// Returns the context as the API shows it: every member, with `null` for one that has no value.
    pub fn to_json(&self) -> Value {
        let mut members = self.content.to_json();
        let place = self.place.as_ref();
        let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        let more = [
            ("id", Value::from(self.id.as_str())),
            ("tenant_id", Value::from(self.tenant_id.as_str())),
            ("created_at", Value::from(self.created_at.to_string())),
            ("updated_at", Value::from(self.updated_at.to_string())),
            ("version", Value::from(self.version)),
            ("context_level", text(place.map(|place| place.level.as_str()))),
            ("parent_id", text(place.and_then(|place| place.parent_id.as_ref()).map(ContextId::as_str))),
            ("node_key", text(place.and_then(|place| place.node_key.as_ref()).map(NodeKey::as_str))),
        ];
        members.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Value::Object(members)
    }

    /// Returns the document.
    pub fn data(&self) -> &Map<String, Value> {
        &self.content.context_data
    }
}

/// Returns the earliest expiry of a chain's nodes: a context expires with the first of its ancestors that
/// expires.
pub fn chain_expiry(chain: &[Arc<Context>]) -> Option<Timestamp> {
    chain.iter().filter_map(|context| context.content.expires_at).min()
}

/// The strong entity tag of one version of a context (RFC 9110, section 8.8.3): `<id>@<version>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etag {
    /// The context.
    pub id: ContextId,
    /// Its version.
    pub version: u32,
}

/// Writes the tag without its quotes.
impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.version)
    }
}

impl FromStr for Etag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = || {
            format!("'{text}' is not the entity tag of a context: send <id>@<version>, as in the ETag header")
        };
        let (id, version) = text.split_once('@').ok_or_else(rule)?;
        let etag = Self {
            id: id.parse().map_err(|_: String| rule())?,
            version: version.parse().map_err(|_: std::num::ParseIntError| rule())?,
        };
        // A number has several spellings ("+1", "01"), a tag only one.
        if etag.to_string() == text { Ok(etag) } else { Err(rule()) }
    }
}
