//! Authorization: every operation of the OpenAPI document, with every credential that is not sufficient and
//! the least one that is.

use std::time::Duration;

use context_domain::access::{Access, Permission};
use context_domain::clock::Timestamp;
use context_domain::id::{IdSource, KeyId, RandomIds};
use context_domain::key::Token;
use context_server::{Authentication, HttpConfig};
use hyper::header::HeaderMap;
use serde_json::{Value, json};

use crate::openapi::operations;
use crate::support::{Answer, Call, OPENAPI, Server};

/// What an operation requires of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    AnyKey,
    InTenant(Permission),
    Operator,
}

/// Returns what an operation requires, a second time and by hand: an operation without a line here fails.
pub(crate) fn needs(method: &str, path: &str) -> Needs {
    let id = OPENAPI["paths"][path][method.to_lowercase()]["operationId"].as_str().unwrap();
    match id {
        "live" | "ready" | "openapi" | "docs" | "docs_file" => Needs::Nothing,
        "health" => Needs::AnyKey,
        "create_tenant" | "list_tenants" | "get_tenant" | "drop_tenant" => Needs::Operator,
        "list_contexts"
        | "get_context"
        | "resolve_context"
        | "list_changes"
        | "list_context_changes"
        | "get_node"
        | "get_node_project"
        | "get_node_branch"
        | "get_node_task" => Needs::InTenant(Permission::Read),
        "create_context"
        | "replace_context"
        | "patch_context"
        | "delete_context"
        | "put_node"
        | "put_node_project"
        | "put_node_branch"
        | "put_node_task"
        | "patch_node"
        | "patch_node_project"
        | "patch_node_branch"
        | "patch_node_task"
        | "delete_node"
        | "delete_node_project"
        | "delete_node_branch"
        | "delete_node_task" => Needs::InTenant(Permission::Write),
        _ => panic!("{id} lacks its authorization cases"),
    }
}

/// Returns the access of a key of that tenant.
pub(crate) fn tenant_access(tenant: &str, permission: Permission) -> Access {
    Access::Tenant { tenant: tenant.parse().unwrap(), permission }
}

/// Returns a well-formed token of no key.
pub(crate) fn unknown_token() -> String {
    Token::new(KeyId::new(RandomIds.uuid()), RandomIds.secret().unwrap()).reveal()
}

/// Returns a request for the operation that would succeed: in the tenant `tenant`, on the context `id`.
pub(crate) fn request(server: &Server, (method, path): &(String, String), tenant: &str, id: &str) -> Call {
    let target = path.replace("{tenant}", tenant).replace("{id}", id).replace("{file}", "page.js");
    let target = target.replace("{project}", "p").replace("{branch}", "b").replace("{task}", "t");
    let content = json!({"context_type": "note", "context_data": {"written": "by a test"}});
    let call = server.call(method, &target);
    match method.as_str() {
        "POST" if path.ends_with("/tenants") => call.json(&json!({"id": tenant})),
        "POST" => call.json(&content),
        "PUT" => call.json(&content).header("if-match", "*"),
        "PATCH" => call.merge(&json!({"title": "patched"})),
        _ => call,
    }
}

/// A server with two tenants, and keys of every kind.
struct World {
    server: Server,
    operator: String,
    of_mine: [(Permission, String); 3],
    of_other: String,
    revoked: String,
    expired: String,
}

impl World {
    async fn new() -> Self {
        let server = Server::with_keys().await;
        for tenant in ["mine", "other"] {
            server.tenant(tenant).await;
        }
        let (id, revoked) = server.key(Access::Operator, None).await;
        server.revoke(&id).await;
        let soon: Timestamp = {
            use context_domain::clock::{Clock, SystemClock};
            SystemClock.now().saturating_add_micros(60_000_000)
        };
        let (_, expired) = server.key(Access::Operator, Some(soon)).await;
        server.knobs.advance(Duration::from_mins(2));
        let mut of_mine = Vec::new();
        for permission in Permission::ALL {
            of_mine.push((permission, server.key(tenant_access("mine", permission), None).await.1));
        }
        Self {
            operator: server.key(Access::Operator, None).await.1,
            of_mine: of_mine.try_into().unwrap(),
            of_other: server.key(tenant_access("other", Permission::Admin), None).await.1,
            revoked,
            expired,
            server,
        }
    }

