//! `serve`: the HTTP API over the store.

use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;

use context_domain::clock::Clock;
use context_domain::id::RandomIds;
use context_domain::service::Service;
use context_server::{Authentication, HttpConfig, HttpHost};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Auth, ServeArgs};
use crate::config::Settings;
use crate::failure::Failure;
use crate::key;
use crate::store::{Opened, open};

const DEFAULT_LISTEN: &str = "127.0.0.1:8000";

pub(crate) async fn run(settings: &Settings, args: &ServeArgs) -> Result<ExitCode, Failure> {
    let auth = args.auth.or(settings.auth).unwrap_or(Auth::None);
    let address = listen_address(settings, args, auth)?;
    let allowed_hosts = allowed_hosts(settings, args)?;
    let options = settings.serving()?;
    let Opened { service, clock } = open(&options).await?;
    let service = Arc::new(service);
    tell_of_keys(&service, clock.as_ref(), auth).await?;
    let listener = TcpListener::bind(address).await.map_err(|error| cannot_listen(address, &error))?;
    let bound = listener.local_addr().map_err(|error| cannot_listen(address, &error))?;
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|error| Failure::new(format!("SIGTERM cannot be waited for: {error}")))?;
    let stop = async move {
        tokio::select! {
            // Without a handler for Ctrl-C the process ends by the signal itself, which is what was asked.
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping: requests under way are finished first");
    };
    tracing::info!(store = %options.url, "serving on http://{bound}, documentation on http://{bound}/docs");
    let authentication = match auth {
        Auth::None => Authentication::Open,
        Auth::Keys => Authentication::Keys,
    };
    let config = HttpConfig { allowed_hosts, authentication, ..HttpConfig::default() };
    let router = context_server::router(service, Arc::new(RandomIds), config);
    context_server::serve(listener, router, stop)
        .await
        .map_err(|error| Failure::new(format!("the server stopped: {error}")))?;
    Ok(ExitCode::SUCCESS)
}

/// Whoever made keys may think that they are asked for, and whoever asks for keys needs one.
async fn tell_of_keys(service: &Service, clock: &dyn Clock, auth: Auth) -> Result<(), Failure> {
    let now = clock.now();
    let some = key::all(service, None).await?.iter().any(|key| key.works(now));
    match (auth, some) {
        (Auth::None, true) => tracing::warn!(
            "there are API keys, and nobody is asked for one: everybody may do everything; --auth keys asks"
        ),
        (Auth::Keys, false) => tracing::warn!(
            "callers are asked for an API key, and there is none that works: context-service key create makes one"
        ),
        (Auth::None, false) | (Auth::Keys, true) => {}
    }
    Ok(())
}

/// The one address to listen on: loopback, unless callers show keys or it was said by name that others may come in
/// unasked.
fn listen_address(settings: &Settings, args: &ServeArgs, auth: Auth) -> Result<SocketAddr, Failure> {
    if auth == Auth::Keys && args.insecure_no_auth {
        return Err(Failure::usage(
            "--insecure-no-auth lets everybody in, and --auth keys does not: choose one",
        ));
    }
    let named = args.listen.as_deref().filter(|text| !text.is_empty());
    let text = named.or(settings.listen.as_deref()).unwrap_or(DEFAULT_LISTEN);
    let mut found = text.to_socket_addrs().map_err(|error| {
        Failure::usage(format!("--listen {text}: {error}; write HOST:PORT, such as {DEFAULT_LISTEN}"))
    })?;
    let address = found.next().ok_or_else(|| Failure::usage(format!("--listen {text}: no such address")))?;
    if !address.ip().is_loopback() && auth == Auth::None && !args.insecure_no_auth {
        return Err(Failure::usage(format!(
            "--listen {text} is reachable from other machines, and nobody is asked who they are: say --auth keys, listen \
             on a loopback address, or say --insecure-no-auth"
        )));
    }
    Ok(address)
}

fn allowed_hosts(settings: &Settings, args: &ServeArgs) -> Result<Vec<HttpHost>, Failure> {
    let names = settings.allowed_hosts.iter().chain(&args.allowed_hosts);
    let read = names
        .map(|name| name.parse().map_err(|rule: String| Failure::usage(format!("--allowed-host: {rule}"))));
    read.collect()
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Failure {
    let advice = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            ": another program listens there; stop it, or choose another --listen"
        }
        std::io::ErrorKind::PermissionDenied => ": ports below 1024 need privileges; choose another --listen",
        _ => "",
    };
    Failure::new(format!("cannot listen on {address}: {error}{advice}"))
}
