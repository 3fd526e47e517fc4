//! Stores that fail as real ones do: one does not respond, one responds late.

use std::sync::Arc;

use async_trait::async_trait;
use context_domain::change::{Change, Idempotency};
use context_domain::clock::Timestamp;
use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::id::{KeyId, TenantId};
use context_domain::key::ApiKey;
use context_domain::ports::{
    ChangeQuery, Check, Commit, ContextQuery, Contexts, Directory, Fact, KeyQuery, Outcome, Upkeep,
};
use context_domain::tenant::{NewTenant, Tenant};
use context_domain::tree::Address;

use crate::support::Knobs;

/// A store that does not respond.
pub(crate) struct LostStore;

impl LostStore {
    fn error() -> Error {
        let source = std::io::Error::other("the driver's own words");
        Error::Unavailable { detail: "it does not answer".to_owned(), source: Some(Box::new(source)) }
    }
}

#[async_trait]
impl Directory for LostStore {
    async fn create(&self, _: &NewTenant) -> Result<bool, Error> {
        Err(Self::error())
    }

    async fn get(&self, _: &TenantId) -> Result<Option<Tenant>, Error> {
        Err(Self::error())
    }

    async fn tenants(&self, _: Option<&TenantId>, _: usize) -> Result<Vec<Tenant>, Error> {
        Err(Self::error())
    }

    async fn remove(&self, _: &TenantId) -> Result<bool, Error> {
        Err(Self::error())
    }

    async fn add_key(&self, _: &ApiKey, _: Option<(&KeyId, Timestamp)>) -> Result<(), Error> {
        Err(Self::error())
    }

    async fn key(&self, _: &KeyId) -> Result<Option<ApiKey>, Error> {
        Err(Self::error())
    }

    async fn keys(&self, _: &KeyQuery) -> Result<Vec<ApiKey>, Error> {
        Err(Self::error())
    }

    async fn end_key(&self, _: &KeyId, _: Timestamp) -> Result<bool, Error> {
        Err(Self::error())
    }

    async fn key_used(&self, _: &KeyId, _: Timestamp) -> Result<(), Error> {
        Err(Self::error())
    }
}

#[async_trait]
impl Upkeep for LostStore {
    async fn checks(&self) -> Vec<Check> {
        vec![Check { name: "store".to_owned(), problem: Some("it does not answer".to_owned()) }]
    }

    async fn inspect(&self) -> Vec<Check> {
        self.checks().await
    }

    async fn ready(&self) -> Result<(), Error> {
        Err(Self::error())
    }

    async fn facts(&self) -> Result<Vec<Fact>, Error> {
        Err(Self::error())
    }
}

/// A store that works, but delays pages and the responses to writes.
pub(crate) struct SlowStore {
    pub(crate) contexts: Arc<dyn Contexts>,
    pub(crate) knobs: Arc<Knobs>,
}

#[async_trait]
impl Contexts for SlowStore {
    async fn chain(&self, tenant: &TenantId, address: &Address) -> Result<Vec<Arc<Context>>, Error> {
        self.contexts.chain(tenant, address).await
    }

    async fn page(&self, tenant: &TenantId, query: &ContextQuery) -> Result<Vec<Context>, Error> {
        let page = self.contexts.page(tenant, query).await;
        self.knobs.delay().await;
        page
    }

    async fn changes(&self, tenant: &TenantId, query: &ChangeQuery) -> Result<Vec<Change>, Error> {
        self.contexts.changes(tenant, query).await
    }

    async fn remembered(
        &self,
        tenant: &TenantId,
        idempotency: &Idempotency,
        since: Timestamp,
    ) -> Result<Option<Change>, Error> {
        self.contexts.remembered(tenant, idempotency, since).await
    }

    async fn commit(&self, tenant: &TenantId, commit: Commit) -> Result<Outcome, Error> {
        let outcome = self.contexts.commit(tenant, commit).await;
        self.knobs.delay().await;
        outcome
    }
}
