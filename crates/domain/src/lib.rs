//! What Context Service means: contexts, the tree, the merge law, and the service that every way in calls.
//!
//! This crate does no input or output: the store stands behind [`ports`], time and ids behind [`clock`] and [`id`].

pub mod access;
pub mod change;
pub mod clock;
pub mod content;
pub mod context;
pub mod error;
pub mod explain;
pub mod fault;
pub mod id;
pub mod inheritance;
pub mod json;
pub mod key;
pub mod limits;
pub mod merge;
pub mod page;
pub mod patch;
pub mod pointer;
pub mod ports;
pub mod resolve;
pub mod search;
pub mod service;
pub mod tenant;
pub mod tree;
