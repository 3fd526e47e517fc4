//! The least that a response from PostgreSQL over HTTP costs: `bench-floor ADDRESS DATABASE_URL CONNECTIONS
//! CASE_FILE`.
//!
//! The case file is JSON: `statement`, `parameters` (a list of parameter lists, each of texts and lists of
//! texts; path `/n` uses the n-th), `body` (the response, whatever the rows are). Each connection is
//! pipelined and has the statement prepared with a generic plan; requests use the connections in turn. Rows
//! are received and dropped.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};

type FloorError = Box<dyn Error + Send + Sync>;
type FloorParameter = Box<dyn ToSql + Send + Sync>;

struct Floor {
    connections: Vec<(Client, Statement)>,
    next: AtomicUsize,
    parameters: Vec<Vec<FloorParameter>>,
    body: Bytes,
}

#[tokio::main]
async fn main() -> Result<(), FloorError> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [address, url, connections, case] = &arguments[..] else {
        return Err("usage: bench-floor ADDRESS DATABASE_URL CONNECTIONS CASE_FILE".into());
    };
    let floor = Arc::new(floor(url, connections.parse()?, &std::fs::read_to_string(case)?).await?);
    let router = Router::new().route("/{n}", get(respond)).with_state(floor);
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn floor(url: &str, connections: usize, case: &str) -> Result<Floor, FloorError> {
    let case: Value = serde_json::from_str(case)?;
    let member = |name: &str| case.get(name).ok_or_else(|| format!("the case has no {name}"));
    let statement = member("statement")?.as_str().ok_or("the statement is not a text")?;
    let body = member("body")?.as_str().ok_or("the body is not a text")?.to_owned();
    let lists = member("parameters")?.as_array().ok_or("the parameters are not a list")?;
    let mut ready = Vec::new();
    for _ in 0..connections {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute("SET plan_cache_mode = force_generic_plan").await?;
        let prepared = client.prepare(statement).await?;
        ready.push((client, prepared));
    }
    let parameters = lists.iter().map(parameters).collect::<Result<_, _>>()?;
    Ok(Floor { connections: ready, next: AtomicUsize::new(0), parameters, body: body.into() })
}

fn parameters(list: &Value) -> Result<Vec<FloorParameter>, FloorError> {
    let list = list.as_array().ok_or("a parameter list is not a list")?;
    list.iter().map(parameter).collect()
}

fn parameter(value: &Value) -> Result<FloorParameter, FloorError> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("a parameter is not a text");
    match value {
        Value::Array(texts) => Ok(Box::new(texts.iter().map(text).collect::<Result<Vec<_>, _>>()?)),
        value => Ok(Box::new(text(value)?)),
    }
}

async fn respond(State(floor): State<Arc<Floor>>, Path(n): Path<usize>) -> Response {
    let turn = floor.next.fetch_add(1, Ordering::Relaxed) % floor.connections.len().max(1);
    let (Some((client, statement)), Some(parameters)) =
        (floor.connections.get(turn), floor.parameters.get(n))
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let parameters: Vec<_> =
        parameters.iter().map(|value| -> &(dyn ToSql + Sync) { value.as_ref() }).collect();
    match client.query(statement, &parameters).await {
        Ok(rows) if !rows.is_empty() => {
            ([(CONTENT_TYPE, "application/json")], floor.body.clone()).into_response()
        }
        Ok(_) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
