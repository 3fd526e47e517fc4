//! Search: each parameter alone and with others, refusals, and pages to the end.

use std::collections::BTreeSet;
use std::time::Duration;

use context_domain::access::Permission;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::authorization::tenant_access;
use crate::support::{Answer, Server};

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Lists the contexts that match all of these parameters.
async fn ask(server: &Server, search: &[(&str, &str)]) -> Answer {
    let pieces: Vec<_> = search.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    server.get(&format!("contexts?{}", pieces.join("&"))).await
}

/// Returns the titles of the contexts that match all of these parameters, in the list's order.
async fn found(server: &Server, search: &[(&str, &str)]) -> String {
    titles(&ask(server, search).await)
}

fn titles(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.json()["items"].as_array().unwrap().clone();
    let titles: Vec<_> = items.iter().map(|item| item["title"].as_str().unwrap_or("-").to_owned()).collect();
    titles.join(" ")
}

async fn write(server: &Server, target: &str, body: &Value) -> Value {
    let call =
        if target == "contexts" { server.post(target, body).await } else { server.put(target, body).await };
    assert_eq!(call.status, 201, "{call:?}");
    call.json()
}

/// Starts a server with five contexts, titled a to e in the order of their creation; d and e are nodes.
async fn filled() -> (Server, Vec<Value>) {
    let server = Server::start().await;
    let mut made = Vec::new();
    for (target, body) in [
        (
            "contexts",
            json!({"context_type": "note", "title": "a", "tags": ["red", "big"], "user_id": "ann",
                   "context_data": {"status": "open", "list": [1, {"k": "v", "n": 2}],
                                    "text": "The quick brown fox"}}),
        ),
        (
            "contexts",
            json!({"context_type": "note", "title": "b", "tags": ["red"], "user_id": "Ann",
                   "context_data": {"status": "open", "list": [3], "text": "the lazy dog"}}),
        ),
        (
            "contexts",
            json!({"context_type": "task.plan", "title": "c", "tags": ["big", "blue"], "user_id": "bob/é 1",
                   "description": "A quick Été",
                   "context_data": {"status": null, "deep": {"er": {"est": 1.5}}}}),
        ),
        ("tree/p", json!({"title": "d", "tags": ["red", "big", "blue"], "context_data": {"status": "open"}})),
        ("tree/p/b", json!({"title": "e", "context_type": "note", "context_data": {"quick": "slow"}})),
    ] {
        made.push(write(&server, target, &body).await);
        server.knobs.advance(Duration::from_secs(10));
    }
    (server, made)
}

#[tokio::test]
async fn each_parameter_alone_narrows_the_list() {
    let (server, _) = filled().await;
    // The global node, which has no title, is the oldest.
    assert_eq!(found(&server, &[]).await, "- a b c d e");
    for (name, value, titles) in [
        ("context_type", "note", "a b e"),
        ("context_type", "task.plan", "c"),
        ("context_type", "Note", ""),
        ("tag", "red", "a b d"),
        ("tag", "re", ""),
        ("user_id", "ann", "a"),
        ("user_id", "bob/é 1", "c"),
        ("context_level", "global", "-"),
        ("context_level", "project", "d"),
        ("context_level", "branch", "e"),
        ("context_level", "task", ""),
        ("q", "quick", "a c"),
        ("q", "QUICK, the", "a"),
        ("q", "été", "c"),
        ("q", "qui", ""),
        ("filter", "{}", "- a b c d e"),
        ("filter", "{\"status\":\"open\"}", "a b d"),
        ("filter", "{\"status\":null}", "c"),
        ("filter", "{\"list\":[{\"k\":\"v\"}]}", "a"),
        ("filter", "{\"list\":[3]}", "b"),
        ("filter", "{\"deep\":{\"er\":{}}}", "c"),
        ("filter", "{\"deep\":{\"er\":{\"est\":1.50}}}", "c"),
        ("filter", "{\"status\":\"closed\"}", ""),
    ] {
        assert_eq!(found(&server, &[(name, value)]).await, titles, "{name}={value}");
    }
}

