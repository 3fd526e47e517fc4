//! A server for one test, and a client that checks the rules that every response must keep.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use context_domain::access::{Access, Caller, Principal};
use context_domain::clock::{Clock, SystemClock, Timestamp};
use context_domain::id::{IdSource, KeyId, NoRandomness, RandomIds, SECRET_BYTES};
use context_domain::service::{KeyRequest, Ports, Service};
use context_server::{Authentication, HttpConfig, openapi_document, router, serve};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::stores::{LostStore, SlowStore};

/// A running server; it stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) folder: TempDir,
    pub(crate) knobs: Arc<Knobs>,
    service: Arc<Service>,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) done: JoinHandle<std::io::Result<()>>,
}

/// Switches for a server's clock, store and ids.
#[derive(Default)]
pub(crate) struct Knobs {
    /// Microseconds by which the server's clock is ahead.
    ahead: AtomicI64,
    /// Milliseconds by which the store delays its responses.
    slow: AtomicU64,
    /// Whether making an id fails.
    broken: AtomicBool,
}

impl Knobs {
    pub(crate) fn advance(&self, by: Duration) {
        self.ahead.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn slow_down(&self, to: Duration) {
        self.slow.store(u64::try_from(to.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Waits for as long as the store delays its responses.
    pub(crate) async fn delay(&self) {
        tokio::time::sleep(Duration::from_millis(self.slow.load(Ordering::SeqCst))).await;
    }

    pub(crate) fn break_ids(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }
}

struct TestClock(Arc<Knobs>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().saturating_add_micros(self.0.ahead.load(Ordering::SeqCst))
    }
}

struct TestIds(Arc<Knobs>);

impl IdSource for TestIds {
    fn uuid(&self) -> Uuid {
        assert!(!self.0.broken.load(Ordering::SeqCst), "the test broke the source of ids");
        RandomIds.uuid()
    }

    fn secret(&self) -> Result<[u8; SECRET_BYTES], NoRandomness> {
        RandomIds.secret()
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(HttpConfig::default()).await
    }

    pub(crate) async fn with(config: HttpConfig) -> Self {
        Self::over(config, |ports, _| ports).await
    }

    /// A server that requires an API key.
    pub(crate) async fn with_keys() -> Self {
        Self::with(keys()).await
    }

    /// A server that lost its store after opening it.
    pub(crate) async fn that_lost_its_store(authentication: Authentication) -> Self {
        let lose = |ports, _| Ports { directory: Arc::new(LostStore), upkeep: Arc::new(LostStore), ..ports };
        Self::over(HttpConfig { authentication, ..HttpConfig::default() }, lose).await
    }

    /// A server whose store can be slowed down.
    pub(crate) async fn with_slow_store(config: HttpConfig) -> Self {
        let slow = |ports: Ports, knobs| {
            let contexts = Arc::new(SlowStore { contexts: Arc::clone(&ports.contexts), knobs });
            Ports { contexts, ..ports }
        };
        Self::over(config, slow).await
    }

    async fn over(config: HttpConfig, change: impl FnOnce(Ports, Arc<Knobs>) -> Ports) -> Self {
        LazyLock::force(&SUBSCRIBED);
        let folder = tempfile::tempdir().unwrap();
        let knobs = Arc::new(Knobs::default());
        let clock: Arc<dyn Clock> = Arc::new(TestClock(Arc::clone(&knobs)));
        let ids: Arc<dyn IdSource> = Arc::new(TestIds(Arc::clone(&knobs)));
        let url = format!("sqlite:{}", folder.path().display()).parse().unwrap();
        let options = context_store::StoreOptions::new(url);
        let ports = context_store::open(&options, Arc::clone(&clock), Arc::clone(&ids)).await.unwrap().ports;
        let service = Arc::new(Service::new(change(ports, Arc::clone(&knobs)), clock, Arc::clone(&ids)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            stopped.await.ok();
        };
        let done = tokio::spawn(serve(listener, router(Arc::clone(&service), ids, config), shutdown));
        Self { address, folder, knobs, service, stop: Some(stop), done }
    }

    /// Creates a tenant without HTTP.
    pub(crate) async fn tenant(&self, id: &str) {
        self.service.create_tenant(&operator(), &id.parse().unwrap()).await.unwrap();
    }

    /// Creates a key and returns its id and its token.
    pub(crate) async fn key(&self, access: Access, expires_at: Option<Timestamp>) -> (KeyId, String) {
        let request = KeyRequest { name: "a test's".to_owned(), access, expires_at };
        let new = self.service.create_key(&operator(), request).await.unwrap();
        (new.key.id, new.token.reveal())
    }

    /// Revokes a key.
    pub(crate) async fn revoke(&self, id: &KeyId) {
        self.service.revoke_key(&operator(), id).await.unwrap();
    }

    /// Stops the server.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Begins a request for `target`; without a leading slash it is below the tenant `default`.
    pub(crate) fn call(&self, method: &str, target: &str) -> Call {
        let target =
            if target.starts_with('/') { target.to_owned() } else { format!("/v1/tenants/default/{target}") };
        let headers = HeaderMap::from_iter([(hyper::header::HOST, HeaderValue::from_static("localhost"))]);
        Call { address: self.address, method: method.to_owned(), target, headers, body: Bytes::new() }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.call("GET", target).send().await
    }

    pub(crate) async fn delete(&self, target: &str) -> Answer {
        self.call("DELETE", target).send().await
    }

    pub(crate) async fn post(&self, target: &str, body: &Value) -> Answer {
        self.call("POST", target).json(body).send().await
    }

    pub(crate) async fn put(&self, target: &str, body: &Value) -> Answer {
        self.call("PUT", target).json(body).send().await
    }

    pub(crate) async fn merge(&self, target: &str, body: &Value) -> Answer {
        self.call("PATCH", target).merge(body).send().await
    }

    /// Creates a context outside the tree and returns its id.
    pub(crate) async fn created(&self, data: &Value) -> String {
        let answer = self.post("contexts", &json!({"context_type": "note", "context_data": data})).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Returns the number of all writes of a tenant.
    pub(crate) async fn writes(&self, tenant: &str) -> usize {
        let answer = self.get(&format!("/v1/tenants/{tenant}/changes?limit=200")).await;
        assert_eq!(answer.status, 200);
        let page = answer.json();
        assert_eq!(page["next_page_token"], Value::Null, "more writes than a test counts");
        page["items"].as_array().unwrap().len()
    }

    /// Sends raw bytes and returns what the server sent until it closed the connection.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut text = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut text)).await;
        read.expect("the server neither responded nor closed the connection").unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// The configuration of a server that requires API keys.
pub(crate) fn keys() -> HttpConfig {
    HttpConfig { authentication: Authentication::Keys, ..HttpConfig::default() }
}

fn operator() -> Caller {
    let principal = Principal { name: "a test".to_owned(), access: Access::Operator };
    Caller::in_installation(principal, "r".to_owned())
}

/// A request to be sent.
#[derive(Clone)]
pub(crate) struct Call {
    address: SocketAddr,
    method: String,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// Adds a header line; a `host` line is replaced.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        if name == hyper::header::HOST {
            self.headers.remove(&name);
        }
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// Adds a bearer token.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub(crate) fn body(mut self, media_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", media_type)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn merge(self, body: &Value) -> Self {
        self.body("application/merge-patch+json", body.to_string())
    }

    pub(crate) fn operations(self, body: &Value) -> Self {
        self.body("application/json-patch+json", body.to_string())
    }

    pub(crate) async fn send(self) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(self.target.as_str())
            .body(Full::new(self.body))
            .unwrap();
        *request.headers_mut() = self.headers;
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        driver.abort();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        answer.check(&self.method, &self.target);
        answer
    }
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().unwrap()
    }

    pub(crate) fn etag(&self) -> &str {
        self.header("etag")
    }

    /// Checks the status, and returns the problem's code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{:?}", self.body);
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// Checks that the problem names this parameter or header.
    #[track_caller]
    pub(crate) fn names(&self, parameter: &str) {
        assert_eq!(self.problem(400), "bad_parameter");
        let detail = self.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(&format!("{parameter}: ")), "{detail} does not name {parameter}");
    }

    /// Checks that the problem has a fault at this pointer.
    #[track_caller]
    pub(crate) fn points_at(&self, pointer: &str) {
        assert_eq!(self.problem(422), "invalid");
        let errors = self.json()["errors"].clone();
        let pointers: Vec<_> =
            errors.as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
        assert!(pointers.contains(&pointer), "{pointers:?} lack {pointer}");
    }

    /// Checks what every response must have, and that the OpenAPI document describes it.
    fn check(&self, method: &str, target: &str) {
        let place = format!("{method} {target} gave {self:?}");
        assert!(!self.header("x-request-id").is_empty(), "{place}");
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{place}");
        assert!(self.headers.contains_key("cache-control"), "{place}");
        assert!(!self.headers.contains_key("access-control-allow-origin"), "{place}");
        let is_problem =
            self.headers.get("content-type").is_some_and(|kind| kind == "application/problem+json");
        let has_failed = self.status.is_client_error() || self.status.is_server_error();
        let is_finding = target.starts_with("/health") && self.status == 503;
        assert!(is_problem == has_failed || is_finding, "{place}");
        if is_problem && method != "HEAD" {
            self.check_problem(&place);
        }
        self.check_documented(method, target, &place);
    }

    fn check_problem(&self, place: &str) {
        let problem = self.json();
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("urn:context-service:problem:{code}"), "{place}");
        assert_eq!(problem["status"], self.status.as_u16(), "{place}");
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{place}");
        assert!(!problem["title"].as_str().unwrap().is_empty(), "{place}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{place}");
        let later =
            matches!(code, "contended" | "store_unavailable" | "tenant_unhealthy" | "overloaded" | "timeout");
        // This depends on whether the request had an idempotency key, which the response does not show.
        let depends = code == "outcome_unknown";
        assert!(depends || self.headers.contains_key("retry-after") == later, "{place}");
    }

