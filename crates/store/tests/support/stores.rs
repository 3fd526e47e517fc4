//! A store of either kind, created for one test.

use std::sync::Arc;

use context_domain::clock::Clock;
use context_domain::id::IdSource;
use context_domain::service::Ports;
use context_store::StoreOptions;
use tempfile::TempDir;

use crate::database::Database;

/// The kinds of store.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StoreKind {
    Sqlite,
    Postgres,
}

/// A store that is removed with the test.
pub(crate) enum TestStore {
    Sqlite(TempDir),
    Postgres(Database),
}

impl TestStore {
    /// A place for a store that does not exist yet.
    pub(crate) fn new(kind: StoreKind) -> Self {
        match kind {
            StoreKind::Sqlite => Self::Sqlite(TempDir::new().unwrap()),
            StoreKind::Postgres => Self::Postgres(Database::new()),
        }
    }

    /// Opens it. The first call creates it, with the tenant `default`.
    pub(crate) async fn open(&self, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Ports {
        match self {
            Self::Postgres(database) => database.ports(clock, ids).await.unwrap(),
            Self::Sqlite(folder) => {
                let options =
                    StoreOptions::new(format!("sqlite:{}", folder.path().display()).parse().unwrap());
                context_store::open(&options, clock, ids).await.unwrap().ports
            }
        }
    }
}
