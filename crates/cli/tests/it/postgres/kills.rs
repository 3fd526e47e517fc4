//! PostgreSQL is killed while requests are in progress: no response claims what did not happen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use context_testing::SERVER;
use serde_json::json;

use super::Database;
use crate::served::{Response, Served};

/// How long requests are sent before the server is killed, while it is down, and after it is back.
const LOAD: Duration = Duration::from_millis(700);
const WRITERS: usize = 4;

/// The outcomes of one writer's writes.
#[derive(Default)]
struct Written {
    acknowledged: Vec<String>,
    refused: Vec<String>,
    unknown: Vec<String>,
    /// Whether the last write was acknowledged.
    works: bool,
}

#[test]
fn acknowledged_writes_survive_and_others_are_reported() {
    let database = Database::alone("default");
    let served = database.serve(SERVER, &[]);
    let stop = AtomicBool::new(false);
    let all: Vec<Written> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn({
                    let (served, stop) = (&served, &stop);
                    move || write(served, writer, stop)
                })
            })
            .collect();
        thread::sleep(LOAD);
        database.kill();
        thread::sleep(LOAD);
        database.restart();
        let patience = Instant::now();
        while served.get("/readyz").status != 200 {
            assert!(patience.elapsed() < Duration::from_secs(30), "it does not recover: {}", served.log());
            thread::sleep(Duration::from_millis(50));
        }
        thread::sleep(LOAD);
        stop.store(true, Ordering::SeqCst);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let count = |of: fn(&Written) -> &Vec<String>| all.iter().map(|written| of(written).len()).sum::<usize>();
    assert!(count(|written| &written.acknowledged) > 0 && count(|written| &written.refused) > 0);
    for written in &all {
        assert!(written.works, "a writer did not recover: {}", served.log());
        for path in &written.acknowledged {
            assert_eq!(served.get(path).status, 200, "{path} was acknowledged and is lost");
        }
        for path in &written.refused {
            assert_eq!(served.get(path).status, 404, "{path} was refused and is there");
        }
        for path in &written.unknown {
            let again = put(&served, path);
            assert_eq!(again.status, 201, "{again:?}");
            assert_eq!(served.get(path).body["version"], 1, "{path} was written twice");
        }
    }
}

/// Writes one context after the other until `stop` is set.
fn write(served: &Served, writer: usize, stop: &AtomicBool) -> Written {
    let mut written = Written::default();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let path = format!("/v1/tenants/default/tree/w{writer}-{number}");
        let answer = put(served, &path);
        written.works = answer.status == 201;
        if written.works {
            written.acknowledged.push(path);
            continue;
        }
        assert!(answer.head.contains("retry-after: "), "{answer:?}");
        match answer.problem(503) {
            "store_unavailable" => written.refused.push(path),
            "outcome_unknown" => written.unknown.push(path),
            other => panic!("{other}: {answer:?}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
    written
}

/// Creates a context under an idempotency key of its own.
fn put(served: &Served, path: &str) -> Response {
    let key = path.rsplit('/').next().unwrap();
    let headers = [("If-None-Match", "*"), ("Idempotency-Key", key)];
    served.call("PUT", path, &headers, Some(&json!({"context_data": {}})))
}
