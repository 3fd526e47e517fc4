//! The columns of `contexts` and `context_changes`, each listed once.
//!
//! SQL text, parameters and row readers follow from these lists. A column that is added here is selected,
//! inserted, updated and shown in the content of a change. The compiler then points to where its value is
//! bound (`commit`) and to where it is read (`rows`).

use tokio_postgres::types::Type;

use crate::columns::columns;

columns! {
    /// The columns of `contexts`. The types are those that parameters are sent with.
    ContextColumn(Type):
    Id "id" Type::TEXT;
    ContextData "context_data" Type::JSONB;
    ContextType "context_type" Type::TEXT;
    Title "title" Type::TEXT;
    Description "description" Type::TEXT;
    Tags "tags" Type::TEXT_ARRAY;
    TenantId "tenant_id" Type::TEXT;
    UserId "user_id" Type::TEXT;
    CreatedAt "created_at" Type::TIMESTAMPTZ;
    UpdatedAt "updated_at" Type::TIMESTAMPTZ;
    ExpiresAt "expires_at" Type::TIMESTAMPTZ;
    Version "version" Type::INT4;
    ContextLevel "context_level" Type::TEXT;
    ParentId "parent_id" Type::TEXT;
    NodeKey "node_key" Type::TEXT;
    Inheritance "inheritance" Type::JSONB;
    Terms "terms" Type::TEXT_ARRAY;
}

impl ContextColumn {
    /// The columns of a context's place in the tree, which each statement fills in its own way.
    pub(super) const PLACE: [Self; 3] = [Self::ContextLevel, Self::ParentId, Self::NodeKey];

    /// How many columns are read. Other values that a statement selects come after them.
    pub(super) const READ: usize = Self::Terms as usize;

    /// Returns the columns that are read: all but the terms, which are only compared.
    pub(super) fn read_columns() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|column| *column != Self::Terms)
    }

    /// Returns the columns that a write of a context fills with parameters, in the order of the parameters.
    pub(super) fn written_columns() -> impl Iterator<Item = Self> {
        let filled_by_statement = |column: &Self| *column == Self::TenantId || Self::PLACE.contains(column);
        Self::ALL.iter().copied().filter(move |column| !filled_by_statement(column))
    }
}

columns! {
    /// The columns of `context_changes`. The types are those that parameters are sent with.
    ChangeColumn(Type):
    TransactionId "transaction_id" Type::XID8;
    ContextId "context_id" Type::TEXT;
    Version "version" Type::INT4;
    Operation "operation" Type::TEXT;
    ChangedAt "changed_at" Type::TIMESTAMPTZ;
    ChangedBy "changed_by" Type::TEXT;
    RequestId "request_id" Type::TEXT;
    Content "content" Type::JSONB;
    IdempotencyPrincipal "idempotency_principal" Type::TEXT;
    IdempotencyKey "idempotency_key" Type::TEXT;
    IdempotencyRequest "idempotency_request" Type::TEXT;
    TenantId "tenant_id" Type::TEXT;
}

impl ChangeColumn {
    /// The columns that parameters fill, in the order of the parameters: `$1` is the tenant, `$2` the time of
    /// the change. The others are filled with what the statement wrote.
    pub(super) const PARAMETERS: [Self; 8] = [
        Self::TenantId,
        Self::ChangedAt,
        Self::ChangedBy,
        Self::RequestId,
        Self::IdempotencyPrincipal,
        Self::IdempotencyKey,
        Self::IdempotencyRequest,
        Self::Operation,
    ];

    /// The columns of an idempotency key.
    pub(super) const KEY: [Self; 3] =
        [Self::IdempotencyPrincipal, Self::IdempotencyKey, Self::IdempotencyRequest];

    /// Returns the columns that are read: all but the tenant's id.
    pub(super) fn read_columns() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|column| *column != Self::TenantId)
    }
}

// A column's index is its position among those that are read, so the one that is not read must come last.
const _: () = assert!(ContextColumn::READ + 1 == ContextColumn::ALL.len());
const _: () = assert!(ChangeColumn::TenantId as usize + 1 == ChangeColumn::ALL.len());
