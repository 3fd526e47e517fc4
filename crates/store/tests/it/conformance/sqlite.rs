//! The embedded store under test: a folder that is removed when the case ends.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::IdSource;
use context_domain::service::Ports;
use context_domain::tenant::Tenant;
use context_store::StoreOptions;
use tempfile::TempDir;

use super::harness::{StoreUnderTest, World, numbered};

/// A folder with a store in it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("a folder").join("of its own")
    }
}

#[async_trait]
impl StoreUnderTest for Folder {
    async fn open(&self, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Result<Ports, Error> {
        let options = StoreOptions::new(format!("sqlite:{}", self.store().display()).parse().unwrap());
        Ok(context_store::open(&options, clock, ids).await?.ports)
    }

    fn elsewhere(&self) -> Arc<dyn StoreUnderTest> {
        Arc::new(Self::new())
    }

    async fn damage(&self, tenant: &Tenant) {
        let name = format!("{}.{}.db", tenant.id, tenant.generation.as_str());
        let path = self.store().join("tenants").join(name);
        assert!(path.exists());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "this was a tenant").unwrap();
    }
}

/// A counter numbers the transactions; a transaction that is rolled back does not use up a number.
#[tokio::test]
async fn revisions_have_no_gap_after_a_conflict() {
    let world = World::new(Box::new(Folder::new())).await;
    world.create(&["p"], numbered(1)).await;
    world.run(world.creation(&["p"], numbered(2))).await;
    world.create(&["q"], numbered(2)).await;
    let history = world.history().await;
    assert_eq!(history[0].revision, history[1].revision + 1);
}
