//! Transaction pooling with the mode `direct`, in one process: which errors callers get, and that none is
//! wrong about a write.

use std::time::{Duration, Instant};

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_domain::ports::{Expect, Op, Outcome, Subtree};
use context_domain::service::Ports;
use context_domain::tree::{Address, Scope};
use context_store::postgres::ConnectionMode;
use context_testing::{PgBouncer, PoolMode, SERVER, SUPERUSER};
use serde_json::Map;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

use crate::installation::{install, open, tenants};
use crate::writes::{commit, creation};

/// Replaces each prepared statement of the server's connection by one without parameters.
const MIX_UP: &str = "DO $$
    DECLARE known text;
    BEGIN
        FOR known IN SELECT name FROM pg_prepared_statements LOOP
            EXECUTE format('DEALLOCATE %I', known);
            EXECUTE format('PREPARE %I AS SELECT 1', known);
        END LOOP;
    END $$";

/// Makes each COMMIT of a change to the contexts take longer than the pooler waits. The server commits
/// nevertheless.
const SLOW_COMMIT: &str = r#"
    CREATE FUNCTION "tenant_tenant-0".slow() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(5); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT OR DELETE ON "tenant_tenant-0".contexts
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "tenant_tenant-0".slow()"#;

/// A tenant behind a pooler with one connection, and a store with the mode `direct`.
struct World {
    tenant: TenantId,
    database: String,
    pooler: PgBouncer,
    ports: Ports,
}

impl World {
    async fn new(setting: &str) -> Self {
        let server = context_testing::postgres().await;
        let tenant = tenants(1).remove(0);
        let database = install(server, std::slice::from_ref(&tenant)).await;
        let builder = PgBouncer::builder(PoolMode::Transaction, 1).database("*", server, None);
        let pooler = builder.setting(setting).start().await;
        let ports = open(&pooler.url_as(SERVER, &database), |options| {
            (options.connection_mode, options.max_connections) = (ConnectionMode::Direct, 1);
        })
        .await;
        Self { tenant, database, pooler, ports }
    }

    /// Connects another client to the pooler.
    async fn neighbour(&self) -> Client {
        let url = self.pooler.url_as(SERVER, &self.database);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn create(&self, key: &str) -> Result<Outcome, Error> {
        let scope = Scope::from_keys([Some(key), None, None]).unwrap();
        self.ports.contexts.commit(&self.tenant, creation(&self.tenant, Some(scope), Map::new())).await
    }

    async fn chain(&self) -> Result<usize, Error> {
        let global = Address::Scope(Scope::global());
        self.ports.contexts.chain(&self.tenant, &global).await.map(|chain| chain.len())
    }

    /// Returns the keys of the projects, read past the pooler.
    async fn projects(&self) -> Vec<String> {
        let sql =
            r#"SELECT node_key FROM "tenant_tenant-0".contexts WHERE context_level = 'project' ORDER BY 1"#;
        let client = context_testing::postgres().await.connect(SUPERUSER, &self.database).await;
        client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

#[tokio::test]
async fn mixed_up_statements_are_reported_with_the_likely_cause_and_what_to_do() {
    let world = World::new("").await;
    // Each statement is prepared when it is sent the second time.
    for key in ["a", "b", "c"] {
        assert!(matches!(world.create(key).await.unwrap(), Outcome::Done(_)));
        assert_eq!(world.chain().await.unwrap(), 1);
    }
    world.neighbour().await.batch_execute(MIX_UP).await.unwrap();
    for error in [world.chain().await.unwrap_err(), world.create("d").await.unwrap_err()] {
        let Error::Unavailable { detail, source: Some(source) } = error else { panic!("{error:?}") };
        for word in ["pooler", "--connection-mode", "DB_CONNECTION_MODE", "auto", "pooled"] {
            assert!(detail.contains(word), "{word}: {detail}");
        }
        assert!(!detail.contains("bind message"), "{detail}");
        assert!(format!("{source:?}").contains("08P01"), "{source:?}");
    }
    assert_eq!(world.projects().await, ["a", "b", "c"]);
}

/// The pooler reports with the same SQLSTATE that it has waited too long for the server.
#[tokio::test]
async fn a_write_whose_response_the_pooler_did_not_wait_for_is_unknown() {
    let world = World::new("query_timeout = 2").await;
    let Outcome::Done(project) = world.create("a").await.unwrap() else { panic!("it was not made") };
    let server = context_testing::postgres().await;
    server.execute(&world.database, SLOW_COMMIT).await;
    let written = world.create("b").await;
    assert!(matches!(written, Err(Error::OutcomeUnknown(_))), "{written:?}");
    let deletion = commit(Expect::Version(project.etag()), Op::Delete { subtree: Subtree::Remove });
    let deleted = world.ports.contexts.commit(&world.tenant, deletion).await;
    let Err(Error::OutcomeUnknown(source)) = deleted else { panic!("{deleted:?}") };
    assert!(format!("{source:?}").contains("08P01"), "{source:?}");
    // The server has committed both.
    let begun = Instant::now();
    while world.projects().await != ["b"] {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", world.projects().await);
        sleep(Duration::from_millis(50)).await;
    }
}
