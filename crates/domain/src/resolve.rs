//! Resolved contexts: the merged document with its chain, its path and its hash.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::context::{Context, chain_expiry};
use crate::explain::Explanation;
use crate::id::ContextId;
use crate::merge::{Link, merge};
use crate::tree::{Level, NodeKey, percent_encode};

/// The version of the merge law; a new law is a new version, so that no result of the old one passes for current.
pub const MERGE_LAW_VERSION: u32 = 1;

/// Whether a resolved context comes with the explanation of where every value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explain {
    /// With it.
    Yes,
    /// Without it.
    No,
}

/// A context merged over everything above it.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The nodes merged, global first, the context itself last.
    pub chain: Vec<ChainLink>,
    /// The merged document.
    pub resolved_context: Value,
    /// `global/<project>/<branch>/<task>` with keys percent-encoded; `direct` outside the tree.
    pub resolution_path: String,
    /// Which versions it was made of.
    pub dependencies_hash: String,
    /// The earliest expiry along the chain.
    pub expires_at: Option<Timestamp>,
    /// Where every value came from, if that was asked.
    pub explanation: Option<Explanation>,
}

/// One node that a resolved context was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainLink {
    /// Its id.
    pub context_id: ContextId,
    /// Its level; none outside the tree.
    pub context_level: Option<Level>,
    /// Its key; none for the global node and outside the tree.
    pub node_key: Option<NodeKey>,
    /// The version that was merged.
    pub version: u32,
}

impl Resolved {
    /// Merges `chain`, global first; none of an empty chain.
    pub fn of(chain: &[Context], explain: Explain) -> Option<Self> {
        let target = chain.last()?;
        let links: Vec<_> = chain.iter().map(Link::of).collect();
        let merged = merge(&links);
        Some(Self {
            chain: chain.iter().map(ChainLink::of).collect(),
            resolution_path: resolution_path(chain, target),
            dependencies_hash: dependencies_hash(chain.iter().map(|node| (node.id.as_str(), node.version))),
            expires_at: chain_expiry(chain),
            explanation: (explain == Explain::Yes).then(|| merged.explain()),
            resolved_context: merged.to_value(),
        })
    }

    /// The strong entity tag, without its quotes: the hash, and whether the explanation is with it.
    pub fn etag(&self) -> String {
        let suffix = if self.explanation.is_some() { "+explain" } else { "" };
        format!("{}{suffix}", self.dependencies_hash)
    }

    /// The resolved context as the API shows it.
    pub fn to_json(&self) -> Value {
        let target = self.chain.last();
        let mut members: Map<String, Value> = [
            ("context_id", target.map_or(Value::Null, |link| Value::from(link.context_id.as_str()))),
            ("context_level", target.map_or(Value::Null, ChainLink::level_json)),
            ("resolved_context", self.resolved_context.clone()),
            ("chain", self.chain.iter().map(ChainLink::to_json).collect()),
            ("resolution_path", Value::from(self.resolution_path.as_str())),
            ("dependencies_hash", Value::from(self.dependencies_hash.as_str())),
            ("expires_at", self.expires_at.map_or(Value::Null, |at| Value::from(at.to_string()))),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        if let Some(explanation) = &self.explanation {
            members.insert("explain".to_owned(), json!(explanation));
        }
        Value::Object(members)
    }
}

impl ChainLink {
    fn of(context: &Context) -> Self {
        let place = context.place.as_ref();
        Self {
            context_id: context.id.clone(),
            context_level: place.map(|place| place.level),
            node_key: place.and_then(|place| place.node_key.clone()),
            version: context.version,
        }
    }

    fn level_json(&self) -> Value {
        self.context_level.map_or(Value::Null, |level| Value::from(level.as_str()))
    }

    fn to_json(&self) -> Value {
        json!({
            "context_id": self.context_id.as_str(),
            "context_level": self.level_json(),
            "node_key": self.node_key.as_ref().map(NodeKey::as_str),
            "version": self.version,
        })
    }
}

impl<'a> Link<'a> {
    /// What merging needs of a context.
    pub fn of(context: &'a Context) -> Self {
        Self { data: context.data(), inheritance: context.content.inheritance.as_ref() }
    }
}

/// The lower-case hexadecimal SHA-256 of `merge-law:1` and a line `<id>@<version>` for each node of the chain, global
/// first, each line ended by a line feed. Whoever has the ids and versions can compute it.
pub fn dependencies_hash<'a>(nodes: impl IntoIterator<Item = (&'a str, u32)>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("merge-law:{MERGE_LAW_VERSION}\n"));
    for (id, version) in nodes {
        hasher.update(format!("{id}@{version}\n"));
    }
    hex::encode(hasher.finalize())
}

fn resolution_path(chain: &[Context], target: &Context) -> String {
    if target.place.is_none() {
        return "direct".to_owned();
    }
    let keys = chain.iter().filter_map(|node| node.place.as_ref()?.node_key.as_ref());
    keys.fold(Level::Global.to_string(), |path, key| format!("{path}/{}", percent_encode(key.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anyone_can_recompute_the_hash() {
        // printf 'merge-law:1\n' | sha256sum
        assert_eq!(dependencies_hash([]), "dc25f3b5c902839adcc61f051464413a3c39d365e962d5faeccd1c77cac19f91");
        // printf 'merge-law:1\nctx_a@1\nctx_b@0\n' | sha256sum
        assert_eq!(
            dependencies_hash([("ctx_a", 1), ("ctx_b", 0)]),
            "124408f8dd1f2c8a71b5b59162fd1b96f3c47033ae40162e8344c21243fde841"
        );
    }

    #[test]
    fn order_and_versions_count() {
        let hash = dependencies_hash([("a", 1), ("b", 1)]);
        assert_ne!(hash, dependencies_hash([("b", 1), ("a", 1)]));
        assert_ne!(hash, dependencies_hash([("a", 1), ("b", 2)]));
        assert_ne!(hash, dependencies_hash([("a", 1)]));
    }
}
