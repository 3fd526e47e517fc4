//! What the serving role may do, and that similar names of tenants are kept apart.

use context_testing::{SERVER, SUPERUSER};
use serde_json::json;

use super::Database;

#[test]
fn the_serving_role_owns_nothing_and_creates_nothing() {
    let database = Database::served("default,demo");
    let owned = "SELECT c.relname::text FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
                 WHERE r.rolname = 'context_server'";
    assert_eq!(database.query(SUPERUSER, owned), [""; 0]);
    for statement in [
        "CREATE TABLE tenant_default.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE SCHEMA mine",
        "DROP TABLE tenant_default.contexts",
        "ALTER TABLE tenant_default.contexts DROP CONSTRAINT contexts_tenant_id_check",
        "TRUNCATE tenant_default.contexts",
        "DELETE FROM public.tenants",
        "INSERT INTO public.tenants (id, generation) VALUES ('mine', gen_random_uuid())",
        "UPDATE public.migration_history SET checksum = ''",
        "SELECT public.create_tenant_schema('mine')",
        "INSERT INTO tenant_default.contexts (id, context_data, context_type, tenant_id)
         VALUES ('ctx_01970000-0000-7000-8000-000000000001', '{}', 't', 'demo')",
    ] {
        assert!(database.is_refused(SERVER, statement), "{statement} was carried out");
    }
    let cleaned = database.query(SERVER, "SELECT public.cleanup_expired_contexts('default')::text");
    assert_eq!(cleaned, ["0"]);
}

#[test]
fn each_name_is_exact_or_refused() {
    let longest = |last: char| format!("{}{last}", "a".repeat(47));
    let (one, other) = (longest('b'), longest('c'));
    let tenants = ["my-tenant", "my_tenant", one.as_str(), other.as_str()];
    let database = Database::served(&tenants.join(","));
    let served = database.serve(SERVER, &[]);
    for tenant in tenants {
        let put =
            served.put(&format!("/v1/tenants/{tenant}/tree/mine"), &json!({"context_data": {"of": tenant}}));
        assert_eq!(put.status, 201, "{tenant}: {put:?}");
    }
    for tenant in tenants {
        let got = served.get(&format!("/v1/tenants/{tenant}/tree/mine")).body;
        assert_eq!((&got["context_data"]["of"], &got["tenant_id"]), (&json!(tenant), &json!(tenant)));
        let rows = format!("SELECT count(*)::text FROM \"tenant_{tenant}\".contexts");
        assert_eq!(database.query(SUPERUSER, &rows), ["2"]);
    }
    for strange in [
        "My-tenant",
        "my%20tenant",
        "my-tenant%20",
        "%20my-tenant",
        "my%22tenant",
        "m%D1%83-tenant",
        "my.tenant",
        "%EF%BD%8Dy-tenant",
    ] {
        let answer = served.get(&format!("/v1/tenants/{strange}/tree/mine"));
        assert!(matches!(answer.status, 400 | 404), "{strange}: {answer:?}");
    }
    let too_long = longest('b') + "b";
    for strange in [
        "My-tenant",
        "my tenant",
        " my-tenant",
        "my\"tenant",
        "mу-tenant",
        "",
        too_long.as_str(),
        "-a",
        "a;b",
    ] {
        let output = database.run(&["bootstrap", &format!("--tenant-id={strange}")]);
        assert_eq!(output.status.code(), Some(2), "{strange:?}");
        let literal = strange.replace('\'', "''");
        let refused = database
            .is_refused(context_testing::OWNER, &format!("SELECT public.create_tenant_schema('{literal}')"));
        assert!(refused, "{strange:?} was taken by the function");
    }
    let made = database.query(SUPERUSER, "SELECT count(*)::text FROM public.tenants");
    assert_eq!(made, ["4"]);
}
