//! A serving role can do what serving needs, and nothing else.

use context_domain::error::Error;
use context_fleet::{Plan, Report};
use context_testing::{OWNER, SERVER, SUPERUSER};

use crate::support::{Database, plan, refused, serving};

async fn served(purpose: &str) -> Database {
    let database = Database::empty(purpose).await;
    let report = database.fleet().await.bootstrap(&serving(&["default"], SERVER), &mut |_| {}).await.unwrap();
    assert_eq!(report.wrong, []);
    database
}

#[tokio::test]
async fn a_serving_role_can_serve() {
    let database = served("can").await;
    let server = database.server.connect(SERVER, &database.name).await;
    for statement in [
        "SELECT FROM public.tenants; SELECT FROM public.migration_history; SELECT FROM public.serving_roles",
        "INSERT INTO public.api_keys (id, name, secret_hash, created_at) VALUES ('k', 'n', 'h', now())",
        "UPDATE public.api_keys SET last_used_at = now(); SELECT FROM public.api_keys;
         DELETE FROM public.api_keys",
        "INSERT INTO tenant_default.contexts (id, context_data, context_type, tenant_id)
         VALUES ('ctx_01970000-0000-7000-8000-00000000000c', '{}', 't', 'default')",
        "UPDATE tenant_default.contexts SET title = 't'; SELECT FROM tenant_default.contexts FOR UPDATE",
        "DELETE FROM tenant_default.contexts WHERE id LIKE '%c'",
        "INSERT INTO tenant_default.context_changes
             (tenant_id, transaction_id, context_id, version, operation, changed_at, changed_by, request_id)
         VALUES ('default', pg_current_xact_id(), 'c', 1, 'create', now(), 'x', 'y')",
        "SELECT FROM tenant_default.context_changes; DELETE FROM tenant_default.context_changes",
        "INSERT INTO tenant_default.context_inheritance_cache (id, context_id) VALUES ('i', 'c')",
        "UPDATE tenant_default.context_inheritance_cache SET hit_count = 1;
         DELETE FROM tenant_default.context_inheritance_cache",
        "SELECT public.cleanup_expired_contexts('default')",
    ] {
        let done = server.batch_execute(statement).await;
        assert!(done.is_ok(), "{statement}: {done:?}");
    }
}

#[tokio::test]
async fn a_serving_role_can_do_nothing_else() {
    let database = served("cannot").await;
    database.execute("CREATE SCHEMA private; CREATE TABLE private.things (id int)").await;
    let server = database.server.connect(SERVER, &database.name).await;
    for statement in [
        "SELECT FROM private.things",
        "CREATE SCHEMA mine",
        "CREATE TABLE public.mine (id int)",
        "CREATE TABLE tenant_default.mine (id int)",
        "DROP TABLE tenant_default.contexts",
        "DROP SCHEMA tenant_default CASCADE",
        "TRUNCATE tenant_default.contexts",
        "ALTER TABLE tenant_default.contexts DROP CONSTRAINT contexts_tenant_id_check",
        "ALTER TABLE tenant_default.contexts DISABLE TRIGGER update_contexts_updated_at",
        "INSERT INTO public.tenants (id, generation) VALUES ('mine', gen_random_uuid())",
        "UPDATE public.tenants SET revision = 9",
        "DELETE FROM public.tenants",
        "DELETE FROM public.migration_history",
        "INSERT INTO public.serving_roles (role) VALUES ('me')",
        "SELECT public.complete_tenant('default', 'x')",
        "SELECT public.grant_tenant('default')",
        "SELECT public.add_missing_constraints('tenant_default.contexts', '{}')",
        "CREATE OR REPLACE FUNCTION public.create_tenant_schema(tenant_id text) RETURNS void LANGUAGE sql AS \
         'SELECT'",
    ] {
        let (code, message) = refused(server.batch_execute(statement).await);
        assert_eq!(code, "42501", "{statement}: {message}");
    }
    let (code, message) = refused(server.batch_execute("SELECT public.create_tenant_schema('mine')").await);
    assert_eq!(code, "42501");
    assert_eq!(
        message,
        format!("the role {SERVER} may not make tenants: only {OWNER}, which owns this installation, may")
    );
    let owned = format!("SELECT count(*) FROM pg_class WHERE relowner = '{SERVER}'::regrole");
    assert_eq!(database.query_text(&owned).await, "0");
}

#[tokio::test]
async fn public_has_no_right_in_a_tenants_schema() {
    let database = Database::empty("public").await;
    // Default privileges that an administrator may have set.
    let defaults = "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
                    ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO PUBLIC";
    database.execute(defaults).await;
    database.bootstrap(&["default"]).await;
    let other = database.server.connect(SERVER, &database.name).await;
    for statement in ["SELECT FROM tenant_default.contexts", "SELECT FROM tenant_default.context_changes"] {
        assert_eq!(refused(other.batch_execute(statement).await).0, "42501", "{statement}");
    }
    let rights = "SELECT count(*) FROM (
                      SELECT aclexplode(relacl) AS held FROM pg_class WHERE relnamespace
                          = 'tenant_default'::regnamespace
                      UNION ALL SELECT aclexplode(nspacl) FROM pg_namespace WHERE nspname = 'tenant_default'
                  ) AS rights WHERE (held).grantee = 0";
    assert_eq!(database.query_text(rights).await, "0");
}

