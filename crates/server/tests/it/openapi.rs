//! The OpenAPI document: complete, reviewed and served.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{OPENAPI, Server, documented};

/// Returns every operation that the document describes: method and path.
pub(crate) fn operations() -> impl Iterator<Item = (String, String)> {
    let paths = OPENAPI["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
    })
}

/// Returns the operation of a request.
pub(crate) fn template_of(method: &str, path: &str) -> (String, String) {
    let item = documented(path).unwrap();
    let paths = OPENAPI["paths"].as_object().unwrap();
    let (template, _) = paths.iter().find(|(_, other)| std::ptr::eq(*other, item)).unwrap();
    (method.to_owned(), template.clone())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch for developers, not for the server")]
fn the_reviewed_document_is_the_current_one() {
    let current = serde_json::to_string_pretty(&*OPENAPI).unwrap() + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        fs::write(&file, &current).unwrap();
    }
    let reviewed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        reviewed == current,
        "the OpenAPI document has changed: run `UPDATE_SNAPSHOT=1 cargo test -p context-server openapi` and \
         review the difference of crates/server/openapi.json"
    );
}

#[tokio::test]
async fn the_document_and_its_page_are_served_and_load_nothing_from_elsewhere() {
    let server = Server::start().await;
    let served = server.get("/openapi.json").await;
    assert_eq!((served.status.as_u16(), served.header("content-type")), (200, "application/json"));
    assert_eq!(served.json(), *OPENAPI);
    assert_eq!(served.json()["openapi"], "3.1.0");
    for (path, kind) in
        [("/docs", "text/html"), ("/docs/page.js", "text/javascript"), ("/docs/page.css", "text/css")]
    {
        let file = server.get(path).await;
        assert_eq!(file.status, 200);
        assert!(file.header("content-type").starts_with(kind), "{path}");
        assert!(file.header("content-security-policy").starts_with("default-src 'none'"));
        let text = String::from_utf8(file.body.to_vec()).unwrap();
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("//cdn"), "{path}");
    }
}

/// The router and the document are made from one table; this test checks the router itself.
#[tokio::test]
async fn every_documented_operation_is_routed_and_no_other_method_is() {
    let server = Server::start().await;
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let mut routed_operations = 0;
    for (path, item) in OPENAPI["paths"].as_object().unwrap() {
        let path = path.replace("{tenant}", "nobody").replace("{file}", "page.js");
        let path = path
            .replace("{id}", "x")
            .replace("{project}", "p")
            .replace("{branch}", "b")
            .replace("{task}", "t");
        for method in methods {
            let answer = server.call(method, &path).send().await;
            let routed = item.get(method.to_lowercase()).is_some();
            assert_eq!(answer.status != 405, routed, "{method} {path}");
            assert!(
                !routed
                    || answer.body.is_empty()
                    || answer.status == 200
                    || answer.json()["code"] != "route_not_found"
            );
            routed_operations += usize::from(routed);
        }
    }
    assert_eq!(routed_operations, operations().count());
}

#[test]
fn operations_have_ids_tags_summaries_and_parameters_for_each_segment() {
    let mut ids = BTreeSet::new();
    let tags: Vec<_> = OPENAPI["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for (method, path) in operations() {
        let operation = &OPENAPI["paths"][&path][method.to_lowercase()];
        let place = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{place} shares its id");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{place}");
        assert!(tags.contains(&&operation["tags"][0]), "{place}");
        let parameters = operation["parameters"].as_array().unwrap();
        let in_path: BTreeSet<_> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        let in_template: BTreeSet<_> =
            path.split('/').filter(|segment| segment.starts_with('{')).map(str::to_owned).collect();
        assert_eq!(in_path, in_template, "{place}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
        for (status, response) in responses {
            assert!(!response["description"].as_str().unwrap().is_empty(), "{place} {status}");
            let is_problem = response["content"].get("application/problem+json").is_some();
            assert_eq!(is_problem, status.as_str() >= "400", "{place} {status}");
        }
    }
    assert_eq!(operations().filter(|(_, path)| path.contains("/tree")).count(), 16);
}

#[test]
fn every_reference_has_a_schema_and_every_schema_is_used() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(elements) => elements.iter().for_each(|element| references(element, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    references(&OPENAPI, &mut found);
    let schemas = OPENAPI["components"]["schemas"].as_object().unwrap();
    let there: BTreeSet<_> = schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
    assert_eq!(found, there);
}
