//! Many tasks at once through the service: no update is lost, and none is done twice.

use std::sync::Arc;

use crate::stores::{StoreKind, TestStore};
use context_domain::access::{Access, Caller, Principal};
use context_domain::change::RequestHash;
use context_domain::clock::SystemClock;
use context_domain::error::Error;
use context_domain::id::RandomIds;
use context_domain::limits::MAX_FAULTS;
use context_domain::page::PageRequest;
use context_domain::patch::Patch;
use context_domain::ports::Subtree;
use context_domain::search::Search;
use context_domain::service::{Condition, Effect, Service, WriteOptions};
use context_domain::tree::{Address, Scope};
use serde_json::{Map, Value, json};

/// Runs every case on both stores.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                super::$case(super::StoreKind::Sqlite).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                super::$case(super::StoreKind::Postgres).await;
            })+
        }
    };
}

on_both!(
    conditional_increments_add_up,
    unconditional_patches_of_different_members_all_win,
    one_idempotency_key_at_once_is_one_write_and_eight_equal_answers,
    tasks_created_at_once_share_the_parents_that_were_missing,
    a_child_created_while_its_parent_is_deleted_is_never_an_orphan,
    an_abandoned_write_is_whole_or_not_there,
    pages_of_large_contexts_end_early_and_go_on,
    a_refused_write_names_so_many_locked_values_and_counts_the_rest
);

async fn service(kind: StoreKind) -> (TestStore, Arc<Service>) {
    let store = TestStore::new(kind);
    let ports = store.open(Arc::new(SystemClock), Arc::new(RandomIds)).await;
    (store, Arc::new(Service::new(ports, Arc::new(SystemClock), Arc::new(RandomIds))))
}

fn caller() -> Caller {
    let principal = Principal { name: "tester".to_owned(), access: Access::Operator };
    Caller::in_tenant(principal, "default".parse().unwrap(), "request".to_owned())
}

fn at(keys: [Option<&str>; 3]) -> Address {
    Address::Scope(Scope::from_keys(keys).unwrap())
}

fn body(data: Value) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("context_data".to_owned(), data);
    body
}

fn patch(data: Value) -> Patch {
    Patch::Merge(body(data))
}