#[tokio::test]
async fn a_role_that_comes_later_is_granted_every_tenant_unlisted_ones_too() {
    let database = Database::with("later", &["default", "other"]).await;
    let report = database.fleet().await.bootstrap(&serving(&["default"], SERVER), &mut |_| {}).await.unwrap();
    let repaired: Vec<_> = report.repaired.iter().map(ToString::to_string).collect();
    assert_eq!(
        repaired,
        [
            format!("the installation is not granted to the serving role {SERVER}"),
            format!("tenant default: the schema tenant_default is not granted to the serving role {SERVER}"),
            format!("tenant other: the schema tenant_other is not granted to the serving role {SERVER}"),
        ]
    );
    assert_eq!((report.made.len(), report.wrong.len()), (0, 0));
    database.execute("SELECT public.create_tenant_schema('new')").await;
    let server = database.server.connect(SERVER, &database.name).await;
    for id in ["default", "other", "new"] {
        server.batch_execute(&format!("SELECT FROM tenant_{id}.contexts")).await.unwrap();
    }
    // Whether the plan names it or not, it is recorded.
    assert_eq!(database.bootstrap(&["default"]).await, Report::default());
    let named = database.fleet().await.bootstrap(&serving(&["default"], SERVER), &mut |_| {}).await.unwrap();
    assert_eq!(named, Report::default());
}

#[tokio::test]
async fn revoked_rights_are_granted_again() {
    let database = served("taken").await;
    database
        .execute(&format!(
            "REVOKE DELETE ON tenant_default.contexts FROM {SERVER}; REVOKE DELETE ON public.api_keys FROM
                 {SERVER};
             REVOKE ALL ON FUNCTION public.cleanup_expired_contexts(text) FROM {SERVER}"
        ))
        .await;
    let expected = [
        "tenant default: the schema tenant_default",
        "the function public.cleanup_expired_contexts(text)",
        "the table public.api_keys",
    ]
    .map(|object| format!("{object} is not granted to the serving role {SERVER}"));
    let mut found = database.words(&["default"]).await;
    found.sort();
    assert_eq!(found, expected);
    let report = database.bootstrap(&["default"]).await;
    assert_eq!((report.repaired.len(), report.wrong.len()), (3, 0), "{report:?}");
    assert_eq!(database.examine(&["default"]).await, []);
}

#[tokio::test]
async fn a_role_that_no_longer_exists_is_reported_and_forgotten() {
    let database = Database::empty("gone").await;
    let role = format!("server_{}", database.name);
    database.server.execute(SUPERUSER, &format!("CREATE ROLE {role}")).await;
    let plan = Plan { serving_roles: vec![SERVER.to_owned(), role.clone()], ..plan(&["default"]) };
    database.fleet().await.bootstrap(&plan, &mut |_| {}).await.unwrap();
    database.server.execute(&database.name, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    assert_eq!(database.words(&["default"]).await, [format!("the serving role {role} is missing")]);
    // Making tenants does not fail because of it.
    database.execute("SELECT public.create_tenant_schema('meanwhile')").await;
    let server = database.server.connect(SERVER, &database.name).await;
    server.batch_execute("SELECT FROM tenant_default.contexts, tenant_meanwhile.contexts").await.unwrap();
    let report = database.bootstrap(&["default"]).await;
    assert_eq!(report.notices, [format!("the serving role {role} no longer exists: its record was deleted")]);
    assert_eq!(report.wrong, []);
    assert_eq!(database.examine(&["default"]).await, []);
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_refused_with_what_to_do() {
    let database = Database::empty("nobody").await;
    let refusal = database.fleet().await.bootstrap(&serving(&["default"], "nobody"), &mut |_| {}).await;
    let Err(error @ Error::Unavailable { .. }) = refusal else { panic!("{refusal:?}") };
    assert!(error.to_string().contains("CREATE ROLE \"nobody\" LOGIN"), "{error}");
    assert_eq!(database.fleet().await.tenants().await.unwrap(), []);
    // The owner needs no grants, and is no serving role.
    let report = database.fleet().await.bootstrap(&serving(&["default"], OWNER), &mut |_| {}).await.unwrap();
    assert_eq!(report.wrong, []);
    assert_eq!(database.query_text("SELECT count(*) FROM public.serving_roles").await, "0");
    assert_eq!(
        database.fleet().await.bootstrap(&plan(&["default"]), &mut |_| {}).await.unwrap(),
        Report::default()
    );
}