    /// Creates a context outside the tree and the nodes that requests are for; returns the context's id.
    async fn filled(&self, tenant: &str) -> String {
        let create = |target: String| self.server.call("POST", &target).bearer(&self.operator);
        let content = json!({"context_type": "note", "context_data": {}});
        let made = create(format!("/v1/tenants/{tenant}/contexts")).json(&content).send().await;
        assert_eq!(made.status, 201);
        let node =
            self.server.call("PUT", &format!("/v1/tenants/{tenant}/tree/p/b/t")).bearer(&self.operator);
        let node = node.json(&content).header("if-none-match", "*").send().await;
        assert!(matches!(node.status.as_u16(), 201 | 412));
        made.json()["id"].as_str().unwrap().to_owned()
    }

    async fn writes(&self, tenant: &str) -> usize {
        let target = format!("/v1/tenants/{tenant}/changes?limit=200");
        let changes = self.server.call("GET", &target).bearer(&self.operator).send().await.json();
        assert_eq!(changes["next_page_token"], Value::Null);
        changes["items"].as_array().unwrap().len()
    }
}

/// Returns the same request with everything after the path wrong as well.
fn spoiled(server: &Server, operation: &(String, String), tenant: &str, id: &str) -> Call {
    let (method, path) = operation;
    let call = request(server, operation, tenant, id);
    let call = server.call(method, &format!("{}?unknown=1&limit=0", call.target()));
    let call = call.header("if-match", "nonsense").header("if-none-match", "nonsense");
    if path.is_empty() || method == "GET" { call } else { call.body("text/plain", "nonsense") }
}

/// Returns everything of a response except what differs between any two.
fn plain(answer: &Answer, name: &str) -> (u16, HeaderMap, String) {
    let mut headers = answer.headers.clone();
    headers.remove("date");
    headers.remove("content-length");
    let body = String::from_utf8(answer.body.to_vec()).unwrap().replace(name, "<name>");
    (answer.status.as_u16(), headers, body)
}

async fn same_id(call: Call) -> Answer {
    call.header("x-request-id", "r").send().await
}

#[tokio::test]
async fn an_unauthenticated_caller_learns_nothing_else() {
    let world = World::new().await;
    let id = world.filled("mine").await;
    let writes = world.writes("mine").await;
    let mut refusals = Vec::new();
    for operation in operations().filter(|(method, path)| needs(method, path) != Needs::Nothing) {
        let calls = || {
            let good = request(&world.server, &operation, "mine", &id);
            [
                good,
                spoiled(&world.server, &operation, "mine", &id),
                spoiled(&world.server, &operation, "no", "x"),
            ]
        };
        for call in calls() {
            let answer = same_id(call).await;
            assert_eq!(
                (answer.problem(401).as_str(), answer.header("www-authenticate")),
                ("unauthenticated", "Bearer")
            );
            refusals.push((None, plain(&answer, "\0")));
        }
        for scheme in ["Bearer", &world.operator, &format!("Basic {}", world.operator)] {
            for call in calls() {
                let answer = same_id(call.header("authorization", scheme)).await;
                assert_eq!(answer.header("www-authenticate"), "Bearer");
                refusals.push((None, plain(&answer, "\0")));
            }
        }
        let mut malformed = world.operator.clone();
        malformed.pop();
        let unknown = unknown_token();
        let parts = |token: &str| token.splitn(3, '_').map(str::to_owned).collect::<Vec<_>>();
        let other_secret = format!("cs_{}_{}", parts(&world.operator)[1], parts(&unknown)[2]);
        for token in ["x", "Bearer", &malformed, &unknown, &other_secret, &world.revoked, &world.expired] {
            for call in calls() {
                let answer = same_id(call.bearer(token)).await;
                let challenge = "Bearer error=\"invalid_token\"";
                assert_eq!(
                    (answer.problem(401).as_str(), answer.header("www-authenticate")),
                    ("unauthenticated", challenge)
                );
                refusals.push((Some(()), plain(&answer, "\0")));
            }
        }
        if operation.0 == "GET" {
            let target = request(&world.server, &operation, "mine", &id).target().to_owned();
            assert_eq!(world.server.call("HEAD", &target).send().await.status, 401);
        }
    }
    // All refusals are equal, whatever was requested and whatever was wrong with the credential.
    refusals.sort_by_key(|(token, _)| token.is_some());
    for kind in refusals.chunk_by(|one, other| one.0 == other.0) {
        assert!(kind.len() > 100);
        for refusal in kind {
            assert_eq!(refusal.1, kind[0].1);
        }
    }
    let bodies: Vec<_> = refusals.iter().map(|(_, (_, _, body))| body).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(world.writes("mine").await, writes);
}

