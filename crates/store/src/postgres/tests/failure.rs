//! The messages for callers and for the log about statements that PostgreSQL refused.

use context_domain::id::TenantId;
use tokio_postgres::types::ToSql;

use super::super::pool::RedactedParam;
use super::*;

/// Raises an error whose message quotes a value that was to be stored.
async fn refused(pool: &Pool, code: &str) -> Failure {
    let raise = format!(
        "DO $$ BEGIN RAISE EXCEPTION 'driver hush' USING ERRCODE = '{code}', DETAIL = 'hush', \
         CONSTRAINT = 'things_pkey'; END $$"
    );
    write(pool, &raise).await.unwrap_err()
}

#[tokio::test]
async fn messages_say_what_happened_and_quote_nothing_of_the_server() {
    let pool = pool(ConnectionMode::Direct, 1).await;
    let tenant: TenantId = "t".parse().unwrap();
    for (code, in_tenant, in_store) in [
        ("57014", "store_unavailable", "store_unavailable"),
        ("55P03", "store_unavailable", "store_unavailable"),
        ("40001", "store_unavailable", "store_unavailable"),
        ("40P01", "store_unavailable", "store_unavailable"),
        ("25006", "store_unavailable", "store_unavailable"),
        ("53100", "store_unavailable", "store_unavailable"),
        ("53200", "store_unavailable", "store_unavailable"),
        ("58030", "store_unavailable", "store_unavailable"),
        ("57P03", "store_unavailable", "store_unavailable"),
        ("42501", "tenant_unhealthy", "store_unavailable"),
        ("42P01", "tenant_unhealthy", "store_unavailable"),
        ("42703", "tenant_unhealthy", "store_unavailable"),
        ("42883", "tenant_unhealthy", "store_unavailable"),
        ("3F000", "tenant_unhealthy", "store_unavailable"),
        ("XX001", "tenant_unhealthy", "store_unavailable"),
        ("23505", "internal", "internal"),
        ("22P02", "internal", "internal"),
        ("42601", "internal", "internal"),
        ("XX000", "internal", "internal"),
    ] {
        let error = refused(&pool, code).await.in_tenant(&tenant);
        assert_eq!(error.code(), in_tenant, "{code}");
        assert!(!error.to_string().contains("driver") && !error.to_string().contains("hush"), "{error}");
        let error = refused(&pool, code).await.in_store();
        assert_eq!(error.code(), in_store, "{code}");
        // The server may quote values in these messages, so nothing of them is logged.
        if in_store == "internal" {
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        }
    }
    let error = refused(&pool, "23505").await.in_store();
    assert!(format!("{error:?}").contains("SQLSTATE 23505 things_pkey"), "{error:?}");
}

#[tokio::test]
async fn messages_say_what_the_server_lacks() {
    let pool = pool(ConnectionMode::Direct, 1).await;
    let tenant: TenantId = "t".parse().unwrap();
    let (disk, room) = ("disk is full; nothing was written", "no room left; nothing was written");
    for (code, says) in [
        ("53100", disk),
        ("53000", room),
        ("53200", room),
        ("53300", room),
        ("53400", room),
        ("58000", "disk reports an error; nothing was written"),
        ("58030", "disk reports an error; nothing was written"),
        ("58P01", "disk reports an error; nothing was written"),
        ("57P01", "is shutting down or starting; try again"),
        ("57P02", "is shutting down or starting; try again"),
        ("57P03", "is shutting down or starting; try again"),
        ("25006", "takes no writes: it is a standby"),
    ] {
        let in_tenant = refused(&pool, code).await.in_tenant(&tenant);
        let in_store = refused(&pool, code).await.in_store();
        for error in [in_tenant, in_store] {
            assert_eq!(error.code(), "store_unavailable", "{code}");
            assert!(error.to_string().contains(says), "{code}: {error}");
        }
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_makes_the_tenant_unhealthy() {
    let pool = pool(ConnectionMode::Direct, 1).await;
    let rows = pool.query(None, StatementKind::Read, "SELECT 'text'", &[]).await.unwrap();
    let unreadable = Failure::from(rows[0].try_get::<_, i32>(0).unwrap_err());
    assert_eq!(unreadable.in_tenant(&"t".parse().unwrap()).code(), "tenant_unhealthy");
}

#[tokio::test]
async fn refusals_are_distinguished() {
    let pool = pool(ConnectionMode::Direct, 1).await;
    assert!(refused(&pool, "23505").await.is_unique_violation());
    assert!(refused(&pool, "23503").await.is_foreign_key_violation());
    assert!(refused(&pool, "42501").await.is_denied());
    assert!(refused(&pool, "25006").await.is_read_only());
    for code in ["42P01", "3F000", "42703", "42883"] {
        assert!(refused(&pool, code).await.is_undefined(), "{code}");
    }
    for code in ["40001", "40P01"] {
        assert!(refused(&pool, code).await.is_conflict(), "{code}");
    }
    assert!(!refused(&pool, "23505").await.is_conflict());
}

#[test]
fn a_parameter_cannot_be_printed() {
    let (secret, empty) = ("hush", None::<&str>);
    let (shown, none): (&(dyn ToSql + Sync), &(dyn ToSql + Sync)) =
        (&RedactedParam(&secret), &RedactedParam(&empty));
    assert_eq!(format!("{shown:?}{none:?}"), "__");
}
