//! The log: failures once and with all their causes, refusals by code, and content never.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use context_domain::access::{Access, Permission};
use context_server::Authentication;
use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::Server;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    /// Captures what this thread logs; a whole test runs on it.
    fn captured() -> (Self, tracing::subscriber::DefaultGuard) {
        let lines = Self::default();
        let subscriber =
            tracing_subscriber::fmt().json().with_max_level(LevelFilter::TRACE).with_writer(lines.clone());
        let guard = tracing::subscriber::set_default(subscriber.finish());
        (lines, guard)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn errors(&self) -> Vec<Value> {
        self.of_level("ERROR")
    }

    fn of_level(&self, level: &str) -> Vec<Value> {
        let lines = self.text();
        let all = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|line| line["level"] == level).collect()
    }
}

#[tokio::test]
async fn a_failure_is_logged_once_with_its_cause_and_the_requests_id() {
    let (lines, _guard) = Lines::captured();
    let server = Server::that_lost_its_store(Authentication::Open).await;
    server.call("GET", "/v1/tenants").header("x-request-id", "r-1").send().await;
    let errors = lines.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["fields"]["code"], "store_unavailable");
    assert_eq!(errors[0]["fields"]["cause"], "the driver's own words");
    assert_eq!(errors[0]["span"]["request_id"], "r-1");
    assert_eq!(errors[0]["span"]["route"], "/v1/tenants");
}

#[tokio::test]
async fn client_mistakes_are_not_logged_as_errors_and_content_is_never_logged() {
    let (lines, _guard) = Lines::captured();
    let server = Server::start().await;
    let secret = json!({"context_type": "note", "context_data": {"sesame": "sesame"}});
    let place = format!("contexts/{}", server.created(&secret["context_data"]).await);
    server.get(&place).await;
    server.get(&format!("{place}/resolved?explain=true")).await;
    assert_eq!(server.put(&place, &secret).await.status, 428);
    for body in [
        "{\"sesame\":1,\"sesame\":2}",
        "{\"sesame\":",
        "{\"sesame\":0.1234567890123456789}",
        "{\"sesame\":1}",
    ] {
        let answer = server.call("POST", "contexts").body("application/json", body).send().await;
        assert!(answer.status.is_client_error());
    }
    server.get("tree/none?view=resolved").await;
    server.get("contexts?sesame=sesame").await;
    assert_eq!(lines.errors(), Vec::<Value>::new());
    assert!(
        lines.text().contains("a request was refused") && lines.text().contains("a request was answered")
    );
    assert!(!lines.text().contains("sesame"), "{}", lines.text());
}

#[tokio::test]
async fn a_panic_is_logged_as_an_error_without_its_words() {
    let (lines, _guard) = Lines::captured();
    let server = Server::start().await;
    server.knobs.break_ids();
    let body = json!({"context_type": "note", "context_data": {}});
    server.call("POST", "contexts").header("x-request-id", "r-2").json(&body).send().await;
    let errors = lines.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(
        (&errors[0]["fields"]["cause"], &errors[0]["span"]["request_id"]),
        (&json!("a handler panicked"), &json!("r-2"))
    );
}

#[tokio::test]
async fn refused_access_is_logged_once_a_second_and_tokens_never() {
    let (lines, _guard) = Lines::captured();
    let server = Server::with_keys().await;
    let token = crate::authorization::unknown_token();
    let logged = || {
        let lines = lines.of_level("INFO").into_iter();
        lines.filter(|line| line["fields"]["message"] == "access was refused").collect::<Vec<_>>()
    };
    let begun = Instant::now();
    for _ in 0..20 {
        server.get("contexts").await;
        server.call("GET", "contexts").bearer(&token).send().await;
    }
    assert!(logged().len() as u64 <= 1 + begun.elapsed().as_secs(), "{:?}", logged());
    assert_eq!(
        (&logged()[0]["fields"]["code"], &logged()[0]["fields"]["unlogged"]),
        (&json!("unauthenticated"), &json!(0))
    );
    // The next line has the number of refusals since, and the principal if it is known.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let access =
        |tenant: &str| Access::Tenant { tenant: tenant.parse().unwrap(), permission: Permission::Read };
    let (id, read) = server.key(access("default"), None).await;
    server.call("GET", "/v1/tenants").bearer(&read).send().await;
    let all = logged();
    let counted: u64 = all.iter().map(|line| 1 + line["fields"]["unlogged"].as_u64().unwrap()).sum();
    assert_eq!(counted, 41);
    let last = &all[all.len() - 1]["fields"];
    assert_eq!((&last["code"], &last["principal"]), (&json!("forbidden"), &json!(format!("key:{id}"))));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    server.call("GET", "/v1/tenants/other/contexts").bearer(&read).send().await;
    assert_eq!(logged().last().unwrap()["fields"]["code"], "tenant_not_found");
    // Admitted requests, and refusals for other reasons than access, are not logged here.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let before = logged().len();
    assert_eq!(server.call("GET", "contexts").bearer(&read).send().await.status, 200);
    server.call("GET", "contexts/x").bearer(&read).send().await;
    server.call("GET", "/v1/tenants/A/contexts").bearer(&read).send().await;
    assert_eq!(logged().len(), before);
    assert!(!lines.text().contains(&token) && !lines.text().contains(&read), "{}", lines.text());
}
