//! PostgreSQL under test: a database of its own for each case, opened as a role that owns nothing.

use std::sync::Arc;

use async_trait::async_trait;
use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::IdSource;
use context_domain::service::Ports;
use context_domain::tenant::Tenant;

use super::harness::StoreUnderTest;
pub(crate) use crate::database::Database;

#[async_trait]
impl StoreUnderTest for Database {
    async fn open(&self, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Result<Ports, Error> {
        self.ports(clock, ids).await
    }

    fn elsewhere(&self) -> Arc<dyn StoreUnderTest> {
        Arc::new(Self::new())
    }

    async fn damage(&self, tenant: &Tenant) {
        let statement = format!("DROP TABLE \"tenant_{}\".contexts", tenant.id);
        context_testing::postgres().await.execute(self.name(), &statement).await;
    }
}
