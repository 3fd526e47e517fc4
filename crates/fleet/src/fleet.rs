//! The connection to a PostgreSQL installation, as the role that owns it.

use context_domain::error::Error;
use context_store::postgres::{ConnectionMode, PostgresUrl, Session, SessionMode, identifier};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::installation::{Installation, READ_ONLY};

/// A PostgreSQL installation, seen by the role that owns it: the only way to examine, change or export one.
///
/// **Life cycle.** [`Fleet::connect`] opens one connection and reads who is connected and who owns the
/// installation. Every operation is a method; dropping the value closes the connection. It is meant for one
/// command and not kept: a later change of ownership is not noticed.
///
/// **Operations.** [`examine`](Fleet::examine) and [`examine_for`](Fleet::examine_for) read only, and need no
/// more than the right to read. [`bootstrap`](Fleet::bootstrap) makes and repairs, [`export`](Fleet::export)
/// writes files, and [`recreate`](Fleet::recreate) drops what was exported. An operation that changes the
/// database first checks that the role may, and acts as the owner of the installation if the connected role
/// is a member of it.
///
/// **Concurrency.** A value does one thing at a time: operations that change something take `&mut self`. They
/// open more connections for many tenants ([`Plan::workers`](crate::Plan::workers)). Any number of processes
/// may bootstrap the same installation at once: the control schema is changed under an advisory lock, and
/// each tenant under a lock on its row in the directory. Serving goes on meanwhile: no change waits for a
/// lock longer than the lock timeout.
///
/// **Failure.** Errors are [`Error::Unavailable`], with host, user, database and what to do in the message.
/// Each tenant is changed in a transaction of its own, so that one that fails leaves the others alone and is
/// in the report. Locks that others hold, deadlocks and serialization failures are retried
/// (`change/retry.rs`); everything else is returned at once. Every operation is safe to repeat after a
/// failure.
pub struct Fleet {
    pub(crate) session: Session,
    connector: Connector,
}

/// The values that are needed to open one more connection to the same installation.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    pub(crate) url: PostgresUrl,
    pub(crate) mode: ConnectionMode,
    pub(crate) installation: Installation,
}

impl Fleet {
    /// Connects to the database that `url` names.
    ///
    /// # Errors
    /// [`Error::Unavailable`], naming host, user and database and what to do: if the database cannot be
    /// reached, its server is too old, or its encoding is not UTF-8.
    pub async fn connect(url: &PostgresUrl, mode: ConnectionMode) -> Result<Self, Error> {
        let session = Session::open(url, mode).await?;
        let mut installation = Installation::from_url(url);
        disable_jit(&session)
            .await
            .map_err(|error| installation.statement_failed("set up the connection", error))?;
        let facts = ServerFacts::query(session.client(), &installation).await?;
        installation.user = facts.user;
        installation.database = facts.database;
        installation.owner = facts.owner;
        if facts.encoding != "UTF8" {
            return Err(installation.refused(&format!(
                "the database has the encoding {}: make one with UTF-8: CREATE DATABASE … ENCODING 'UTF8' \
                 TEMPLATE template0",
                facts.encoding
            )));
        }
        Ok(Self { session, connector: Connector { url: url.clone(), mode, installation } })
    }

    pub(crate) fn client(&self) -> &Client {
        self.session.client()
    }

    pub(crate) fn installation(&self) -> &Installation {
        &self.connector.installation
    }

    pub(crate) fn connector(&self) -> Connector {
        self.connector.clone()
    }

    /// Fails unless this role may change the installation, before anything is changed. From then on it acts
    /// as the owner, if it is a member of the owner's role.
    pub(crate) async fn prepare_to_write(&mut self) -> Result<(), Error> {
        let rights = RoleRights::query(self.client(), self.installation()).await?;
        let installation = self.installation();
        let database = identifier(&installation.database);
        if rights.is_read_only {
            return Err(installation.refused(READ_ONLY));
        }
        let owner = installation.owner.clone().unwrap_or_else(|| installation.user.clone());
        if !rights.may_act {
            return Err(installation.refused(&installation.not_permitted()));
        }
        let actor = identifier(&owner);
        let mut grants = Vec::new();
        if !rights.may_create_schemas {
            grants.push(format!("GRANT CREATE ON DATABASE {database} TO {actor};"));
        }
        match rights.may_create_in_public {
            Some(true) => {}
            Some(false) => grants.push(format!("GRANT USAGE, CREATE ON SCHEMA public TO {actor};")),
            None => grants.push(format!("CREATE SCHEMA public AUTHORIZATION {actor};")),
        }
        if !grants.is_empty() {
            return Err(installation.refused(&format!(
                "the role {actor} may not create what is needed in the database {database}: have the \
                 database's owner or a superuser run: {}",
                grants.join(" ")
            )));
        }
        self.connector.installation.act_as(&owner);
        Ok(())
    }
}

/// Turns off just-in-time compilation: with catalogs that were never analyzed, the planner overestimates the
/// cost of lookups so much that it compiles them, which takes longer than running them. Through a pooler,
/// where the next statement may reach another server process, nothing is set.
async fn disable_jit(session: &Session) -> Result<(), tokio_postgres::Error> {
    match session.mode() {
        SessionMode::Direct => session.client().batch_execute("SET jit = off").await,
        SessionMode::Pooled => Ok(()),
    }
}

/// The privileges of the connected role.
struct RoleRights {
    is_read_only: bool,
    /// Whether it may act as the owner of the installation.
    may_act: bool,
    may_create_schemas: bool,
    /// `None` if there is no schema `public`.
    may_create_in_public: Option<bool>,
}

impl RoleRights {
    async fn query(client: &Client, installation: &Installation) -> Result<Self, Error> {
        let sql = "
            SELECT current_setting('transaction_read_only')::boolean,
                   pg_has_role($1::name, 'MEMBER'),
                   has_database_privilege($1::name, current_database(), 'CREATE'),
                   CASE WHEN to_regnamespace('public') IS NOT NULL THEN
                       has_schema_privilege($1::name, 'public', 'CREATE')
                       AND has_schema_privilege($1::name, 'public', 'USAGE') END";
        let failed = |error| installation.statement_failed("read what this role may do", error);
        let owner = installation.owner.as_ref().unwrap_or(&installation.user);
        let row = client.query_typed_one(sql, &[(owner, Type::TEXT)]).await.map_err(failed)?;
        let convert = || {
            Ok(Self {
                is_read_only: row.try_get(0)?,
                may_act: row.try_get(1)?,
                may_create_schemas: row.try_get(2)?,
                may_create_in_public: row.try_get(3)?,
            })
        };
        convert().map_err(failed)
    }
}

/// Facts about the connection and the server.
struct ServerFacts {
    user: String,
    database: String,
    encoding: String,
    owner: Option<String>,
}

impl ServerFacts {
    async fn query(client: &Client, installation: &Installation) -> Result<Self, Error> {
        let sql = "
            SELECT current_user::text, current_database()::text, current_setting('server_encoding'),
                   (SELECT pg_get_userbyid(relowner)::text FROM pg_class
                    WHERE oid = to_regclass('public.tenants'))";
        let failed = |error| installation.statement_failed("read the server's settings", error);
        let row = client.query_typed_one(sql, &[]).await.map_err(failed)?;
        let convert = || {
            Ok(Self {
                user: row.try_get(0)?,
                database: row.try_get(1)?,
                encoding: row.try_get(2)?,
                owner: row.try_get(3)?,
            })
        };
        convert().map_err(failed)
    }
}
