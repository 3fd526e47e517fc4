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

use crate::args::{AuthMode, DEFAULT_LISTEN, ServeArgs};
use crate::config::Settings;
use crate::failure::CommandFailure;
use crate::key::list_keys;
use crate::store::{OpenedService, open_service};

pub(crate) async fn run_serve(settings: &Settings, args: &ServeArgs) -> Result<ExitCode, CommandFailure> {
    let auth = args.auth.or(settings.auth).unwrap_or(AuthMode::None);
    let address = listen_address(settings, args, auth)?;
    let allowed_hosts = allowed_hosts(settings, args)?;
    let options = settings.serving()?;
    let OpenedService { service, clock } = open_service(&options).await?;
    let service = Arc::new(service);
    warn_of_keys(&service, clock.as_ref(), auth).await?;
    let listener = TcpListener::bind(address).await.map_err(|error| cannot_listen(address, &error))?;
    let bound = listener.local_addr().map_err(|error| cannot_listen(address, &error))?;
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|error| CommandFailure::new(format!("no handler for SIGTERM could be set: {error}")))?;
    let stop = async move {
        tokio::select! {
            // This also completes if no handler for Ctrl-C can be set: the server then stops at once.
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping after the requests that are in progress");
    };
    tracing::info!(store = %options.url, "serving on http://{bound}, documentation on http://{bound}/docs");
    let authentication = match auth {
        AuthMode::None => Authentication::Open,
        AuthMode::Keys => Authentication::Keys,
    };
    let config = HttpConfig { allowed_hosts, authentication, ..HttpConfig::default() };
    let router = context_server::router(service, Arc::new(RandomIds), config);
    context_server::serve(listener, router, stop)
        .await
        .map_err(|error| CommandFailure::new(format!("the server stopped: {error}")))?;
    Ok(ExitCode::SUCCESS)
}

/// Warns if working API keys exist but are not required, or if they are required but none works.
async fn warn_of_keys(service: &Service, clock: &dyn Clock, auth: AuthMode) -> Result<(), CommandFailure> {
    let now = clock.now();
    let any_works = list_keys(service, None).await?.iter().any(|key| key.works(now));
    match (auth, any_works) {
        (AuthMode::None, true) => tracing::warn!(
            "API keys exist but are not required, and every caller may do everything: \
             use --auth keys to require them"
        ),
        (AuthMode::Keys, false) => tracing::warn!(
            "callers need an API key, but none that works exists: \
             create one with context-service key create"
        ),
        (AuthMode::None, false) | (AuthMode::Keys, true) => {}
    }
    Ok(())
}

/// Returns the one address to listen on: loopback only, unless callers must send keys or `--insecure-no-auth`
/// is given.
fn listen_address(
    settings: &Settings,
    args: &ServeArgs,
    auth: AuthMode,
) -> Result<SocketAddr, CommandFailure> {
    if auth == AuthMode::Keys && args.insecure_no_auth {
        return Err(CommandFailure::usage(
            "--insecure-no-auth admits every caller, and --auth keys does not: choose one",
        ));
    }
    let named = args.listen.as_deref().filter(|text| !text.is_empty());
    let text = named.or(settings.listen.as_deref()).unwrap_or(DEFAULT_LISTEN);
    let mut found = text.to_socket_addrs().map_err(|error| {
        CommandFailure::usage(format!("--listen {text}: {error}; write HOST:PORT, such as {DEFAULT_LISTEN}"))
    })?;
    let address =
        found.next().ok_or_else(|| CommandFailure::usage(format!("--listen {text}: no such address")))?;
    if !address.ip().is_loopback() && auth == AuthMode::None && !args.insecure_no_auth {
        return Err(CommandFailure::usage(format!(
            "--listen {text} can be reached from other machines, and callers are not authenticated: use \
             --auth keys, listen on a loopback address, or accept that with --insecure-no-auth"
        )));
    }
    Ok(address)
}

fn allowed_hosts(settings: &Settings, args: &ServeArgs) -> Result<Vec<HttpHost>, CommandFailure> {
    let names = settings.allowed_hosts.iter().chain(&args.allowed_hosts);
    let hosts = names.map(|name| {
        name.parse().map_err(|rule: String| CommandFailure::usage(format!("--allowed-host: {rule}")))
    });
    hosts.collect()
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> CommandFailure {
    let advice = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            ": another program listens there; stop it, or choose another --listen"
        }
        std::io::ErrorKind::PermissionDenied => ": ports below 1024 need privileges; choose another --listen",
        _ => "",
    };
    CommandFailure::new(format!("cannot listen on {address}: {error}{advice}"))
}
