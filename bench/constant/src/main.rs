//! Responds to every path with the bytes of a file, behind the service's own middleware: `bench-constant
//! ADDRESS FILE`.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use context_domain::id::RandomIds;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bench-constant ADDRESS FILE".into());
    };
    let body = axum::body::Bytes::from(std::fs::read(file)?);
    let routes = Router::new().fallback(async move || ([(CONTENT_TYPE, "application/json")], body.clone()));
    let router = context_server::surround(routes, Arc::new(RandomIds), Vec::new());
    context_server::serve(TcpListener::bind(address).await?, router, std::future::pending()).await?;
    Ok(())
}