/// Runs `task` eight times at once.
async fn eight_times<F: Future<Output = T> + Send + 'static, T: Send + 'static>(
    task: impl Fn(usize) -> F,
) -> Vec<T> {
    let tasks: Vec<_> = (0..8).map(|n| tokio::spawn(task(n))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

async fn conditional_increments_add_up(kind: StoreKind) {
    let (_store, service) = service(kind).await;
    let address = at([Some("p"), Some("counter"), None]);
    service.put(&caller(), &address, body(json!({"n": 0})), WriteOptions::default()).await.unwrap();
    eight_times(|_| {
        let (service, address) = (Arc::clone(&service), address.clone());
        async move {
            for _ in 0..50 {
                loop {
                    let current = service.get(&caller(), &address).await.unwrap();
                    let n = current.data()["n"].as_i64().unwrap();
                    let condition = Condition::IsOneOf(vec![current.etag()]);
                    let options = WriteOptions { condition, ..WriteOptions::default() };
                    match service.patch(&caller(), &address, patch(json!({"n": n + 1})), options).await {
                        Ok(_) => break,
                        Err(Error::PreconditionFailed(Some(_))) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
        }
    })
    .await;
    let counter = service.get(&caller(), &address).await.unwrap();
    assert_eq!((counter.data()["n"].as_i64(), counter.version), (Some(400), 401));
}

async fn unconditional_patches_of_different_members_all_win(kind: StoreKind) {
    let (_store, service) = service(kind).await;
    let address = at([Some("p"), None, None]);
    service.put(&caller(), &address, body(json!({})), WriteOptions::default()).await.unwrap();
    eight_times(|task| {
        let (service, address) = (Arc::clone(&service), address.clone());
        async move {
            for n in 0..50 {
                let member = json!({format!("{task}-{n}"): n});
                service.patch(&caller(), &address, patch(member), WriteOptions::default()).await.unwrap();
            }
        }
    })
    .await;
    let context = service.get(&caller(), &address).await.unwrap();
    assert_eq!((context.data().len(), context.version), (400, 401));
}

async fn one_idempotency_key_at_once_is_one_write_and_eight_equal_answers(kind: StoreKind) {
    let (_store, service) = service(kind).await;
    for round in 0..10 {
        let answers = eight_times(|_| {
            let service = Arc::clone(&service);
            async move {
                let key = format!("key-{round}").parse().unwrap();
                let idempotency = Some((key, RequestHash::from_parts(&[b"the request"])));
                let options = WriteOptions { idempotency, ..WriteOptions::default() };
                let mut body = body(json!({"round": round}));
                body.insert("context_type".to_owned(), json!("note"));
                service.create(&caller(), body, options).await.unwrap()
            }
        })
        .await;
        assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
        assert!(answers.iter().all(|answer| {
            (answer.effect, &answer.etag, &answer.context)
                == (Effect::Created, &answers[0].etag, &answers[0].context)
        }));
        let page = service.list(&caller(), &Search::default(), &PageRequest::default()).await.unwrap();
        assert_eq!(page.items.len(), round + 2);
    }
}

async fn tasks_created_at_once_share_the_parents_that_were_missing(kind: StoreKind) {
    let (_store, service) = service(kind).await;
    for round in 0..20 {
        let project = format!("p{round}");
        let parents = eight_times(|n| {
            let (service, project) = (Arc::clone(&service), project.clone());
            async move {
                let address = at([Some(&project), Some("b"), Some(&n.to_string())]);
                let written =
                    service.put(&caller(), &address, body(json!({})), WriteOptions::default()).await;
                written.unwrap().context["parent_id"].clone()
            }
        })
        .await;
        assert!(parents.iter().all(|parent| *parent == parents[0] && parent.is_string()));
        let branch = Scope::from_keys([Some(&project), Some("b"), None]).unwrap();
        let children = service.children(&caller(), &branch, &PageRequest::default()).await.unwrap();
        assert_eq!(children.items.len(), 8);
    }
}

/// A child is created while its parent is deleted with all below it. Whichever comes first, the child exists
/// afterwards if and only if the deletion did not remove it, and never without its parent.
async fn a_child_created_while_its_parent_is_deleted_is_never_an_orphan(kind: StoreKind) {
    let (_store, service) = service(kind).await;
    let parent = at([Some("p"), None, None]);
    let child = at([Some("p"), Some("c"), None]);
    for round in 0..200_u32 {
        service
            .put(&caller(), &parent, body(json!({"round": round})), WriteOptions::default())
            .await
            .unwrap();
        let subtree = if round % 2 == 0 { Subtree::Remove } else { Subtree::MustBeEmpty };
        let (created, deleted) = tokio::join!(
            async { service.put(&caller(), &child, body(json!({})), WriteOptions::default()).await },
            async { service.delete(&caller(), &parent, subtree, WriteOptions::default()).await }
        );
        let created = created.unwrap();
        let history =
            service.changes(&caller(), Some(&created.etag.id), &PageRequest::default()).await.unwrap();
        let removed = history.items.iter().any(|change| change.content.is_null());
        let found = service.get(&caller(), &child).await;
        match (&deleted, removed) {
            (Ok(_), true) => assert!(matches!(found, Err(Error::NotFound(_))), "{found:?}"),
            (Ok(_) | Err(Error::HasChildren { .. }), false) => {
                assert_eq!(found.unwrap().etag(), created.etag);
            }
            other => panic!("{other:?}"),
        }
        assert!(subtree == Subtree::Remove || !removed, "a refused cascade removed the child");
        let page = service.list(&caller(), &Search::default(), &PageRequest::default()).await.unwrap();
        for context in &page.items {
            let address = Address::Id(context.id.clone());
            assert!(service.get(&caller(), &address).await.is_ok(), "{} is an orphan", context.id);
        }
        let rest = service.delete(&caller(), &parent, Subtree::Remove, WriteOptions::default()).await;
        assert!(matches!(rest, Ok(_) | Err(Error::NotFound(_))));
    }
}

/// A client that goes away leaves no half transaction, and its connection is reused.
async fn an_abandoned_write_is_whole_or_not_there(kind: StoreKind) {
    let (_store, service) = service(kind).await;
    let address = at([Some("p"), None, None]);
    service.put(&caller(), &address, body(json!({})), WriteOptions::default()).await.unwrap();
    for n in 0..300_u64 {
        let (writing, there) = (Arc::clone(&service), address.clone());
        let write = tokio::spawn(async move {
            let pair = json!({"left": n, "right": n});
            writing.patch(&caller(), &there, patch(pair), WriteOptions::default()).await
        });
        tokio::time::sleep(std::time::Duration::from_micros(n % 30 * 20)).await;
        write.abort();
        let seen = service.get(&caller(), &address).await.unwrap();
        assert_eq!(seen.data().get("left"), seen.data().get("right"));
    }
    service.patch(&caller(), &address, patch(json!({"last": 1})), WriteOptions::default()).await.unwrap();
    let changes = service.changes(&caller(), None, &PageRequest::default()).await.unwrap();
    assert_eq!(changes.items[0].content["context_data"]["last"], 1);
}

async fn pages_of_large_contexts_end_early_and_go_on(kind: StoreKind) {
    let (_store, service) = service(kind).await;
    for n in 0..11 {
        let key = n.to_string();
        let data = body(json!({"n": n, "text": "x".repeat(1_000_000)}));
        service.put(&caller(), &at([Some(&key), None, None]), data, WriteOptions::default()).await.unwrap();
    }
    let mut request = PageRequest { limit: Some(200), token: None };
    let (mut sizes, mut seen) = (Vec::new(), Vec::new());
    loop {
        let page = service.children(&caller(), &Scope::global(), &request).await.unwrap();
        sizes.push(page.items.len());
        seen.extend(page.items.into_iter().map(|context| context.content.context_data["n"].clone()));
        request.token = page.next_page_token;
        if request.token.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [9, 2], "a page ends after the item that brings it to 8 MiB");
    seen.sort_by_key(Value::as_u64);
    assert_eq!(Value::from(seen), json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    let changes =
        service.changes(&caller(), None, &PageRequest { limit: Some(200), token: None }).await.unwrap();
    assert!(changes.items.len() < 11 && changes.next_page_token.is_some());
}

async fn a_refused_write_names_so_many_locked_values_and_counts_the_rest(kind: StoreKind) {
    let (_store, service) = service(kind).await;
    let Value::Object(rules) = json!({"context_data": {}, "inheritance": {"locked": ["/*"]}}) else {
        panic!()
    };
    service.put(&caller(), &at([None; 3]), rules, WriteOptions::default()).await.unwrap();
    let many: Map<String, Value> = (0..MAX_FAULTS + 500).map(|n| (n.to_string(), json!(n))).collect();
    let web = at([Some("web"), None, None]);
    let refused = service.put(&caller(), &web, body(Value::Object(many)), WriteOptions::default()).await;
    let Err(Error::Locked(faults)) = refused else { panic!("{refused:?}") };
    assert_eq!(faults.len(), MAX_FAULTS + 1);
    assert_eq!(faults.last().unwrap().message, "500 more values are locked");
    assert!(matches!(service.get(&caller(), &web).await, Err(Error::NotFound(_))));
}
