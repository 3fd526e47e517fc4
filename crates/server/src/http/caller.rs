//! Who calls, and what the path addresses.

use context_domain::access::{Caller, Principal};
use context_domain::id::{ContextId, TenantId};
use context_domain::tree::{Address, SCOPE_MEMBERS, Scope};

use super::access::unauthenticated;
use super::call::Call;
use super::problem::{Kind, Problem};
use super::tree::SCOPE;

impl Call {
    /// The caller, in the tenant that the path names.
    pub(crate) fn in_tenant(&self) -> Result<Caller, Problem> {
        Ok(Caller::in_tenant(self.known()?, self.tenant()?, self.request_id().to_owned()))
    }

    /// The caller, of the whole installation.
    pub(crate) fn in_installation(&self) -> Result<Caller, Problem> {
        Ok(Caller::in_installation(self.known()?, self.request_id().to_owned()))
    }

    /// The tenant that the path names. A malformed id is the id of no tenant.
    pub(crate) fn tenant(&self) -> Result<TenantId, Problem> {
        let text = self.segment("tenant").unwrap_or_default();
        text.parse().map_err(|rule: String| Problem::refusal(&Kind::TENANT_NOT_FOUND, rule))
    }

    /// The context that the path names. A malformed id is the id of no context.
    pub(crate) fn context_id(&self) -> Result<ContextId, Problem> {
        let text = self.segment("id").unwrap_or_default();
        text.parse().map_err(|rule: String| Problem::refusal(&Kind::NOT_FOUND, rule))
    }

    /// The place in the tree that the path names, or the query where the path names none.
    pub(crate) fn scope(&self) -> Result<Scope, Problem> {
        let key = |(name, parameter)| self.segment(name).or_else(|| self.query().get(parameter));
        let mut keys = SCOPE_MEMBERS.into_iter().zip(&SCOPE).map(key);
        let keys = [keys.next().flatten(), keys.next().flatten(), keys.next().flatten()];
        Scope::from_keys(keys).map_err(|faults| match faults.into_iter().next() {
            Some(fault) => Problem::bad_parameter(fault.pointer.trim_start_matches('/'), fault.message),
            None => Problem::bad_parameter("scope", "the keys name no place in the tree"),
        })
    }

    /// The context that the path addresses, by its id or by its place.
    pub(crate) fn address(&self) -> Result<Address, Problem> {
        match self.segment("id") {
            Some(_) => self.context_id().map(Address::Id),
            None => self.scope().map(Address::Scope),
        }
    }

    /// Who calls. An operation that is for everybody has no caller to work for.
    fn known(&self) -> Result<Principal, Problem> {
        self.principal().cloned().ok_or_else(|| unauthenticated("Bearer"))
    }
}
