//! Calls on a pool: single statements, and transactions of several.

use super::*;

#[tokio::test]
async fn a_statement_is_its_own_transaction() {
    for mode in [ConnectionMode::Direct, ConnectionMode::Pooled] {
        let pool = pool(mode, 2).await;
        put(&pool, 1, "one").await.unwrap();
        let refused = put(&pool, 1, "uno").await.unwrap_err();
        assert!(refused.is_unique_violation(), "{refused:?}");
        for id in 2..6 {
            put(&pool, id, "more").await.unwrap();
        }
        assert_eq!(words(&pool).await, ["one", "more", "more", "more", "more"]);
    }
}

#[tokio::test]
async fn a_transaction_is_written_completely_or_not_at_all() {
    for mode in [ConnectionMode::Direct, ConnectionMode::Pooled] {
        let pool = pool(mode, 1).await;
        let insert = "INSERT INTO things VALUES ($1, 'word')";
        for _ in 0..3 {
            let transaction = pool.begin(None).await.unwrap();
            transaction.query(insert, &[(&1, Type::INT4)]).await.unwrap();
            transaction.query(insert, &[(&2, Type::INT4)]).await.unwrap();
            transaction.rollback().await.unwrap();
            let dropped = pool.begin(None).await.unwrap();
            dropped.query(insert, &[(&3, Type::INT4)]).await.unwrap();
            drop(dropped);
            assert_eq!(words(&pool).await, [""; 0]);
        }
        let transaction = pool.begin(None).await.unwrap();
        transaction.query(insert, &[(&1, Type::INT4)]).await.unwrap();
        transaction.query(insert, &[(&2, Type::INT4)]).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(words(&pool).await, ["word"; 2]);
    }
}

#[tokio::test]
async fn a_transaction_that_failed_is_not_committed() {
    let pool = pool(ConnectionMode::Direct, 1).await;
    let transaction = pool.begin(None).await.unwrap();
    transaction.query("INSERT INTO things VALUES (1, 'one')", &[]).await.unwrap();
    transaction.query("INSERT INTO things VALUES (1, 'one')", &[]).await.unwrap_err();
    let refused = transaction.commit().await.unwrap_err();
    assert!(matches!(refused, Failure::Misuse(_)), "{refused:?}");
    assert_eq!(words(&pool).await, [""; 0]);
}
