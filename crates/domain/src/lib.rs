//! What Context Service means: contexts, the tree, the merge law, and the service that every way in calls.

pub mod fault;
