//! What the log tells of a database.

use context_testing::SERVER;
use serde_json::json;

use super::Database;
use crate::served::Served;

/// How the driver's own lines begin, some of which quote a statement or what it carries.
const DRIVER: [&str; 4] = ["executing ", "preparing query ", "poll_read: ", "poll_write: "];

#[test]
fn the_drivers_own_lines_are_not_told_whatever_is_asked_for() {
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
        // On a connection of our own statements are prepared; through a pooler they go with their values.
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
