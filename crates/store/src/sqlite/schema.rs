//! The tables of the two kinds of file, as ordered revisions, and how a file of ours is recognized.

use std::cmp::Ordering;

use context_domain::id::TenantId;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::failure::Failure;
use super::index;

/// A kind of file: its application id, and the revisions that its tables went through.
pub(super) struct Schema {
    application_id: i32,
    /// The revisions in order, each with the `user_version` that it sets. `{tenant}` stands for the tenant's
    /// id.
    revisions: &'static [(u32, &'static str)],
    /// The steps that fill tables from others, each run after the revision of that number.
    fills: &'static [(u32, Fill)],
}

/// A step of a revision that SQL alone cannot do.
type Fill = fn(&Connection, &TenantId) -> Result<(), Failure>;

/// The state of a file's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileState {
    /// There are no tables yet.
    Empty,
    /// The tables are those of this earlier revision.
    Outdated(u32),
    /// The tables are those of this version.
    Current,
}

/// `control.db`. The application id reads `CtxC`.
pub(super) const CONTROL: Schema = Schema {
    application_id: 0x4374_7843,
    revisions: &[
        (
            1,
            "
        CREATE TABLE tenants (
            id         TEXT    NOT NULL PRIMARY KEY,
            generation TEXT    NOT NULL UNIQUE,
            created_at INTEGER NOT NULL
        ) STRICT;
    ",
        ),
        // A tenant's keys are removed with its row, so that they do not open a tenant that is created again
        // under the same id. An operator's key has neither tenant nor permission.
        (
            2,
            "
        CREATE TABLE api_keys (
            id           TEXT    NOT NULL PRIMARY KEY,
            name         TEXT    NOT NULL,
            tenant_id    TEXT    REFERENCES tenants (id) ON DELETE CASCADE,
            permission   TEXT    CHECK (permission IN ('read', 'write', 'admin')),
            secret_hash  TEXT    NOT NULL,
            created_at   INTEGER NOT NULL,
            expires_at   INTEGER,
            revoked_at   INTEGER,
            last_used_at INTEGER,
            CHECK ((tenant_id IS NULL) = (permission IS NULL))
        ) STRICT;
        CREATE INDEX api_keys_tenant ON api_keys (tenant_id, id);
    ",
        ),
    ],
    fills: &[],
};

/// A tenant's file. The application id reads `CtxT`. Times are microseconds since 1970; JSON is kept as
/// compact text.
pub(super) const TENANT: Schema = Schema {
    application_id: 0x4374_7854,
    revisions: &[
        (
            1,
            "
        CREATE TABLE meta (
            only       INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
            tenant_id  TEXT    NOT NULL CHECK (tenant_id = '{tenant}'),
            generation TEXT    NOT NULL,
            dropped    INTEGER NOT NULL DEFAULT 0 CHECK (dropped IN (0, 1)),
            revision   INTEGER NOT NULL DEFAULT 0
        ) STRICT;

        CREATE TABLE contexts (
            id            TEXT    NOT NULL PRIMARY KEY,
            context_data  TEXT    NOT NULL,
            context_type  TEXT    NOT NULL,
            title         TEXT,
            description   TEXT,
            tags          TEXT    NOT NULL DEFAULT '[]',
            tenant_id     TEXT    NOT NULL CHECK (tenant_id = '{tenant}'),
            user_id       TEXT,
            created_at    INTEGER NOT NULL,
            updated_at    INTEGER NOT NULL,
            expires_at    INTEGER,
            version       INTEGER NOT NULL DEFAULT 1 CHECK (version >= 0),
            context_level TEXT,
            parent_id     TEXT    REFERENCES contexts (id) ON DELETE CASCADE,
            node_key      TEXT,
            inheritance   TEXT,
            UNIQUE (parent_id, node_key),
            CHECK (CASE
                WHEN context_level IS NULL OR context_level = 'global'
                    THEN parent_id IS NULL AND node_key IS NULL
                WHEN context_level IN ('project', 'branch', 'task')
                    THEN parent_id IS NOT NULL AND node_key IS NOT NULL
                ELSE 0
            END),
            CHECK (context_level IS NOT 'global' OR expires_at IS NULL)
        ) STRICT;
        CREATE UNIQUE INDEX contexts_one_global ON contexts (context_level) WHERE context_level = 'global';

        CREATE TABLE context_changes (
            tenant_id             TEXT    NOT NULL CHECK (tenant_id = '{tenant}'),
            revision              INTEGER NOT NULL,
            context_id            TEXT    NOT NULL,
            version               INTEGER NOT NULL,
            operation             TEXT    NOT NULL
                CHECK (operation IN ('create', 'update', 'delete', 'expire', 'none')),
            changed_at            INTEGER NOT NULL,
            changed_by            TEXT    NOT NULL,
            request_id            TEXT    NOT NULL,
            idempotency_principal TEXT,
            idempotency_key       TEXT,
            idempotency_request   TEXT,
            content               TEXT,
            PRIMARY KEY (revision, context_id)
        ) STRICT;
        CREATE INDEX context_changes_context ON context_changes (context_id, revision);
        CREATE UNIQUE INDEX context_changes_idempotency
            ON context_changes (idempotency_principal, idempotency_key) WHERE idempotency_key IS NOT NULL;
    ",
        ),
        // A context's position is a number that sorts as its id does, because the full-text index sorts by
        // number. The index holds no text: its terms are hashes (`terms.rs`), and entries are removed by
        // position.
        (
            2,
            "
        CREATE TABLE context_index (
            position   INTEGER NOT NULL PRIMARY KEY,
            id         TEXT    NOT NULL UNIQUE,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL
        ) STRICT;
        CREATE VIRTUAL TABLE context_terms USING fts5 (
            terms, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
        );
    ",
        ),
    ],
    fills: &[(2, index::fill)],
};

