//! The embedded store under test: a folder that goes when the case ends.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::IdSource;
use context_domain::service::Ports;
use context_domain::tenant::Tenant;
use context_store::StoreUrl;
use tempfile::TempDir;

use crate::harness::StoreUnderTest;

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
        let url: StoreUrl = format!("sqlite:{}", self.store().display()).parse().unwrap();
        context_store::open(&url, clock, ids).await
    }

    fn elsewhere(&self) -> Arc<dyn StoreUnderTest> {
        Arc::new(Self::new())
    }

    fn damage(&self, tenant: &Tenant) {
        let name = format!("{}.{}.db", tenant.id, tenant.generation.as_str());
        let path = self.store().join("tenants").join(name);
        assert!(path.exists());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "this was a tenant").unwrap();
    }
}