#[tokio::test]
async fn public_operations_require_no_credential() {
    let world = World::new().await;
    let public: Vec<_> =
        operations().filter(|(method, path)| needs(method, path) == Needs::Nothing).collect();
    assert_eq!(public.len(), 5);
    for operation in public {
        let call = || request(&world.server, &operation, "mine", "x");
        assert_eq!(call().send().await.status, 200);
        assert_eq!(call().bearer(&world.revoked).send().await.status, 200);
        assert_eq!(call().header("authorization", "x").send().await.status, 200);
    }
}

#[tokio::test]
async fn another_tenant_looks_like_one_that_does_not_exist() {
    let world = World::new().await;
    let id = world.filled("mine").await;
    let writes = world.writes("mine").await;
    for operation in operations() {
        let needs = needs(&operation.0, &operation.1);
        let (code, status) = match needs {
            Needs::InTenant(_) => ("tenant_not_found", 404),
            Needs::Operator => ("forbidden", 403),
            Needs::Nothing | Needs::AnyKey => continue,
        };
        for make in [request, spoiled] {
            let theirs = same_id(make(&world.server, &operation, "mine", &id).bearer(&world.of_other)).await;
            assert_eq!(theirs.problem(status), code, "{operation:?}");
            let none = same_id(make(&world.server, &operation, "none", &id).bearer(&world.of_other)).await;
            assert_eq!(plain(&theirs, "mine"), plain(&none, "none"), "{operation:?}");
        }
    }
    assert_eq!(world.writes("mine").await, writes);
}

#[tokio::test]
async fn a_context_of_another_tenant_looks_like_one_that_does_not_exist() {
    let world = World::new().await;
    let theirs = world.filled("mine").await;
    let own = world.filled("other").await;
    let writes = (world.writes("mine").await, world.writes("other").await);
    let absent = format!("ctx_{}", RandomIds.uuid());
    let mut compared = 0;
    for operation in operations().filter(|(_, path)| path.contains("{id}")) {
        let ask = |id: &str| same_id(request(&world.server, &operation, "other", id).bearer(&world.of_other));
        let (found, none) = (ask(&theirs).await, ask(&absent).await);
        assert_eq!(found.problem(404), "not_found", "{operation:?}");
        assert_eq!(plain(&found, &theirs), plain(&none, &absent), "{operation:?}");
        compared += 1;
    }
    assert_eq!(compared, 6);
    for list in ["contexts", "changes", "contexts?q=note", "contexts?context_type=note"] {
        let listed = world.server.call("GET", &format!("/v1/tenants/other/{list}")).bearer(&world.of_other);
        let body = String::from_utf8(listed.send().await.body.to_vec()).unwrap();
        assert!(!body.contains(&theirs) && (list.contains('q') || body.contains(&own)), "{list}: {body}");
    }
    assert_eq!((world.writes("mine").await, world.writes("other").await), writes);
}

#[tokio::test]
async fn a_smaller_scope_is_forbidden_and_the_least_scope_is_sufficient() {
    let world = World::new().await;
    for (turn, operation) in operations().enumerate() {
        let needed = needs(&operation.0, &operation.1);
        let security = &OPENAPI["paths"][&operation.1][operation.0.to_lowercase()]["security"];
        let is_documented = |scope: &str| *security == json!([{"bearer": [scope]}]);
        let (too_little, least): (Vec<_>, _) = match needed {
            Needs::Nothing => {
                assert_eq!(*security, json!([]), "{operation:?}");
                continue;
            }
            Needs::AnyKey => {
                assert!(is_documented("read"));
                (Vec::new(), &world.of_mine[0].1)
            }
            Needs::InTenant(needed) => {
                assert!(is_documented(needed.as_str()), "{operation:?}");
                let less = world.of_mine.iter().filter(|(permission, _)| *permission < needed);
                let least = world.of_mine.iter().find(|(permission, _)| *permission == needed).unwrap();
                (less.map(|(_, token)| token).collect(), &least.1)
            }
            Needs::Operator => {
                assert!(is_documented("operator"), "{operation:?}");
                (world.of_mine.iter().map(|(_, token)| token).collect(), &world.operator)
            }
        };
        let id = world.filled("mine").await;
        let writes = world.writes("mine").await;
        for token in too_little {
            for make in [request, spoiled] {
                let answer = make(&world.server, &operation, "mine", &id).bearer(token).send().await;
                assert_eq!(answer.problem(403), "forbidden", "{operation:?}");
            }
        }
        assert_eq!(world.writes("mine").await, writes, "{operation:?}");
        // A tenant to be created must not exist, and one to be dropped must.
        let tenant = format!("made-{turn}");
        let tenant = if needed == Needs::Operator { tenant.as_str() } else { "mine" };
        if operation.1.ends_with("{tenant}") {
            world.server.tenant(tenant).await;
        }
        let answer = request(&world.server, &operation, tenant, &id).bearer(least).send().await;
        match operation.1.as_str() {
            "/v1/tenants/{tenant}/tree" if operation.0 == "DELETE" => {
                assert_eq!(answer.problem(422), "global_node");
            }
            path if operation.0 == "DELETE" && path.contains("/tree/") && !path.contains("{task}") => {
                assert_eq!(answer.problem(409), "has_children");
            }
            _ => assert!(answer.status.is_success(), "{operation:?}: {answer:?}"),
        }
        // An operator may do what every key may.
        if matches!(needed, Needs::InTenant(_)) {
            let id = world.filled("mine").await;
            let answer = request(&world.server, &operation, "mine", &id).bearer(&world.operator).send().await;
            assert!(!matches!(answer.status.as_u16(), 401 | 403 | 404), "{operation:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn health_names_tenants_to_operators_only() {
    let world = World::new().await;
    let ask = |token: &str| world.server.call("GET", "/health").bearer(token).send();
    for (_, token) in &world.of_mine {
        let answer = ask(token).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"status": "healthy"})));
    }
    let names = ask(&world.operator).await.json()["checks"].to_string();
    assert!(names.contains("tenant mine") && names.contains("tenant other"), "{names}");
}

