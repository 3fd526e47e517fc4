//! The domain of Context Service: contexts, the tree, the merge law, and the service behind all interfaces.
//!
//! This crate does no input or output. Stores are reached through the traits in [`ports`]; time comes from a
//! [`clock::Clock`] and ids from an [`id::IdSource`], so that tests are deterministic.
//!
//! # Where to start
//! Read [`service`] first: [`service::Service`] is everything the product does, and its documentation
//! describes the path of a write. Then [`ports`], the guarantees of a store, and [`merge`], the law by which
//! a chain of documents becomes one.
//!
//! - What is stored: [`context`] with its [`content`] and its place in the [`tree`], [`change`], [`tenant`],
//!   [`key`].
//! - What a caller may send: [`json`] (the strict reader), [`content`], [`inheritance`], [`patch`],
//!   [`mod@pointer`], [`search`], [`page`]; and [`limits`].
//! - What a node inherits: [`inheritance`] (the rules of one node), [`merge`] (applying them), [`explain`]
//!   (where each value comes from), [`resolve`] (the result with its hash).
//! - Who may do what: [`access`] (principals, permissions, callers), [`key`].
//! - What can go wrong: [`error`] (one enum for everything), [`fault`] (one thing that is wrong with an
//!   input).
//! - What is passed in: [`ports`] (stores), [`clock`] (time), [`id`] (ids and secrets).

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
mod pattern_tree;
pub mod pointer;
pub mod ports;
pub mod resolve;
pub mod search;
pub mod service;
pub mod tenant;
pub mod tree;
