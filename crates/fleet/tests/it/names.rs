//! The ids of tenants: each is taken exactly, or refused.

use crate::support::{Database, refused};

#[tokio::test]
async fn ids_that_look_alike_are_different_tenants() {
    let database = Database::empty("alike").await;
    let (long_a, long_b) = (format!("{}a", "x".repeat(47)), format!("{}b", "x".repeat(47)));
    database.bootstrap(&["default"]).await;
    let owner = database.owner().await;
    let ids = ["my-tenant", "my_tenant", "0", long_a.as_str(), long_b.as_str()];
    for id in ids {
        owner.execute("SELECT public.create_tenant_schema($1)", &[&id]).await.unwrap();
        let own = format!("SELECT tenant_id FROM \"tenant_{id}\".contexts");
        assert_eq!(database.query_texts(&own).await, [id]);
    }
    let all: Vec<&str> = ids.into_iter().chain(["default"]).collect();
    assert_eq!(database.examine(&all).await, []);
    assert_eq!(database.query_text("SELECT count(*) FROM public.tenants").await, "6");
}

#[tokio::test]
async fn an_invalid_id_is_refused_with_the_rule() {
    let database = Database::with("refused", &["default"]).await;
    let owner = database.owner().await;
    let long = "x".repeat(49);
    let wrong = [
        "",
        " ",
        "A",
        "Default",
        "a b",
        " a",
        "a ",
        "a\n",
        "\na",
        "a\"b",
        "a'b",
        "a;b",
        "-a",
        "_a",
        "a.b",
        "a/b",
        "é",
        "ａ",
        "а",
        "a\u{301}",
        "a%I",
        "a$b",
        "a\\",
        long.as_str(),
    ];
    for id in wrong.iter().map(|id| Some(*id)).chain([None]) {
        let (code, message) = refused(owner.execute("SELECT public.create_tenant_schema($1)", &[&id]).await);
        assert_eq!(code, "22023", "{id:?}: {message}");
        assert!(
            message.contains("1 to 48 of a-z, 0-9, '_' and '-', beginning with a letter or a digit"),
            "{id:?}: {message}"
        );
    }
    assert_eq!(
        database.query_texts("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'tenant\\_%'").await,
        ["tenant_default"]
    );
    assert_eq!(database.query_texts("SELECT id FROM public.tenants").await, ["default"]);
    let insert = "INSERT INTO public.tenants (id, generation) VALUES ('No', gen_random_uuid())";
    assert_eq!(refused(owner.batch_execute(insert).await).0, "23514");
}
