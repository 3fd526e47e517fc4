//! Making and repairing: from a plan and the findings of an examination to a report.
//!
//! **What is changed in which transaction.** The control schema, the functions and the serving roles' rights
//! on them are one transaction (`control`). Each tenant is a transaction of its own (`jobs`); several workers
//! do many at a time (`workers`). So one tenant that fails changes nothing for the others, and a bootstrap
//! that ends halfway is continued by the next.
//!
//! **Two bootstraps at once.** The transaction of the control schema takes a transaction-level advisory lock
//! first, and then examines again, so that what another bootstrap made meanwhile is found. The lock ends with
//! the transaction, so that no pooler keeps it. A tenant's transaction locks the tenant's row in
//! `public.tenants`.
//!
//! **What is retried.** Each transaction is attempted up to [`retry::MAX_ATTEMPTS`] times, each time as a
//! whole: again after `lock_not_available` (each statement waits at most 3 seconds for a lock),
//! `deadlock_detected` and `serialization_failure`. Nothing else is retried, and no other layer retries: a
//! broken connection ends a worker, and the others do the jobs that it leaves.

pub(crate) mod bootstrap;
mod control;
mod jobs;
mod loss;
pub(crate) mod plan;
mod recreate;
mod renewal;
pub(crate) mod report;
mod retry;
mod workers;
