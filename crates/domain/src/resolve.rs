//! Resolved contexts: the merged document with its chain, its path and its hash.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::context::{Context, chain_expiry};
use crate::error::Error;
use crate::explain::Explanation;
use crate::id::ContextId;
use crate::merge::{Link, Merged, merge};
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

/// How a resolved context was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStatus {
    /// It was in memory, and the store has just shown that nothing it was made of has changed.
    Validated,
    /// It was merged anew.
    Miss,
}

impl CacheStatus {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validated => "validated",
            Self::Miss => "miss",
        }
    }
}

/// A context merged over everything above it.
#[derive(Debug)]
pub struct Resolved {
    /// The nodes merged, global first, the context itself last.
    pub chain: Vec<ChainLink>,
    /// `global/<project>/<branch>/<task>` with keys percent-encoded; `direct` outside the tree.
    pub resolution_path: String,
    /// Which versions it was made of.
    pub dependencies_hash: String,
    /// The earliest expiry along the chain.
    pub expires_at: Option<Timestamp>,
    /// Where every value came from, if that was asked.
    pub explanation: Option<Explanation>,
    /// All of this as the API shows it, the merged document within: compact JSON, members sorted by their bytes.
    pub text: Bytes,
}

/// One node that a resolved context was made of. Its members are sorted by their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    ///
    /// # Errors
    /// [`Error::Internal`] where the result cannot be written as JSON.
    pub fn from_chain(chain: &[Arc<Context>], explain: Explain) -> Result<Option<Self>, Error> {
        let Some(target) = chain.last() else { return Ok(None) };
        let links: Vec<_> = chain.iter().map(|context| Link::from_context(context)).collect();
        let merged = merge(&links);
        let mut resolved = Self {
            chain: chain.iter().map(|context| ChainLink::from_context(context)).collect(),
            resolution_path: resolution_path(chain, target),
            dependencies_hash: dependencies_hash(chain.iter().map(|node| (node.id.as_str(), node.version))),
            expires_at: chain_expiry(chain),
            explanation: (explain == Explain::Yes).then(|| merged.explain()),
            text: Bytes::new(),
        };
        let text = serde_json::to_vec(&resolved.shown(&merged)).map_err(|error| Error::Internal {
            detail: format!("what {} resolves to cannot be written as JSON: {error}", target.id),
        })?;
        resolved.text = text.into();
        Ok(Some(resolved))
    }

    /// The strong entity tag, without its quotes: the hash, and whether the explanation is with it.
    pub fn etag(&self) -> String {
        let suffix = if self.explanation.is_some() { "+explain" } else { "" };
        format!("{}{suffix}", self.dependencies_hash)
    }

    fn shown<'a>(&'a self, merged: &'a Merged<'a>) -> Shown<'a> {
        let target = self.chain.last();
        Shown {
            chain: &self.chain,
            context_id: target.map(|link| &link.context_id),
            context_level: target.and_then(|link| link.context_level),
            dependencies_hash: &self.dependencies_hash,
            expires_at: self.expires_at,
            explain: self.explanation.as_ref(),
            resolution_path: &self.resolution_path,
            resolved_context: merged,
        }
    }
}

/// The members that the API shows, sorted by their names.
#[derive(Serialize)]
struct Shown<'a> {
    chain: &'a [ChainLink],
    context_id: Option<&'a ContextId>,
    context_level: Option<Level>,
    dependencies_hash: &'a str,
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<&'a Explanation>,
    resolution_path: &'a str,
    resolved_context: &'a Merged<'a>,
}

impl ChainLink {
    fn from_context(context: &Context) -> Self {
        let place = context.place.as_ref();
        Self {
            context_id: context.id.clone(),
            context_level: place.map(|place| place.level),
            node_key: place.and_then(|place| place.node_key.clone()),
            version: context.version,
        }
    }
}

impl<'a> Link<'a> {
    /// What merging needs of a context.
    pub fn from_context(context: &'a Context) -> Self {
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

fn resolution_path(chain: &[Arc<Context>], target: &Context) -> String {
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
