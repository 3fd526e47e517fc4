//! The tables of the two kinds of file, as an ordered list of revisions, and how a file is told to be ours.

use std::cmp::Ordering;

use context_domain::id::TenantId;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::failure::Failure;
use super::index;

/// A kind of file: its mark, and what made it what it is, revision by revision.
pub(super) struct Schema {
    application_id: i32,
    /// In order, each with the `user_version` that it makes. `{tenant}` stands for the tenant's id.
    revisions: &'static [(u32, &'static str)],
    /// Fills tables from what stands in others, each after the revision of that number.
    fills: &'static [(u32, Fill)],
}

/// What SQL alone cannot do on the way to a revision.
type Fill = fn(&Connection, &TenantId) -> Result<(), Failure>;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing yet.
    Empty,
    /// The tables of an earlier revision.
    Behind(u32),
    /// The tables of this version.
    Current,
}

/// `control.db`. The mark reads `CtxC`.
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
        // A tenant's keys go in the moment its row goes, so that one made again under the id is not open to them. An
        // operator's key has neither tenant nor permission.
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

/// A tenant's file. The mark reads `CtxT`. Times are microseconds since 1970; what is JSON is kept as compact text.
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
        // A context's position is a number that orders as its id does, because the full-text index orders by number.
        // The index holds no text: its terms are hashes (`terms.rs`), and it is told what to forget by position.
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
    /// What `connection`'s file holds, read in one snapshot.
    ///
    /// # Errors
    /// [`Failure::Damaged`] for a file that is not of this kind, and for one that a newer version wrote.
    pub(super) fn find(&self, connection: &Connection) -> Result<Found, Failure> {
        let (application_id, revision, tables): (i32, i64, i64) = connection.query_row(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
             FROM pragma_application_id, pragma_user_version",
            (),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        if (application_id, revision, tables) == (0, 0, 0) {
            return Ok(Found::Empty);
        }
        let known = self.revisions.last().map_or(0, |(number, _)| *number);
        match u32::try_from(revision) {
            Ok(revision @ 1..) if application_id == self.application_id => match revision.cmp(&known) {
                Ordering::Less => Ok(Found::Behind(revision)),
                Ordering::Equal => Ok(Found::Current),
                Ordering::Greater => Err(Failure::damaged(format!(
                    "its file has revision {revision}, which a newer version of this program made; \
                     this one knows revision {known}"
                ))),
            },
            _ => Err(Failure::damaged("its file is none of this program's")),
        }
    }

    /// Makes the tables of this version of what `transaction`'s file holds.
    pub(super) fn complete(
        &self,
        transaction: &Transaction<'_>,
        found: Found,
        tenant: Option<&TenantId>,
    ) -> Result<(), Failure> {
        let done = match found {
            Found::Empty => 0,
            Found::Behind(revision) => revision,
            Found::Current => return Ok(()),
        };
        transaction.pragma_update(None, "application_id", self.application_id)?;
        for (number, sql) in self.revisions.iter().filter(|(number, _)| *number > done) {
            // A tenant's id holds no character that could end the text it stands in.
            let sql = sql.replace("{tenant}", tenant.map_or("", TenantId::as_str));
            transaction.execute_batch(&sql)?;
            for (_, fill) in self.fills.iter().filter(|(after, _)| after == number) {
                fill(
                    transaction,
                    tenant.ok_or_else(|| Failure::Misuse("whose file it is was not said".to_owned()))?,
                )?;
            }
            transaction.pragma_update(None, "user_version", number)?;
        }
        Ok(())
    }

    /// Raises an earlier revision to this version's, unless another process does it first.
    pub(super) fn upgrade(
        &self,
        connection: &mut Connection,
        tenant: Option<&TenantId>,
    ) -> Result<(), Failure> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = self.find(&transaction)?;
        self.complete(&transaction, found, tenant)?;
        Ok(transaction.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: (u32, &str) =
        (1, "CREATE TABLE t (a TEXT DEFAULT '{tenant}'); INSERT INTO t DEFAULT VALUES;");
    const OLD: Schema = Schema { application_id: 7, revisions: &[FIRST], fills: &[] };
    const NEW: Schema =
        Schema { application_id: 7, revisions: &[FIRST, (2, "ALTER TABLE t ADD COLUMN b;")], fills: &[] };

    fn of(schema: &Schema) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        schema.upgrade(&mut connection, Some(&"mine".parse().unwrap())).unwrap();
        connection
    }

    fn columns(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM pragma_table_info('t')", (), |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_earlier_revision_is_raised_and_keeps_its_rows() {
        let mut connection = of(&OLD);
        assert_eq!((NEW.find(&connection).unwrap(), columns(&connection)), (Found::Behind(1), 1));
        for _ in 0..2 {
            NEW.upgrade(&mut connection, None).unwrap();
            assert_eq!((NEW.find(&connection).unwrap(), columns(&connection)), (Found::Current, 2));
        }
        let kept: String = connection.query_row("SELECT a FROM t", (), |row| row.get(0)).unwrap();
        assert_eq!(kept, "mine");
    }

    #[test]
    fn what_is_newer_or_anothers_is_refused() {
        assert!(matches!(OLD.find(&of(&NEW)), Err(Failure::Damaged { .. })));
        let other = Schema { application_id: 8, revisions: &[FIRST], fills: &[] };
        let mut connection = of(&OLD);
        assert!(matches!(other.find(&connection), Err(Failure::Damaged { .. })));
        assert!(matches!(other.upgrade(&mut connection, None), Err(Failure::Damaged { .. })));
        assert_eq!(NEW.find(&Connection::open_in_memory().unwrap()).unwrap(), Found::Empty);
    }

    #[test]
    fn revisions_are_numbered_without_a_gap() {
        for schema in [&CONTROL, &TENANT] {
            let numbers = schema.revisions.iter().map(|(number, _)| *number);
            assert!(numbers.eq(1..=u32::try_from(schema.revisions.len()).unwrap()));
        }
    }
}
