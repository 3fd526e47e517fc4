//! Names in SQL: each quoted, so that it is what it says and nothing else.

use context_domain::id::TenantId;

/// A name as an identifier: `"tenant_my-tenant"`.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal. Whatever `standard_conforming_strings` says, it is read as it stands.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// The name of a tenant's schema, not quoted. One id has one schema: an id has at most 48 bytes, a name in PostgreSQL 63.
pub fn schema_of(tenant: &TenantId) -> String {
    format!("tenant_{tenant}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_end_their_quotes() {
        assert_eq!(identifier("a\"; DROP"), "\"a\"\"; DROP\"");
        assert_eq!(literal("it's \\"), "E'it''s \\\\'");
        assert_eq!(literal("default"), "'default'");
        assert_eq!(schema_of(&"my-tenant".parse().unwrap()), "tenant_my-tenant");
    }
}
