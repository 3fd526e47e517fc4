//! API keys: the credentials that programs send.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::access::{Access, Principal};
use crate::clock::Timestamp;
use crate::id::{KeyId, SECRET_BYTES};
use crate::limits::MAX_KEY_NAME_CHARS;

/// A key as it is stored. The secret itself is not stored, only a hash of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// The name that people gave it.
    pub name: String,
    /// The access of its bearer.
    pub access: Access,
    /// The hash of its secret.
    pub secret_hash: SecretHash,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, or is going to be.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether the key works at `now`.
    pub fn works(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at) && self.revoked_at.is_none_or(|at| now < at)
    }

    /// Returns the principal that the key stands for.
    pub fn principal(&self) -> Principal {
        Principal { name: format!("key:{}", self.id), access: self.access.clone() }
    }

    /// Returns the key as the API shows it, without its secret and the hash of it.
    pub fn to_json(&self) -> Value {
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let (tenant, scope) = match &self.access {
            Access::Operator => (None, "operator"),
            Access::Tenant { tenant, permission } => (Some(tenant.as_str()), permission.as_str()),
        };
        json!({
            "id": self.id.as_str(),
            "name": self.name,
            "tenant_id": tenant,
            "scope": scope,
            "created_at": self.created_at.to_string(),
            "expires_at": moment(self.expires_at),
            "revoked_at": moment(self.revoked_at),
            "last_used_at": moment(self.last_used_at),
        })
    }
}

/// Checks the name of a key: 1 to [`MAX_KEY_NAME_CHARS`] characters, none of them a control character.
///
/// # Errors
/// The rule, if the name breaks it.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = (1..=MAX_KEY_NAME_CHARS).contains(&name.chars().count());
    if fits && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(format!("a key's name has 1 to {MAX_KEY_NAME_CHARS} characters, none of them a control character"))
}

/// The token of a key, `cs_<id>_<secret>`: what its bearer sends. It is shown once, when the key is created,
/// and never stored.
pub struct Token {
    id: KeyId,
    secret: [u8; SECRET_BYTES],
}

const PREFIX: &str = "cs_";

impl Token {
    /// Returns the token of the key `id`; the secret must come from an [`IdSource`](crate::id::IdSource).
    pub fn new(id: KeyId, secret: [u8; SECRET_BYTES]) -> Self {
        Self { id, secret }
    }

    /// Returns the id of the key that the token belongs to.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Returns the hash that is stored. A fast hash is enough because 256 random bits cannot be guessed.
    pub fn secret_hash(&self) -> SecretHash {
        SecretHash(hex::encode(Sha256::digest(self.secret)))
    }

    /// Returns the token as its bearer sends it.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, URL_SAFE_NO_PAD.encode(self.secret))
    }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, secret) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(())?;
        let id = id.parse().map_err(|_: String| ())?;
        let secret = URL_SAFE_NO_PAD.decode(secret).map_err(|_: base64::DecodeError| ())?;
        Ok(Self { id, secret: secret.try_into().map_err(|_: Vec<u8>| ())? })
    }
}

/// The SHA-256 of a secret, in lower-case hexadecimal digits.
#[derive(Debug, Clone)]
pub struct SecretHash(String);

impl SecretHash {
    /// Returns a hash that was read from a store.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the hash as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Compares in constant time, so that the time does not show where two hashes differ.
impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SecretHash {}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_a_whole_token_is_parsed() {
        let id = KeyId::new(Uuid::from_u128(7));
        let token = Token::new(id.clone(), [9; SECRET_BYTES]);
        let text = token.reveal();
        let read: Token = text.parse().unwrap();
        assert_eq!((read.id(), read.secret_hash()), (&id, token.secret_hash()));
        let short = text.trim_end_matches(|_| true);
        for wrong in [
            "",
            "cs_",
            "Bearer",
            short,
            &text.replace("cs_", "sk_"),
            &format!("{text}A"),
            &text.to_uppercase(),
        ] {
            assert!(wrong.parse::<Token>().is_err(), "{wrong} was accepted");
        }
    }

    #[test]
    fn a_key_is_shown_without_its_secret() {
        let token = Token::new(KeyId::new(Uuid::from_u128(7)), [9; SECRET_BYTES]);
        let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let key = ApiKey {
            id: token.id().clone(),
            name: "ci".to_owned(),
            access: Access::Operator,
            secret_hash: token.secret_hash(),
            created_at: now,
            expires_at: Some(now.saturating_add_micros(1)),
            revoked_at: None,
            last_used_at: None,
        };
        assert!(!key.to_json().to_string().contains(token.secret_hash().as_str()));
        assert!(key.works(now) && !key.works(now.saturating_add_micros(1)));
        let revoked = ApiKey { revoked_at: Some(now), ..key };
        assert!(!revoked.works(now));
    }
}