impl Schema {
    /// Reads the state of the connection's file, in one snapshot.
    ///
    /// # Errors
    /// [`Failure::Damaged`] for a file that is not of this kind, and for one that a newer version wrote.
    pub(super) fn read_state(&self, connection: &Connection) -> Result<FileState, Failure> {
        let (application_id, revision, tables): (i32, i64, i64) = connection.query_row(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
             FROM pragma_application_id, pragma_user_version",
            (),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        if (application_id, revision, tables) == (0, 0, 0) {
            return Ok(FileState::Empty);
        }
        let known = self.revisions.last().map_or(0, |(number, _)| *number);
        match u32::try_from(revision) {
            Ok(revision @ 1..) if application_id == self.application_id => match revision.cmp(&known) {
                Ordering::Less => Ok(FileState::Outdated(revision)),
                Ordering::Equal => Ok(FileState::Current),
                Ordering::Greater => Err(Failure::damaged(format!(
                    "its file has revision {revision}, which a newer version of this program made; \
                     this one knows revision {known}"
                ))),
            },
            _ => Err(Failure::damaged("its file is not one that this program made")),
        }
    }

    /// Brings the tables of the transaction's file from `found` to those of this version.
    pub(super) fn complete(
        &self,
        transaction: &Transaction<'_>,
        found: FileState,
        tenant: Option<&TenantId>,
    ) -> Result<(), Failure> {
        let done = match found {
            FileState::Empty => 0,
            FileState::Outdated(revision) => revision,
            FileState::Current => return Ok(()),
        };
        transaction.pragma_update(None, "application_id", self.application_id)?;
        for (number, sql) in self.revisions.iter().filter(|(number, _)| *number > done) {
            // A tenant's id holds no character that could end the literal.
            let sql = sql.replace("{tenant}", tenant.map_or("", TenantId::as_str));
            transaction.execute_batch(&sql)?;
            transaction.pragma_update(None, "user_version", number)?;
        }
        // Fills read rows with the columns of this version, which later revisions may have added.
        for (_, fill) in self.fills.iter().filter(|(number, _)| *number > done) {
            let tenant =
                tenant.ok_or_else(|| Failure::Misuse("a tenant's file needs the tenant's id".to_owned()))?;
            fill(transaction, tenant)?;
        }
        Ok(())
    }

    /// Brings the file to the revision of this version, unless another process does it first.
    pub(super) fn upgrade(
        &self,
        connection: &mut Connection,
        tenant: Option<&TenantId>,
    ) -> Result<(), Failure> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = self.read_state(&transaction)?;
        self.complete(&transaction, found, tenant)?;
        Ok(transaction.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::columns::{ChangeColumn, ContextColumn};
    use super::*;
    use crate::columns::Column;

    const FIRST: (u32, &str) =
        (1, "CREATE TABLE t (a TEXT DEFAULT '{tenant}'); INSERT INTO t DEFAULT VALUES;");
    const OLD: Schema = Schema { application_id: 7, revisions: &[FIRST], fills: &[] };
    const NEW: Schema =
        Schema { application_id: 7, revisions: &[FIRST, (2, "ALTER TABLE t ADD COLUMN b;")], fills: &[] };

    fn file_of(schema: &Schema) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        schema.upgrade(&mut connection, Some(&"mine".parse().unwrap())).unwrap();
        connection
    }

    fn columns(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM pragma_table_info('t')", (), |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_earlier_revision_is_raised_and_keeps_its_rows() {
        let mut connection = file_of(&OLD);
        assert_eq!((NEW.read_state(&connection).unwrap(), columns(&connection)), (FileState::Outdated(1), 1));
        for _ in 0..2 {
            NEW.upgrade(&mut connection, None).unwrap();
            assert_eq!((NEW.read_state(&connection).unwrap(), columns(&connection)), (FileState::Current, 2));
        }
        let kept: String = connection.query_row("SELECT a FROM t", (), |row| row.get(0)).unwrap();
        assert_eq!(kept, "mine");
    }

    fn copy_later_column(connection: &Connection, _: &TenantId) -> Result<(), Failure> {
        connection.execute("INSERT INTO copied SELECT b FROM t", ())?;
        Ok(())
    }

    #[test]
    fn a_fill_reads_columns_that_later_revisions_added() {
        let revisions: &[_] = &[
            FIRST,
            (2, "CREATE TABLE copied (b);"),
            (3, "ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'later';"),
        ];
        let filled = Schema { application_id: 7, revisions, fills: &[(2, copy_later_column)] };
        let mut connection = file_of(&OLD);
        filled.upgrade(&mut connection, Some(&"mine".parse().unwrap())).unwrap();
        let copied: String = connection.query_row("SELECT b FROM copied", (), |row| row.get(0)).unwrap();
        assert_eq!(copied, "later");
    }

    #[test]
    fn a_file_that_is_newer_or_of_another_kind_is_refused() {
        assert!(matches!(OLD.read_state(&file_of(&NEW)), Err(Failure::Damaged { .. })));
        let other = Schema { application_id: 8, revisions: &[FIRST], fills: &[] };
        let mut connection = file_of(&OLD);
        assert!(matches!(other.read_state(&connection), Err(Failure::Damaged { .. })));
        assert!(matches!(other.upgrade(&mut connection, None), Err(Failure::Damaged { .. })));
        assert_eq!(NEW.read_state(&Connection::open_in_memory().unwrap()).unwrap(), FileState::Empty);
    }

    #[test]
    fn revisions_are_numbered_without_a_gap() {
        for schema in [&CONTROL, &TENANT] {
            let numbers = schema.revisions.iter().map(|(number, _)| *number);
            assert!(numbers.eq(1..=u32::try_from(schema.revisions.len()).unwrap()));
        }
    }

    #[test]
    fn the_lists_of_columns_are_those_of_the_tables() {
        let connection = file_of(&TENANT);
        let contexts = ContextColumn::ALL.iter().map(|column| column.name().to_owned());
        assert_eq!(contexts.collect::<BTreeSet<_>>(), columns_of(&connection, "contexts"));
        let changes = ChangeColumn::ALL.iter().map(|column| column.name().to_owned());
        assert_eq!(changes.collect::<BTreeSet<_>>(), columns_of(&connection, "context_changes"));
    }

    fn columns_of(connection: &Connection, table: &str) -> BTreeSet<String> {
        let mut columns = connection.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
        columns.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}
