//! The columns of `contexts` and `context_changes`, each listed once.
//!
//! SQL text, parameters and row readers follow from these lists. A column that is added here is selected,
//! inserted and updated. The compiler then points to where its value is bound and to where it is read, and a
//! test to the revision of the schema that it needs.

use crate::columns::columns;

columns! {
    /// The columns of `contexts`.
    ContextColumn:
    Id "id";
    ContextData "context_data";
    ContextType "context_type";
    Title "title";
    Description "description";
    Tags "tags";
    TenantId "tenant_id";
    UserId "user_id";
    CreatedAt "created_at";
    UpdatedAt "updated_at";
    ExpiresAt "expires_at";
    Version "version";
    ContextLevel "context_level";
    ParentId "parent_id";
    NodeKey "node_key";
    Inheritance "inheritance";
}

columns! {
    /// The columns of `context_changes`.
    ChangeColumn:
    Revision "revision";
    ContextId "context_id";
    Version "version";
    Operation "operation";
    ChangedAt "changed_at";
    ChangedBy "changed_by";
    RequestId "request_id";
    Content "content";
    IdempotencyPrincipal "idempotency_principal";
    IdempotencyKey "idempotency_key";
    IdempotencyRequest "idempotency_request";
    TenantId "tenant_id";
}

impl ChangeColumn {
    /// The columns of an idempotency key.
    pub(super) const KEY: [Self; 3] =
        [Self::IdempotencyPrincipal, Self::IdempotencyKey, Self::IdempotencyRequest];

    /// Returns the columns that are read: all but the tenant's id.
    pub(super) fn read_columns() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|column| *column != Self::TenantId)
    }
}

// A column's index is its position among those that are read, so the one that is not read must come last.
const _: () = assert!(ChangeColumn::TenantId as usize + 1 == ChangeColumn::ALL.len());
