//! The way to a PostgreSQL installation, as the role that owns it.

use context_domain::error::Error;
use context_store::postgres::{ConnectionMode, PostgresUrl, Session, SessionMode, identifier};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::failure::Place;

/// A PostgreSQL installation, and the right to change it.
pub struct Fleet {
    pub(crate) session: Session,
    reach: Reach,
}

/// What it takes to connect once more, and to say where.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) url: PostgresUrl,
    pub(crate) mode: ConnectionMode,
    pub(crate) place: Place,
}

impl Fleet {
    /// Connects to the database that `url` names.
    ///
    /// # Errors
    /// [`Error::Unavailable`], naming host, user and database and what to do: where there is no way to the database,
    /// where its server is too old, and where it does not keep its text in UTF-8.
    pub async fn connect(url: &PostgresUrl, mode: ConnectionMode) -> Result<Self, Error> {
        let session = Session::open(url, mode).await?;
        let mut place = Place::of(url);
        without_machine_code(&session).await.map_err(|error| place.failed("set up the connection", error))?;
        let facts = Facts::read(session.client(), &place).await?;
        place.user = facts.user;
        place.database = facts.database;
        place.owner = facts.owner;
        if facts.encoding != "UTF8" {
            return Err(place.refused(&format!(
                "the database keeps its text in {}: make one with UTF-8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE \
                 template0",
                facts.encoding
            )));
        }
        Ok(Self { session, reach: Reach { url: url.clone(), mode, place } })
    }

    pub(crate) fn client(&self) -> &Client {
        self.session.client()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.reach.place
    }

    pub(crate) fn reach(&self) -> Reach {
        self.reach.clone()
    }

    /// Makes sure that this role may change the installation, before anything is changed: as its owner, where the
    /// role may act for it.
    pub(crate) async fn prepare_to_write(&mut self) -> Result<(), Error> {
        let rights = Rights::read(self.client(), self.place()).await?;
        let place = self.place();
        let database = identifier(&place.database);
        if rights.is_read_only {
            return Err(place.refused("the server takes no writes (a standby?): name the primary"));
        }
        let owner = place.owner.clone().unwrap_or_else(|| place.user.clone());
        if !rights.may_act {
            return Err(place.refused(&place.not_permitted()));
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
            return Err(place.refused(&format!(
                "the role {actor} may not create what is needed in the database {database}: have the database's owner or \
                 a superuser run: {}",
                grants.join(" ")
            )));
        }
        self.reach.place.act_as(&owner);
        Ok(())
    }
}

/// Has the server make no machine code for what is asked: in catalogs that nobody has counted it takes the looking for
/// longer work than making the code is. Behind a pooler, where the next statement may meet another server process, nothing
/// is set.
async fn without_machine_code(session: &Session) -> Result<(), tokio_postgres::Error> {
    match session.mode() {
        SessionMode::Direct => session.client().batch_execute("SET jit = off").await,
        SessionMode::Pooled => Ok(()),
    }
}

/// What this role may do.
struct Rights {
    is_read_only: bool,
    /// Whether it may do what the owner of the installation may.
    may_act: bool,
    may_create_schemas: bool,
    /// None where there is no schema `public`.
    may_create_in_public: Option<bool>,
}

impl Rights {
    async fn read(client: &Client, place: &Place) -> Result<Self, Error> {
        let sql = "
            SELECT current_setting('transaction_read_only')::boolean,
                   pg_has_role($1::name, 'MEMBER'),
                   has_database_privilege($1::name, current_database(), 'CREATE'),
                   CASE WHEN to_regnamespace('public') IS NOT NULL THEN
                       has_schema_privilege($1::name, 'public', 'CREATE')
                       AND has_schema_privilege($1::name, 'public', 'USAGE') END";
        let failed = |error| place.failed("ask what this role may do", error);
        let owner = place.owner.as_ref().unwrap_or(&place.user);
        let row = client.query_typed_one(sql, &[(owner, Type::TEXT)]).await.map_err(failed)?;
        let read = || {
            Ok(Self {
                is_read_only: row.try_get(0)?,
                may_act: row.try_get(1)?,
                may_create_schemas: row.try_get(2)?,
                may_create_in_public: row.try_get(3)?,
            })
        };
        read().map_err(failed)
    }
}

/// What the server says of itself.
struct Facts {
    user: String,
    database: String,
    encoding: String,
    owner: Option<String>,
}

impl Facts {
    async fn read(client: &Client, place: &Place) -> Result<Self, Error> {
        let sql =
            "SELECT current_user::text, current_database()::text, current_setting('server_encoding'),
                          (SELECT pg_get_userbyid(relowner)::text FROM pg_class WHERE oid = to_regclass('public.tenants'))";
        let failed = |error| place.failed("ask the server what it is", error);
        let row = client.query_typed_one(sql, &[]).await.map_err(failed)?;
        let read = || {
            Ok(Self {
                user: row.try_get(0)?,
                database: row.try_get(1)?,
                encoding: row.try_get(2)?,
                owner: row.try_get(3)?,
            })
        };
        read().map_err(failed)
    }
}