#[tokio::test]
async fn after_is_inclusive_and_before_is_exclusive_with_any_offset() {
    let (server, made) = filled().await;
    let created = |index: usize| made[index]["created_at"].as_str().unwrap();
    assert_eq!(found(&server, &[("created_after", created(2))]).await, "c d e");
    assert_eq!(found(&server, &[("created_before", created(2))]).await, "- a b");
    assert_eq!(found(&server, &[("created_after", created(1)), ("created_before", created(3))]).await, "b c");
    assert_eq!(found(&server, &[("created_after", created(3)), ("created_before", created(1))]).await, "");
    assert_eq!(found(&server, &[("created_after", "2020-01-31T12:00:00+01:00")]).await, "- a b c d e");
    assert_eq!(found(&server, &[("created_before", "2020-01-31t12:00:00z")]).await, "");
    let place = format!("contexts/{}", made[0]["id"].as_str().unwrap());
    let patched = server.merge(&place, &json!({"tags": []})).await.json();
    let updated = patched["updated_at"].as_str().unwrap();
    assert_eq!(found(&server, &[("updated_after", updated)]).await, "a");
    assert_eq!(found(&server, &[("updated_after", created(4))]).await, "a e");
}

#[tokio::test]
async fn a_context_must_match_every_parameter() {
    let (server, made) = filled().await;
    let created = made[1]["created_at"].as_str().unwrap();
    for (search, titles) in [
        (&[("tag", "red"), ("tag", "big")][..], "a d"),
        (&[("tag", "big"), ("tag", "red"), ("tag", "blue")], "d"),
        (&[("tag", "red"), ("tag", "red")], "a b d"),
        (&[("context_type", "note"), ("q", "the")], "a b"),
        (&[("context_type", "note"), ("filter", "{\"status\":\"open\"}"), ("created_after", created)], "b"),
        (&[("context_level", "project"), ("tag", "red"), ("filter", "{\"status\":\"open\"}")], "d"),
        (&[("user_id", "ann"), ("q", "dog")], ""),
        (&[("q", "quick fox"), ("q", "dog")], "?"),
    ] {
        if titles == "?" {
            ask(&server, search).await.names("q");
        } else {
            assert_eq!(found(&server, search).await, titles, "{search:?}");
        }
    }
}

