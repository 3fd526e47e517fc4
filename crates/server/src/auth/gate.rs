//! The gate that every request passes first: it identifies the caller and checks that it may use the
//! operation.

use std::sync::Arc;
use std::time::Duration;

use context_domain::access::{Access, Caller, Principal};
use context_domain::error::{Code, Error};
use context_domain::service::Service;
use tokio::time::timeout;

use super::access::OperationAccess;
use super::refusal_log::RefusalLog;

/// Whether callers must authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// No: every caller is an operator, under the name `anonymous`.
    Open,
    /// Yes, by an API key as a bearer token (RFC 6750): `Authorization: Bearer cs_…`.
    Keys,
}

/// Identifies callers and admits them to operations.
///
/// One gate is shared by all requests of a process, whatever their transport. It keeps no state but the
/// counter of its refusal log, so requests never wait for each other. Keys are looked up in the store on each
/// request: a key that was revoked is refused from then on, and if the store does not respond in time, no
/// caller is admitted.
pub(crate) struct Gate {
    service: Arc<Service>,
    authentication: Authentication,
    /// Time for looking up a key.
    timeout: Duration,
    refusals: RefusalLog,
}

/// The reason why a caller could not be identified.
#[derive(Debug)]
pub(crate) enum IdentityError {
    /// No token was sent.
    NoToken,
    /// The token is malformed, unknown, revoked or expired. Callers must not learn which.
    InvalidToken,
    /// The key was not looked up in time.
    TimedOut,
    /// The store failed.
    Service(Error),
}

/// The name of every caller if authentication is off.
const ANONYMOUS: &str = "anonymous";

impl Gate {
    pub(crate) fn new(service: Arc<Service>, authentication: Authentication, timeout: Duration) -> Self {
        Self { service, authentication, timeout, refusals: RefusalLog::default() }
    }

    /// Returns the principal that `token` identifies; an operator named `anonymous` if authentication is off.
    pub(crate) async fn identify(&self, token: Option<&str>) -> Result<Principal, IdentityError> {
        if self.authentication == Authentication::Open {
            return Ok(Principal { name: ANONYMOUS.to_owned(), access: Access::Operator });
        }
        let Some(token) = token else {
            self.refusals.record(Code::Unauthenticated, None);
            return Err(IdentityError::NoToken);
        };
        match timeout(self.timeout, self.service.authenticate(token)).await {
            Ok(Ok(principal)) => Ok(principal),
            Ok(Err(Error::Unauthenticated)) => {
                self.refusals.record(Code::Unauthenticated, None);
                Err(IdentityError::InvalidToken)
            }
            Ok(Err(error)) => Err(IdentityError::Service(error)),
            Err(_) => Err(IdentityError::TimedOut),
        }
    }

    /// Checks that `caller` may use an operation that requires `access`.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`] in a tenant that the caller may not see, [`Error::Forbidden`] if its scope
    /// is too small.
    pub(crate) fn admit(&self, access: OperationAccess, caller: &Caller) -> Result<(), Error> {
        let verdict = access.check(caller);
        if let Err(error) = &verdict {
            self.refusals.record(error.code(), Some(caller.name()));
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use context_domain::access::Permission;
    use context_domain::clock::SystemClock;
    use context_domain::id::RandomIds;
    use context_domain::service::KeyRequest;

    use super::*;

    /// Opens a store with a tenant `mine`, and returns a gate in front of it with the token of a reader.
    async fn gate_and_token(folder: &tempfile::TempDir) -> (Gate, String) {
        let url = format!("sqlite:{}", folder.path().display()).parse().unwrap();
        let options = context_store::StoreOptions::new(url);
        let store = context_store::open(&options, Arc::new(SystemClock), Arc::new(RandomIds)).await.unwrap();
        let service = Arc::new(Service::new(store.ports, Arc::new(SystemClock), Arc::new(RandomIds)));
        let operator = Principal { name: "a test".to_owned(), access: Access::Operator };
        let operator = Caller::in_installation(operator, "r".to_owned());
        let tenant = "mine".parse().unwrap();
        service.create_tenant(&operator, &tenant).await.unwrap();
        let access = Access::Tenant { tenant, permission: Permission::Read };
        let request = KeyRequest { name: "a reader".to_owned(), access, expires_at: None };
        let token = service.create_key(&operator, request).await.unwrap().token.reveal();
        (Gate::new(service, Authentication::Keys, Duration::from_secs(10)), token)
    }

    #[tokio::test]
    async fn a_caller_is_identified_and_admitted_without_http() {
        let folder = tempfile::tempdir().unwrap();
        let (gate, token) = gate_and_token(&folder).await;
        assert!(matches!(gate.identify(None).await, Err(IdentityError::NoToken)));
        assert!(matches!(gate.identify(Some("cs_1")).await, Err(IdentityError::InvalidToken)));
        let reader = gate.identify(Some(&token)).await.unwrap();
        let in_tenant =
            |tenant: &str| Caller::in_tenant(reader.clone(), tenant.parse().unwrap(), "r".to_owned());
        let code = |access, tenant| gate.admit(access, &in_tenant(tenant)).map_err(|error| error.code());
        assert_eq!(code(OperationAccess::Tenant(Permission::Read), "mine"), Ok(()));
        assert_eq!(code(OperationAccess::Tenant(Permission::Write), "mine"), Err(Code::Forbidden));
        assert_eq!(code(OperationAccess::Tenant(Permission::Read), "other"), Err(Code::TenantNotFound));
        assert_eq!(code(OperationAccess::Operator, "mine"), Err(Code::Forbidden));
        assert_eq!(code(OperationAccess::AnyKey, "mine"), Ok(()));
    }
}
