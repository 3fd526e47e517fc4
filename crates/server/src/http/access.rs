//! Who is let in: first who it is, then whether they may; both before anything else of a request is looked at.

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use context_domain::access::{self, Principal};
use context_domain::error::Error;
use tokio::time::timeout;

use super::App;
use super::call::Call;
use super::problem::{Kind, Problem};
use super::spec::{Access, Spec};

/// Whether callers are asked who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// They are not: everybody is the operator, under the name `anonymous`.
    Open,
    /// They show an API key, as RFC 6750 has it: `Authorization: Bearer cs_…`.
    Keys,
}

/// What a request shows.
#[derive(Debug, PartialEq, Eq)]
enum Credential<'r> {
    /// Nothing that this server reads.
    None,
    /// A token, or what stands where one should.
    Token(&'r str),
}

impl App {
    /// Begins a call: its caller is known, and may ask for the operation.
    pub(super) async fn let_in(&self, spec: &Spec, parts: Parts) -> Result<Call, Problem> {
        let principal = self.principal(spec, &parts.headers).await?;
        let call = Call::begin(parts, principal).await?;
        let verdict = call.authorize(spec.access);
        // Other refusals stand in the path, and are the same for every caller.
        if let Err(refused @ Problem::Service(_)) = &verdict {
            self.refusals
                .note(refused.kind().code, call.principal().map(|principal| principal.name.as_str()));
        }
        verdict.map(|()| call)
    }

    /// Who calls; nobody where nobody is asked.
    async fn principal(&self, spec: &Spec, headers: &HeaderMap) -> Result<Option<Principal>, Problem> {
        if spec.access == Access::Public {
            return Ok(None);
        }
        if self.authentication == Authentication::Open {
            return Ok(Some(Principal { name: "anonymous".to_owned(), access: access::Access::Operator }));
        }
        let Credential::Token(token) = credential(headers) else {
            self.refusals.note(Kind::UNAUTHENTICATED.code, None);
            return Err(unauthenticated("Bearer"));
        };
        match timeout(self.request_timeout, self.service.authenticate(token)).await {
            Ok(Ok(principal)) => Ok(Some(principal)),
            Ok(Err(Error::Unauthenticated)) => {
                self.refusals.note(Kind::UNAUTHENTICATED.code, None);
                Err(unauthenticated("Bearer error=\"invalid_token\""))
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Problem::refusal(&Kind::TIMEOUT, "the key was not found out in time: try again")),
        }
    }
}

impl Call {
    /// Whether the caller may ask for an operation of this kind. The service asks again, of the tenant that it works
    /// on; asked here, the answer comes before parameters, conditions and body are looked at.
    fn authorize(&self, access: Access) -> Result<(), Problem> {
        match access {
            Access::Public | Access::Bearer => {}
            Access::Tenant(needed) => drop(self.in_tenant()?.authorized_tenant(needed)?),
            Access::Operator => self.in_installation()?.authorized_operator()?,
        }
        Ok(())
    }
}

/// The refusal of a caller who is not known. What is wrong with a token is not told, in whatever part of the answer.
pub(super) fn unauthenticated(challenge: &'static str) -> Problem {
    Problem::refusal(&Kind::UNAUTHENTICATED, Error::Unauthenticated.to_string())
        .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

fn credential(headers: &HeaderMap) -> Credential<'_> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Credential::None;
    };
    let text = value.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Credential::Token(token.trim()),
        _ => Credential::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_one_header_of_the_scheme_bearer() {
        let read = |values: &[&'static str]| {
            let values = values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_static(value)));
            let headers: HeaderMap = values.collect();
            match credential(&headers) {
                Credential::Token(token) => Some(token.to_owned()),
                Credential::None => None,
            }
        };
        for text in ["Bearer cs_1", "bearer cs_1", "BEARER   cs_1 "] {
            assert_eq!(read(&[text]).as_deref(), Some("cs_1"), "{text}");
        }
        assert_eq!(read(&["Bearer "]).as_deref(), Some(""));
        for values in [&[][..], &["cs_1"], &["Basic cs_1"], &["Bearercs_1"], &["Bearer cs_1", "Bearer cs_1"]]
        {
            assert_eq!(read(values), None, "{values:?}");
        }
    }
}
