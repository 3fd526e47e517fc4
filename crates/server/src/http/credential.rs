//! The credential of an HTTP request, and the responses to a missing or invalid one (RFC 6750).

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue};
use context_domain::error::{Code, Error};

use super::problem::Problem;
use crate::auth::IdentityError;

/// Returns the bearer token of the request; `None` without exactly one `Authorization` header of the scheme
/// `Bearer`.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Returns the refusal of a request without a token.
pub(crate) fn no_token() -> Problem {
    unauthenticated("Bearer")
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::NoToken => no_token(),
            IdentityError::InvalidToken => unauthenticated("Bearer error=\"invalid_token\""),
            IdentityError::TimedOut => {
                Self::refusal(Code::Timeout, "the API key could not be checked in time: try again")
            }
            IdentityError::Service(error) => error.into(),
        }
    }
}

/// Returns the refusal with this challenge. No part of the response says what is wrong with a token.
fn unauthenticated(challenge: &'static str) -> Problem {
    Problem::refusal(Code::Unauthenticated, Error::Unauthenticated.to_string())
        .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_one_header_of_the_bearer_scheme() {
        let token = |values: &[&'static str]| {
            let values = values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_static(value)));
            let headers: HeaderMap = values.collect();
            bearer_token(&headers).map(str::to_owned)
        };
        for text in ["Bearer cs_1", "bearer cs_1", "BEARER   cs_1 "] {
            assert_eq!(token(&[text]).as_deref(), Some("cs_1"), "{text}");
        }
        assert_eq!(token(&["Bearer "]).as_deref(), Some(""));
        for values in [&[][..], &["cs_1"], &["Basic cs_1"], &["Bearercs_1"], &["Bearer cs_1", "Bearer cs_1"]]
        {
            assert_eq!(token(values), None, "{values:?}");
        }
    }
}
