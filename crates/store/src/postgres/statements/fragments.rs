//! The parts that statements have in common: tables, conditions, columns, and the record of a write.

use std::array;
use std::sync::LazyLock;

use context_domain::id::TenantId;
use tokio_postgres::types::Type;

use super::super::columns::{ChangeColumn, ContextColumn};
use super::super::names::{identifier, schema_of};
use crate::columns::{Column, join, names, qualified_names};

/// The template of a statement, built when it is first used.
pub(super) type Statement = LazyLock<String>;

/// Returns the statement for one tenant, with the name of its schema filled in.
pub(crate) fn of_tenant(template: &str, tenant: &TenantId) -> String {
    template.replace("{schema}", &identifier(&schema_of(tenant)))
}

/// The table of contexts.
pub(super) const CONTEXTS: &str = "{schema}.contexts";
/// The table of changes.
pub(super) const CONTEXT_CHANGES: &str = "{schema}.context_changes";

/// Returns the SQL condition that the row is the tenant's.
pub(super) fn is_ours(row: &str) -> String {
    format!("coalesce({row}.tenant_id = $1, false)")
}

/// Returns the SQL condition that the row has not expired at the moment `$2`.
pub(super) fn is_unexpired(row: &str) -> String {
    format!("({row}.expires_at IS NULL OR {row}.expires_at > $2)")
}

/// Returns the SQL condition that neither the context `c` nor one of its ancestors has expired. At most two
/// ancestors can: the global node never expires. Each is read by a scalar subquery, which the planner can run
/// by primary key only.
pub(super) fn is_live() -> String {
    let (c, above1, above2) = (is_unexpired("c"), is_unexpired("above1"), is_unexpired("above2"));
    let (our1, our2) = (is_ours("above1"), is_ours("above2"));
    format!(
        "{c} AND (c.parent_id IS NULL OR (SELECT {above1} AND (above1.parent_id IS NULL OR (\
         SELECT {above2} FROM {CONTEXTS} AS above2 WHERE above2.id = above1.parent_id AND {our2})) \
         FROM {CONTEXTS} AS above1 WHERE above1.id = c.parent_id AND {our1}))"
    )
}

/// Returns the columns of the context `c` that [`rows::context`](super::super::rows::context) reads.
pub(super) fn context_columns() -> String {
    qualified_names("c", ContextColumn::read_columns())
}

/// Returns the columns of the place of the context `w`, as [`rows::place`](super::super::rows::place) reads
/// them.
pub(super) fn place_columns() -> String {
    qualified_names("w", ContextColumn::PLACE)
}

/// Returns the columns of the change `e` that are read.
pub(super) fn change_columns() -> String {
    qualified_names("e", ChangeColumn::read_columns())
}

/// Returns the column list of an INSERT of a context: the tenant, the columns that parameters fill, the
/// place.
pub(super) fn inserted_columns() -> String {
    let tenant = [ContextColumn::TenantId];
    names(tenant.into_iter().chain(ContextColumn::written_columns()).chain(ContextColumn::PLACE))
}

/// Returns the values of an INSERT of a context, in the same order. The parameters are `$first` and those
/// after it.
pub(super) fn inserted_values(first: usize, [level, parent, key]: [&str; 3]) -> String {
    let mut parameters = first..;
    let written = join(ContextColumn::written_columns(), |_| parameter(parameters.next().unwrap_or(first)));
    format!("$1, {written}, {level}, {parent}, {key}")
}

/// Returns the SET list of an UPDATE of a context. The parameters are those of [`inserted_values`], so that
/// the id is `$first`.
pub(super) fn set_list(first: usize) -> String {
    let numbered = ContextColumn::written_columns().zip(first..);
    let set = numbered.filter(|(column, _)| *column != ContextColumn::Id);
    let set = set.map(|(column, number)| format!("{} = {}", column.name(), parameter(number)));
    set.collect::<Vec<_>>().join(", ")
}

/// The number of the first parameter after those of the record.
pub(super) const FIRST_AFTER_RECORD: usize = ChangeColumn::PARAMETERS.len() + 1;

/// Returns the next parameters after those of the record.
pub(super) fn parameters_after_record<const N: usize>() -> [String; N] {
    array::from_fn(|position| parameter(FIRST_AFTER_RECORD + position))
}

fn parameter(number: usize) -> String {
    format!("${number}")
}

/// The values of a record that depend on the written rows `w`, as SQL.
pub(super) struct RecordedWrite {
    /// The version after the write.
    pub(super) version: &'static str,
    /// Whether the row carries the idempotency key.
    pub(super) has_key: String,
    /// The content after the write.
    pub(super) content: String,
}

impl RecordedWrite {
    /// Returns the values for a write of one context, which exists afterwards.
    pub(super) fn of_content() -> Self {
        Self { version: "w.version", has_key: "true".to_owned(), content: shown_content() }
    }

    /// Returns the values for a removal; `has_key` says which of the rows carries the idempotency key.
    pub(super) fn of_removal(has_key: String) -> Self {
        Self { version: "w.version + 1", has_key, content: "NULL".to_owned() }
    }

    /// Returns the table expression `recorded`, which records that the rows `w` were written.
    pub(super) fn to_sql(&self) -> String {
        let columns = || [ChangeColumn::TenantId].into_iter().chain(ChangeColumn::read_columns());
        let (names, values) = (names(columns()), join(columns(), |column| self.value(column)));
        format!(
            "recorded AS (INSERT INTO {CONTEXT_CHANGES} AS entries ({names}) SELECT {values} FROM w \
             RETURNING 1)"
        )
    }

    fn value(&self, column: ChangeColumn) -> String {
        match column {
            ChangeColumn::TransactionId => "pg_current_xact_id()".to_owned(),
            ChangeColumn::ContextId => "w.id".to_owned(),
            ChangeColumn::Version => self.version.to_owned(),
            ChangeColumn::Content => self.content.clone(),
            ChangeColumn::IdempotencyPrincipal
            | ChangeColumn::IdempotencyKey
            | ChangeColumn::IdempotencyRequest => {
                format!("CASE WHEN {} THEN {} END", self.has_key, record_parameter(column))
            }
            ChangeColumn::TenantId
            | ChangeColumn::ChangedAt
            | ChangeColumn::ChangedBy
            | ChangeColumn::RequestId
            | ChangeColumn::Operation => record_parameter(column),
        }
    }
}

/// Returns the parameter that fills a column of the record.
fn record_parameter(column: ChangeColumn) -> String {
    let numbered = ChangeColumn::PARAMETERS.iter().zip(1..);
    numbered.filter(|(filled, _)| **filled == column).map(|(_, number)| parameter(number)).collect()
}

/// Returns the SQL for the context in the row `w` as the API shows it: the same JSON as `Context::to_json`.
fn shown_content() -> String {
    let members = join(ContextColumn::read_columns(), |column| {
        let name = column.name();
        if column.column_type() == Type::TIMESTAMPTZ {
            format!("'{name}', to_char(w.{name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
        } else {
            format!("'{name}', w.{name}")
        }
    });
    format!("jsonb_build_object({members})")
}
