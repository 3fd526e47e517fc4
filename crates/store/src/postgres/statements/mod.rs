//! Every statement on the tenants' tables, as a template in which `{schema}` is the tenant's schema.
//!
//! Three rules hold for all statements, and tests check each of them. A table is always named with its
//! schema. Each mention of a table carries the tenant's id, which is the first parameter (only the count of
//! global nodes takes several tenants); a moment, if any, is the second parameter. And no other code of the
//! store mentions these tables.
//!
//! The templates are built once, when they are first used. Lists of columns and the numbers of the parameters
//! that fill them follow from `columns`.
//!
//! The tenant's id is compared inside `coalesce` because its column has an index with one distinct value: a
//! planner without statistics (the table was never analyzed) would expect that index to lead to any row
//! quickly.

mod chain;
mod changes;
mod delete;
mod fragments;
mod list;
mod search;
mod write;

pub(super) use chain::{CHAIN_BY_ID, CHAIN_BY_SCOPE};
pub(super) use changes::{CHANGE_ON_KEY, CHANGES, CHANGES_OF_ONE, FREE_KEY};
pub(super) use delete::{COUNT_CHILDREN, LOCK, LOCK_BELOW, LOCK_EXPIRED, REMOVE, REMOVE_LEAF};
pub(super) use fragments::of_tenant;
pub(super) use list::{ALL, CHILDREN, EVERY, LIVE, count_globals};
pub(super) use search::{SearchCondition, search_statement};
pub(super) use write::{INSERT_EMPTY, INSERT_FREE, INSERT_NODE, KEEP, PATH_NODES, REPLACE};

#[cfg(test)]
mod tests;
