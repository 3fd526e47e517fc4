//! Quoting of names and texts for SQL, so that none of them can end its quotes.

use context_domain::id::TenantId;

/// Quotes a name as an identifier: `"tenant_my-tenant"`.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text as a literal that has the same value whatever `standard_conforming_strings` is.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// Returns the name of a tenant's schema, not quoted. No two ids share one: an id has at most 48 bytes, and
/// PostgreSQL truncates names to 63.
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
