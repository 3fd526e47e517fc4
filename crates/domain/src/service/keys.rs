//! Operations on API keys: create, list, rotate, revoke, and authenticate with one.

use super::Service;
use crate::access::{Access, Caller, Principal};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::fault::Fault;
use crate::id::{KeyId, TenantId};
use crate::key::{ApiKey, Token, check_name};
use crate::limits::KEY_USE_RESOLUTION_MICROS;
use crate::page::{Gathering, Page, PageRequest, bad_token};
use crate::ports::KeyQuery;

/// A key to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// The name that people give it.
    pub name: String,
    /// The access of its bearer.
    pub access: Access,
    /// When it expires; `None` for never.
    pub expires_at: Option<Timestamp>,
}

/// A key that was just created, with its token, which cannot be shown again.
pub struct NewKey {
    /// The key.
    pub key: ApiKey,
    /// The token that its bearer sends.
    pub token: Token,
}

impl Service {
    /// Creates a key.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`] for the name or the expiry, [`Error::TenantNotFound`], and
    /// those of the store.
    pub async fn create_key(&self, caller: &Caller, request: KeyRequest) -> Result<NewKey, Error> {
        caller.authorized_operator()?;
        let now = self.clock.now();
        check_name(&request.name).map_err(|rule| vec![Fault::new("/name", rule)])?;
        if request.expires_at.is_some_and(|at| at <= now) {
            let rule =
                "expires_at is in the past: give a later time, or leave it out for a key that never expires";
            return Err(Error::Invalid(vec![Fault::new("/expires_at", rule)]));
        }
        let new = self.new_key(request, now)?;
        self.ports.directory.add_key(&new.key, None).await?;
        Ok(new)
    }

    /// Creates a key with the name, access and expiry of the key `id`, which is revoked as of `ends_at`, or
    /// now.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::KeyNotFound`] for a key that is unknown, revoked or expired,
    /// [`Error::Invalid`] for an `ends_at` in the past, and those of the store.
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        id: &KeyId,
        ends_at: Option<Timestamp>,
    ) -> Result<NewKey, Error> {
        caller.authorized_operator()?;
        let now = self.clock.now();
        if ends_at.is_some_and(|at| at <= now) {
            let rule = "ends_at is in the past: give a later time, or leave it out to revoke the old key now";
            return Err(Error::Invalid(vec![Fault::new("/ends_at", rule)]));
        }
        let old = self.ports.directory.key(id).await?.filter(|key| key.works(now));
        let old = old.ok_or_else(|| Error::KeyNotFound(id.clone()))?;
        let request = KeyRequest { name: old.name, access: old.access, expires_at: old.expires_at };
        let new = self.new_key(request, now)?;
        self.ports.directory.add_key(&new.key, Some((id, ends_at.unwrap_or(now)))).await?;
        Ok(new)
    }

    /// Returns a page of keys, oldest first: those of `tenant`, or all keys, including those of operators.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::BadParameter`] for the limit or the token, and those of the store.
    pub async fn list_keys(
        &self,
        caller: &Caller,
        tenant: Option<&TenantId>,
        request: &PageRequest,
    ) -> Result<Page<ApiKey>, Error> {
        caller.authorized_operator()?;
        let list = format!("keys of {}", tenant.map_or("all", TenantId::as_str));
        let after = request.cursor(&list)?.map(|text| text.parse().map_err(|_: String| bad_token()));
        let limit = request.limit()?;
        let query = KeyQuery { tenant: tenant.cloned(), after: after.transpose()?, limit: limit + 1 };
        let found = self.ports.directory.keys(&query).await?;
        Ok(Page::from_gathering(&list, Gathering::from_one_read(found, limit), |key| key.id.to_string()))
    }

    /// Revokes a key now. A key that has already ended is left unchanged.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::KeyNotFound`], and those of the store.
    pub async fn revoke_key(&self, caller: &Caller, id: &KeyId) -> Result<(), Error> {
        caller.authorized_operator()?;
        if !self.ports.directory.end_key(id, self.clock.now()).await? {
            return Err(Error::KeyNotFound(id.clone()));
        }
        Ok(())
    }

    /// Returns the principal that a token stands for, and records that its key was used.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for a token that is malformed, unknown, revoked or expired, without saying
    /// which; and those of the store.
    pub async fn authenticate(&self, token: &str) -> Result<Principal, Error> {
        let token: Token = token.parse().map_err(|()| Error::Unauthenticated)?;
        let now = self.clock.now();
        let key = self.ports.directory.key(token.id()).await?.ok_or(Error::Unauthenticated)?;
        if key.secret_hash != token.secret_hash() || !key.works(now) {
            return Err(Error::Unauthenticated);
        }
        let known_since = now.saturating_add_micros(-KEY_USE_RESOLUTION_MICROS);
        if key.last_used_at.is_none_or(|at| at <= known_since) {
            self.ports.directory.key_used(&key.id, now).await?;
        }
        Ok(key.principal())
    }

    fn new_key(&self, request: KeyRequest, now: Timestamp) -> Result<NewKey, Error> {
        let token = Token::new(KeyId::new(self.ids.uuid()), self.ids.secret()?);
        let key = ApiKey {
            id: token.id().clone(),
            name: request.name,
            access: request.access,
            secret_hash: token.secret_hash(),
            created_at: now,
            expires_at: request.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        Ok(NewKey { key, token })
    }
}