#[tokio::test]
async fn a_change_is_recorded_under_the_keys_id() {
    let world = World::new().await;
    let (id, token) = world.server.key(tenant_access("mine", Permission::Write), None).await;
    let call = world.server.call("PUT", "/v1/tenants/mine/tree/q").bearer(&token);
    assert_eq!(call.json(&json!({"context_data": {}})).send().await.status, 201);
    let changes = world.server.call("GET", "/v1/tenants/mine/changes").bearer(&token).send().await.json();
    assert_eq!(changes["items"][0]["changed_by"], format!("key:{id}"));
    world.server.revoke(&id).await;
    let refused = world.server.call("GET", "/v1/tenants/mine/changes").bearer(&token).send().await;
    assert_eq!(refused.problem(401), "unauthenticated");
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_the_key_that_sent_it() {
    let world = World::new().await;
    let send = |token: &str| {
        let call = world.server.call("POST", "/v1/tenants/mine/contexts").bearer(token);
        call.header("idempotency-key", "k").json(&json!({"context_type": "n", "context_data": {}})).send()
    };
    let first = send(&world.of_mine[1].1).await;
    assert_eq!(send(&world.of_mine[1].1).await.header("idempotency-replayed"), "true");
    let other = send(&world.of_mine[2].1).await;
    assert!(other.status == 201 && !other.headers.contains_key("idempotency-replayed"));
    assert_ne!(other.json()["id"], first.json()["id"]);
}

#[tokio::test]
async fn nobody_is_admitted_while_the_store_is_lost() {
    let server = Server::that_lost_its_store(Authentication::Keys).await;
    for path in ["/v1/tenants", "/v1/tenants/default/contexts", "/health"] {
        let answer = server.call("GET", path).bearer(&unknown_token()).send().await;
        assert_eq!(answer.problem(503), "store_unavailable", "{path}");
        assert_eq!(server.get(path).await.problem(401), "unauthenticated");
    }
    let slow = Server::with_slow_store(HttpConfig {
        request_timeout: Duration::from_millis(300),
        ..crate::support::keys()
    })
    .await;
    let (_, token) = slow.key(Access::Operator, None).await;
    slow.knobs.slow_down(Duration::from_millis(600));
    let answer =
        slow.call("PUT", "/v1/tenants/default/tree/p").bearer(&token).json(&json!({"context_data": {}}));
    let answer = answer.send().await.problem(503);
    assert!(matches!(answer.as_str(), "timeout" | "outcome_unknown"), "{answer}");
}

#[tokio::test]
async fn a_refusal_can_be_read_after_sending_a_large_body() {
    let server = Server::with_keys().await;
    for length in [1024 * 1024, 8 * 1024 * 1024] {
        let call = server.call("POST", "/v1/tenants/default/contexts");
        let answer = call.body("application/json", vec![b' '; length]).send().await;
        assert_eq!(answer.problem(401), "unauthenticated");
    }
}

#[tokio::test]
async fn a_server_without_authentication_ignores_credentials() {
    let server = Server::start().await;
    for value in ["Bearer x", "Basic x", "x"] {
        assert_eq!(server.call("GET", "contexts").header("authorization", value).send().await.status, 200);
    }
    assert_eq!(server.call("GET", "/health").send().await.json()["checks"].as_array().unwrap().len(), 2);
}
