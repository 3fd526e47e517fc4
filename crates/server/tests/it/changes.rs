//! The record of every write.

use serde_json::{Value, json};

use crate::support::Server;

#[tokio::test]
async fn each_write_is_recorded_with_its_writer_content_and_request() {
    let server = Server::start().await;
    let body = json!({"context_type": "note", "context_data": {"n": 1}});
    let created = server.call("POST", "contexts").header("x-request-id", "req-1").json(&body).send().await;
    assert_eq!(created.header("x-request-id"), "req-1");
    let id = created.json()["id"].as_str().unwrap().to_owned();
    server.merge(&format!("contexts/{id}"), &json!({"context_data": {"n": 2}})).await;
    server.delete(&format!("contexts/{id}")).await;
    server.created(&json!({})).await;
    let list = server.get(&format!("contexts/{id}/changes")).await;
    assert_eq!(list.status, 200);
    let items = list.json()["items"].as_array().unwrap().clone();
    let recorded: Vec<_> = items
        .iter()
        .map(|item| (item["operation"].as_str().unwrap(), item["version"].as_u64().unwrap()))
        .collect();
    assert_eq!(recorded, [("delete", 3), ("update", 2), ("create", 1)]);
    assert_eq!(items[0]["content"], Value::Null);
    assert_eq!(items[1]["content"]["context_data"], json!({"n": 2}));
    assert_eq!(items[2]["request_id"], "req-1");
    assert!(items.iter().all(|item| item["changed_by"] == "anonymous"));
    assert_eq!(server.writes("default").await, 4);
}

#[tokio::test]
async fn pages_of_changes_continue_where_the_previous_one_ended() {
    let server = Server::start().await;
    let place = format!("contexts/{}", server.created(&json!({"n": 0})).await);
    for n in 1..5 {
        server.merge(&place, &json!({"context_data": {"n": n}})).await;
    }
    for list in ["changes".to_owned(), format!("{place}/changes")] {
        let first = server.get(&format!("{list}?limit=3")).await.json();
        let token = first["next_page_token"].as_str().unwrap();
        let second = server.get(&format!("{list}?limit=3&page_token={token}")).await.json();
        let versions: Vec<_> = [&first, &second]
            .iter()
            .flat_map(|page| page["items"].as_array().unwrap())
            .map(|item| item["version"].as_u64().unwrap())
            .collect();
        assert_eq!((versions, &second["next_page_token"]), (vec![5, 4, 3, 2, 1], &Value::Null));
    }
    server.get("changes?since=1").await.names("since");
    server.get("changes?limit=1000").await.names("limit");
    server.get(&format!("{place}/changes?page_token=%21")).await.names("page_token");
}

#[tokio::test]
async fn an_unknown_context_has_no_history_and_an_unwritten_node_an_empty_one() {
    let server = Server::start().await;
    let missing = "contexts/ctx_0197f6a0-3b1c-7c43-9d0e-5a1b2c3d4e5f/changes";
    assert_eq!(server.get(missing).await.problem(404), "not_found");
    let global = server.get("tree").await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("contexts/{global}/changes")).await.json()["items"], json!([]));
}
