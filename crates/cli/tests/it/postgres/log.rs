//! What the log says about the database.

use std::time::{Duration, Instant};

use context_testing::SERVER;
use serde_json::json;

use super::Database;
use crate::served::Served;

/// The beginnings of the driver's own lines, some of which quote statements and parameters.
const DRIVER: [&str; 4] = ["executing ", "preparing query ", "poll_read: ", "poll_write: "];

#[test]
fn no_filter_logs_the_drivers_own_lines() {
    let database = Database::served("default");
    for (filter, format, ours) in [
        ("info", "text", "PostgreSQL is reached"),
        ("debug", "text", "connected to PostgreSQL"),
        ("trace", "json", "connected to PostgreSQL"),
        ("debug,tokio_postgres=trace", "json", "connected to PostgreSQL"),
        (
            "debug,tokio_postgres::query=trace,tokio_postgres::prepare=trace",
            "text",
            "connected to PostgreSQL",
        ),
    ] {
        // In direct mode statements are prepared; in pooled mode they are sent with their parameters.
        for mode in ["direct", "pooled"] {
            let serve = ["--log", filter, "--log-format", format, "--connection-mode", mode, "serve"];
            let mut command = database.command(&[&serve[..], &["--listen", "127.0.0.1:0"]].concat());
            command.env("DATABASE_URL", database.url_as(SERVER));
            let served = Served::start(command);
            for n in 0..3 {
                let merge = [("Content-Type", "application/merge-patch+json")];
                let document = json!({"context_data": {"said": format!("hush {mode} {filter} {n}")}});
                assert_eq!(served.patch("/v1/tenants/default/tree", &merge, &document).status, 200);
            }
            let log = served.log();
            assert!(log.contains(ours), "{filter}, {mode}: {log}");
            for words in DRIVER.iter().chain(&["hush"]) {
                assert!(!log.contains(words), "{filter}, {mode}: {words}: {log}");
            }
        }
    }
}

/// A health check has a connection of its own, and probes come every few seconds.
#[test]
fn the_first_connection_is_logged_once_and_not_by_each_health_check() {
    let database = Database::served("default");
    let served = database.serve(SERVER, &[("RUST_LOG", "debug")]);
    for _ in 0..3 {
        assert_eq!(served.get("/health").status, 200);
    }
    let lines = |words: &str| served.log().lines().filter(|line| line.contains(words)).count();
    // The store's connection and one for each check; the last lines may not have been read yet.
    let begun = Instant::now();
    while lines("connected to PostgreSQL") < 4 && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(lines("connected to PostgreSQL"), 4, "{}", served.log());
    assert_eq!(lines("PostgreSQL is reached"), 1, "{}", served.log());
    assert!(served.log().contains("INFO PostgreSQL is reached"), "{}", served.log());
}
