//! Statements on the changes.

use crate::columns::{Column, join};

use super::super::columns::ChangeColumn;
use super::fragments::{CONTEXT_CHANGES, Statement, change_columns, is_ours};

/// The change with the key `$4` of the principal `$3`, if it was made after `$2`.
pub(crate) static CHANGE_ON_KEY: Statement = Statement::new(|| {
    let (columns, our) = (change_columns(), is_ours("e"));
    format!(
        "SELECT {columns} FROM {CONTEXT_CHANGES} AS e WHERE {our} \
         AND e.idempotency_principal = $3 AND e.idempotency_key = $4 AND e.changed_at > $2"
    )
});

/// Removes the key `$4` of the principal `$3` from a change that was not made after `$2`.
pub(crate) static FREE_KEY: Statement = Statement::new(|| {
    let our = is_ours("e");
    let set = join(ChangeColumn::KEY, |column| format!("{} = NULL", column.name()));
    format!(
        "UPDATE {CONTEXT_CHANGES} AS e SET {set} WHERE {our} \
         AND e.idempotency_principal = $3 AND e.idempotency_key = $4 AND e.changed_at <= $2 RETURNING 1"
    )
});

/// The changes before the transaction `$2` and the context `$3`, newest first.
pub(crate) static CHANGES: Statement = Statement::new(|| {
    let (columns, our) = (change_columns(), is_ours("e"));
    format!(
        "SELECT {columns} FROM {CONTEXT_CHANGES} AS e WHERE {our} \
         AND (e.transaction_id, e.context_id) < ($2, $3) ORDER BY e.transaction_id DESC, e.context_id DESC \
         LIMIT $4"
    )
});

/// The changes of the context `$5` before the transaction `$2` and the context `$3`, newest first.
pub(crate) static CHANGES_OF_ONE: Statement = Statement::new(|| {
    let (columns, our) = (change_columns(), is_ours("e"));
    format!(
        "SELECT {columns} FROM {CONTEXT_CHANGES} AS e WHERE {our} AND e.context_id = $5 \
         AND (e.transaction_id < $2 OR (e.transaction_id = $2 AND e.context_id < $3)) \
         ORDER BY e.transaction_id DESC LIMIT $4"
    )
});
