//! The events of a merge that the merged document does not show.

use serde_json::Value;

use super::slot::SlotValue;
use crate::inheritance::Strategy;

/// The values that the nodes merged so far unset, the values that locks blocked, and the strategies that did
/// not fit; in no particular order.
#[derive(Default)]
pub(crate) struct Notes<'a> {
    pub(crate) unset: Vec<UnsetNote<'a>>,
    pub(crate) blocked: Vec<BlockedNote<'a>>,
    pub(crate) not_applicable: Vec<NotApplicableNote<'a>>,
}

/// A leaf that node `by` unset.
pub(crate) struct UnsetNote<'a> {
    pub(crate) pointer: String,
    pub(crate) by: usize,
    pub(crate) value: SlotValue<'a>,
}

/// A value of node `at` that a lock keeps out, or, without a value, a locked member that node `at` may not
/// unset.
pub(crate) struct BlockedNote<'a> {
    pub(crate) pointer: String,
    pub(crate) at: usize,
    pub(crate) locked_by: usize,
    pub(crate) value: Option<&'a Value>,
}

/// A declared strategy that did not fit the values it was declared for.
pub(crate) struct NotApplicableNote<'a> {
    pub(crate) pointer: String,
    pub(crate) strategy: &'a Strategy,
    pub(crate) at: usize,
}