#[tokio::test]
async fn expired_and_deleted_contexts_are_not_found() {
    let (server, made) = filled().await;
    let body = json!({"context_type": "note", "title": "f", "context_data": {"status": "open"},
                      "expires_at": "2999-01-01T00:00:00Z"});
    let id = write(&server, "contexts", &body).await["id"].as_str().unwrap().to_owned();
    assert_eq!(found(&server, &[("context_type", "note")]).await, "a b e f");
    server.delete(&format!("contexts/{}", made[1]["id"].as_str().unwrap())).await;
    assert_eq!(found(&server, &[("context_type", "note")]).await, "a e f");
    server.knobs.advance(Duration::from_hours(24 * 365 * 1000));
    assert_eq!(found(&server, &[("context_type", "note")]).await, "a e");
    assert_eq!(server.get(&format!("contexts/{id}")).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_value_that_breaks_its_rule_is_refused_with_its_parameter() {
    let server = Server::start().await;
    let long = |length: usize| "x".repeat(length);
    let deep = format!("{}1{}", "{\"a\":".repeat(65), "}".repeat(65));
    for (name, value) in [
        ("context_type", ""),
        ("context_type", "a b"),
        ("context_type", "é"),
        ("context_type", &long(101)),
        ("tag", ""),
        ("tag", "a,b"),
        ("tag", &long(51)),
        ("user_id", ""),
        ("user_id", "a\0b"),
        ("user_id", &long(101)),
        ("context_level", ""),
        ("context_level", "Project"),
        ("context_level", "leaf"),
        ("created_after", ""),
        ("created_after", "yesterday"),
        ("created_before", "2030-01-31"),
        ("created_before", "2030-01-31T12:00:00"),
        ("updated_after", "2030-02-30T12:00:00Z"),
        ("updated_after", "1700000000"),
        ("q", ""),
        ("q", " .,;- "),
        ("q", "a\0b"),
        ("q", &long(1001)),
        ("filter", ""),
        ("filter", "open"),
        ("filter", "[]"),
        ("filter", "null"),
        ("filter", "{\"a\":1}x"),
        ("filter", "{'a':1}"),
        ("filter", &deep),
    ] {
        ask(&server, &[(name, value)]).await.names(name);
    }
    for (filter, place) in [
        ("{\"a\":{\"b\":1,\"b\":1}}", "'/a/b'"),
        ("{\"a\":[0.1234567890123456789]}", "'/a/0'"),
        ("{\"a\":\"\\u0000\"}", "'/a'"),
        ("{\"a\":", "line 1"),
    ] {
        let refused = ask(&server, &[("filter", filter)]).await;
        refused.names("filter");
        assert!(refused.json()["detail"].as_str().unwrap().contains(place), "{refused:?}");
    }
    let lost = server.get("contexts?created_after=2030-01-31T12:00:00+01:00").await;
    lost.names("created_after");
    assert!(lost.json()["detail"].as_str().unwrap().contains("%2B"));
    for (name, value) in
        [("context_type", "n"), ("user_id", "u"), ("q", "w"), ("filter", "{}"), ("context_level", "task")]
    {
        ask(&server, &[(name, value), (name, value)]).await.names(name);
    }
    let tags: Vec<_> = (0..21).map(|number| ("tag", number.to_string())).collect();
    let tags: Vec<_> = tags.iter().map(|(name, value)| (*name, value.as_str())).collect();
    ask(&server, &tags).await.names("tag");
    assert_eq!(found(&server, &tags[..20]).await, "");
}

#[tokio::test]
async fn pages_reach_the_end_and_each_context_is_on_exactly_one() {
    let server = Server::start().await;
    let mut matching = Vec::new();
    for number in 0..23 {
        let tags = if number % 2 == 0 { json!(["even"]) } else { json!([]) };
        let body =
            json!({"context_type": "n", "tags": tags, "context_data": {"number": number, "word": "alike"}});
        let id = write(&server, "contexts", &body).await["id"].clone();
        matching.extend((number % 2 == 0).then_some(id));
    }
    for search in ["tag=even", "tag=even&q=alike", "tag=even&filter=%7B%22word%22%3A%22alike%22%7D"] {
        for limit in [1, 3, 6, 11, 12, 200] {
            let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
            loop {
                let page = server.get(&format!("contexts?{search}&limit={limit}{token}")).await.json();
                let items = page["items"].as_array().unwrap();
                assert!(items.len() <= limit);
                seen.extend(items.iter().map(|item| item["id"].clone()));
                pages += 1;
                match page["next_page_token"].as_str() {
                    Some(next) => token = format!("&page_token={next}"),
                    None => break,
                }
            }
            assert_eq!(seen, matching, "{search} {limit}");
            assert_eq!(pages, matching.len().div_ceil(limit));
        }
    }
}

#[tokio::test]
async fn a_token_continues_its_own_search_only() {
    let server = Server::with_keys().await;
    for tenant in ["mine", "other"] {
        server.tenant(tenant).await;
    }
    let (_, mine) = server.key(tenant_access("mine", Permission::Write), None).await;
    let (_, other) = server.key(tenant_access("other", Permission::Read), None).await;
    for _ in 0..3 {
        let body =
            json!({"context_type": "n", "tags": ["a", "b"], "user_id": "u", "context_data": {"w": "word"}});
        let call = server.call("POST", "/v1/tenants/mine/contexts").bearer(&mine).json(&body);
        assert_eq!(call.send().await.status, 201);
    }
    let get = |tenant: &str, token: &str, query: String| {
        server.call("GET", &format!("/v1/tenants/{tenant}/contexts?{query}")).bearer(token).send()
    };
    let searches = [
        "",
        "tag=a",
        "tag=b",
        "tag=a&tag=b",
        "context_type=n",
        "user_id=u",
        "q=word",
        "filter=%7B%22w%22%3A%22word%22%7D",
        "created_after=2020-01-01T00:00:00Z",
        "updated_after=2020-01-01T00:00:00Z",
        "created_before=2999-01-01T00:00:00Z",
    ];
    let mut tokens = BTreeSet::new();
    for search in searches {
        let page = get("mine", &mine, format!("{search}&limit=1")).await.json();
        let token = page["next_page_token"].as_str().unwrap().to_owned();
        for continued in searches {
            let answer = get("mine", &mine, format!("{continued}&page_token={token}")).await;
            if continued == search {
                assert_eq!(answer.status, 200);
            } else {
                answer.names("page_token");
            }
        }
        get("other", &other, format!("{search}&page_token={token}")).await.names("page_token");
        tokens.insert(token);
    }
    assert_eq!(tokens.len(), searches.len());
    // The same parameters in another order, and with another limit, are the same list.
    let page = get("mine", &mine, "tag=b&tag=a&limit=1".to_owned()).await.json();
    let token = page["next_page_token"].as_str().unwrap();
    assert_eq!(get("mine", &mine, format!("tag=a&tag=b&limit=2&page_token={token}")).await.status, 200);
}
