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

/// The version of the merge law. It is part of every dependencies hash, so a result of an older law is never
/// taken as current.
pub const MERGE_LAW_VERSION: u32 = 1;

/// Whether a resolved context includes the explanation of where each value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explain {
    /// It is included.
    Yes,
    /// It is left out.
    No,
}

/// The way in which a resolved context was produced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStatus {
    /// From memory, after the store confirmed that nothing it was made from has changed.
    Validated,
    /// It was not in memory or not current, and was merged for this request.
    Miss,
}

impl CacheStatus {
    /// Returns the word that the API uses.
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
    /// The nodes that were merged, global first, the context itself last.
    pub chain: Vec<ChainLink>,
    /// `global/<project>/<branch>/<task>` with keys percent-encoded; `direct` outside the tree.
    pub resolution_path: String,
    /// The hash of the versions that it was made from: see [`dependencies_hash`].
    pub dependencies_hash: String,
    /// The earliest expiry along the chain.
    pub expires_at: Option<Timestamp>,
    /// Where each value comes from, if the caller asked for it.
    pub explanation: Option<Explanation>,
    /// The resolved context as the API returns it, with the merged document: compact JSON, members sorted by
    /// bytes.
    pub text: Bytes,
}

/// One node that a resolved context was made from. The fields are sorted by name, as they are in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainLink {
    /// Its id.
    pub context_id: ContextId,
    /// Its level; `None` outside the tree.
    pub context_level: Option<Level>,
    /// Its key; `None` for the global node and outside the tree.
    pub node_key: Option<NodeKey>,
    /// The version that was merged.
    pub version: u32,
}

impl Resolved {
    /// Merges `chain`, global first. Returns `None` for an empty chain.
    ///
    /// # Errors
    /// [`Error::Internal`] if the result cannot be written as JSON.
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
        let text = serde_json::to_vec(&resolved.response_body(&merged)).map_err(|error| Error::Internal {
            detail: format!("the resolved context {} cannot be written as JSON: {error}", target.id),
        })?;
        resolved.text = text.into();
        Ok(Some(resolved))
    }

    /// Returns the strong entity tag without its quotes: the hash, and `+explain` if the explanation is
    /// included.
    pub fn etag(&self) -> String {
        let suffix = if self.explanation.is_some() { "+explain" } else { "" };
        format!("{}{suffix}", self.dependencies_hash)
    }

    fn response_body<'a>(&'a self, merged: &'a Merged<'a>) -> ResolvedBody<'a> {
        let target = self.chain.last();
        ResolvedBody {
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

/// The members that the API returns. The fields are sorted by name, as they are in JSON.
#[derive(Serialize)]
struct ResolvedBody<'a> {
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
    /// Returns the parts of a context that merging needs.
    pub fn from_context(context: &'a Context) -> Self {
        Self { data: context.data(), inheritance: context.content.inheritance.as_ref() }
    }
}

/// Returns the lower-case hexadecimal SHA-256 of the line `merge-law:1` ([`MERGE_LAW_VERSION`]) and one line
/// `<id>@<version>` for each node of the chain, global first, each with a line feed. It can be recomputed
/// from the ids and versions alone.
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
    fn the_hash_can_be_recomputed_with_sha256sum() {
        // printf 'merge-law:1\n' | sha256sum
        assert_eq!(dependencies_hash([]), "dc25f3b5c902839adcc61f051464413a3c39d365e962d5faeccd1c77cac19f91");
        // printf 'merge-law:1\nctx_a@1\nctx_b@0\n' | sha256sum
        assert_eq!(
            dependencies_hash([("ctx_a", 1), ("ctx_b", 0)]),
            "124408f8dd1f2c8a71b5b59162fd1b96f3c47033ae40162e8344c21243fde841"
        );
    }

    #[test]
    fn the_hash_depends_on_order_and_versions() {
        let hash = dependencies_hash([("a", 1), ("b", 1)]);
        assert_ne!(hash, dependencies_hash([("b", 1), ("a", 1)]));
        assert_ne!(hash, dependencies_hash([("a", 1), ("b", 2)]));
        assert_ne!(hash, dependencies_hash([("a", 1)]));
    }
}