    fn check_documented(&self, method: &str, target: &str, place: &str) {
        let path = target.split('?').next().unwrap();
        let Some(operations) = documented(path) else {
            assert!(matches!(self.status.as_u16(), 400 | 403 | 404), "{place}");
            return;
        };
        let method = if method == "HEAD" { "GET" } else { method };
        let Some(operation) = operations.get(method.to_lowercase()) else {
            assert!(matches!(self.status.as_u16(), 400 | 403 | 405), "{place}");
            return;
        };
        let answer = &operation["responses"][self.status.as_str()];
        assert!(answer.is_object(), "the OpenAPI document has no such status: {place}");
        if self.headers.get("content-type").is_some_and(|kind| kind == "application/problem+json")
            && !self.body.is_empty()
        {
            let code = self.json()["code"].as_str().unwrap().to_owned();
            let codes = answer["description"].as_str().unwrap();
            assert!(codes.contains(&format!("`{code}`")), "the OpenAPI document has no {code}: {place}");
        }
        let kind = self.headers.get("content-type").map_or("", |kind| kind.to_str().unwrap());
        if kind.ends_with("json") && !self.body.is_empty() {
            let schema = &answer["content"][kind]["schema"];
            crate::schema::check(&self.json(), schema).unwrap_or_else(|wrong| panic!("{wrong}: {place}"));
        }
        for name in
            ["etag", "location", "context-cache", "idempotency-replayed", "retry-after", "www-authenticate"]
        {
            let described = answer["headers"].as_object().unwrap();
            let is_described = described.keys().any(|known| known.eq_ignore_ascii_case(name));
            assert!(
                is_described || !self.headers.contains_key(name),
                "the OpenAPI document has no header {name}: {place}"
            );
        }
    }
}

/// A subscriber for all threads. Without it, a thread without a subscriber that comes first to a log
/// statement would have it disabled for all threads, also for the test of another thread that reads the log.
static SUBSCRIBED: LazyLock<()> = LazyLock::new(|| {
    tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
});

/// The OpenAPI document.
pub(crate) static OPENAPI: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(openapi_document()).unwrap());

/// Returns the path item of the OpenAPI document whose template matches `path`.
pub(crate) fn documented(path: &str) -> Option<&'static Value> {
    let segments: Vec<_> = path.split('/').collect();
    let fits = |template: &str| {
        let pieces: Vec<_> = template.split('/').collect();
        let one = |(piece, segment): (&&str, &&str)| {
            piece == segment || (piece.starts_with('{') && !segment.is_empty())
        };
        pieces.len() == segments.len() && pieces.iter().zip(&segments).all(one)
    };
    let paths = OPENAPI["paths"].as_object().unwrap();
    // A literal path has precedence over a template that matches too.
    paths.get(path).or_else(|| paths.iter().find(|(template, _)| fits(template)).map(|(_, item)| item))
}
