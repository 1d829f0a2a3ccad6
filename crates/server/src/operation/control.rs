//! The server's end of the control socket: one request, one response a connection.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use host::clock;
use ipc::control::{DiskStatus, LINE_LIMIT, PushStatus, Request, Response, ServerStatus};
use ipc::lines::{self, LineError};
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::naming::{Change, OwnerSettings};
use crate::operation::invites;
use crate::operation::observed::Observed;
use crate::operation::queue::{self, QueueControl};
use crate::operation::reachability::Reachability;
use crate::runtime::blocking;
use crate::runtime::lines::Lines;

/// The time for reading a request, and the time that most take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for a request that asks other servers.
const ASKING_TIMEOUT: Duration = Duration::from_secs(60);

/// Binds the socket; a left-over of a server that was killed makes room. Call only while holding the store's lock,
/// which proves that no other server uses it.
pub(crate) fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing the old socket {}", path.display()));
        }
        _ => {}
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("making the control socket {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .with_context(|| format!("closing {} to others", path.display()))?;
    Ok(listener)
}

/// The server's end of the control socket.
pub(crate) struct ControlServer {
    pub(crate) observed: Arc<Observed>,
    /// For the links of new invites.
    pub(crate) site: Arc<web::Site>,
    pub(crate) queue: QueueControl,
    pub(crate) reachability: Arc<Reachability>,
    pub(crate) owner: Arc<OwnerSettings>,
    /// Asks for a start with other settings.
    pub(crate) restart: Arc<Notify>,
}

/// Answers requests until the server stops.
pub(crate) async fn run(
    listener: UnixListener,
    server: Arc<ControlServer>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
) {
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        if let Ok((stream, _)) = accepted {
            let server = Arc::clone(&server);
            tasks.spawn(async move {
                let _ = serve(stream, &server).await;
            });
        }
    }
}

async fn serve(stream: UnixStream, server: &ControlServer) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = Lines::new(read, LINE_LIMIT);
    let Some(line) = tokio::time::timeout(REQUEST_TIMEOUT, lines.next()).await?? else { return Ok(()) };
    let request = line.decode();
    let limit = match &request {
        Ok(Request::Dns { .. } | Request::RotateKey | Request::CheckNetwork { .. }) => ASKING_TIMEOUT,
        _ => REQUEST_TIMEOUT,
    };
    let response = match tokio::time::timeout(limit, respond(request, server)).await {
        Ok(response) => response,
        Err(_) => Response::Refused("It takes too long; try again later.".to_owned()),
    };
    tokio::time::timeout(REQUEST_TIMEOUT, write.write_all(&lines::encode(&response)?)).await??;
    Ok(())
}

async fn respond(request: Result<Request, LineError>, server: &ControlServer) -> Response {
    match request {
        Ok(Request::Status) => Response::Status(Box::new(status(server))),
        Ok(Request::Pair) => pair(&server.observed).await,
        Ok(Request::MakeInvite { uses, lifetime }) => {
            invites::make(&server.observed, &server.site, uses, lifetime).await
        }
        Ok(Request::Invites) => invites::list(&server.observed.store),
        Ok(Request::RevokeInvite(id)) => invites::revoke(&server.observed.store, id).await,
        Ok(Request::Queue { after, addresses }) => queue::page(&server.queue, after.as_deref(), addresses),
        Ok(Request::RetryQueued(selection)) => queue::retry(&server.queue, &selection),
        Ok(Request::DropQueued { id, sender }) => queue::drop_one(&server.queue, &id, sender).await,
        Ok(Request::Dns { check }) => server.reachability.domain(check).await,
        Ok(Request::RotateKey) => server.reachability.rotate_key().await,
        Ok(Request::CheckNetwork { relay }) => {
            Response::Findings(server.reachability.look(relay.as_deref()).await)
        }
        Ok(Request::Naming) => Response::Naming(Box::new(server.observed.naming.status())),
        Ok(Request::ChangeSettings { change }) => change_settings(server, change).await,
        Err(error) => Response::Refused(format!("The request is not understood: {error}.")),
    }
}

/// Keeps changed settings. The server starts anew with them once the response is on its way.
async fn change_settings(server: &ControlServer, change: String) -> Response {
    let owner = Arc::clone(&server.owner);
    match blocking::run(move || owner.change(&change)).await {
        Ok(Ok(Change::Made(findings))) => {
            server.restart.notify_one();
            Response::SettingsChanged(findings.iter().map(ToString::to_string).collect())
        }
        Ok(Ok(Change::None)) => Response::SettingsChanged(Vec::new()),
        Ok(Ok(Change::Refused(findings))) => {
            Response::Refused(findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
        Ok(Err(error)) => Response::Refused(format!("The settings cannot be kept: {error:#}.")),
        Err(error) => Response::Refused(format!("The settings cannot be kept: {error}.")),
    }
}

async fn pair(observed: &Observed) -> Response {
    let opened = observed.pairing.open().await.and_then(|view| view.code);
    match opened {
        Some(code) => Response::Pairing { link: code.link, closes: code.closes },
        None => Response::Refused("The configuration's registration lets nobody in by pairing.".to_owned()),
    }
}

fn status(server: &ControlServer) -> ServerStatus {
    let observed = &server.observed;
    // What cannot be read shows among the troubles.
    let queued = observed.store.outbound_summary().unwrap_or_default();
    let certificate = observed.tls.summary();
    let view = observed.pairing.watch().borrow().clone();
    let listening = observed
        .ports
        .iter()
        .map(|(service, addresses)| (format!("{service:?}").to_lowercase(), addresses.clone()));
    ServerStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        domain: observed.domain.to_string(),
        registration: observed.registration.to_string(),
        accounts: view.accounts,
        connections: observed.connections.count(),
        connections_limit: observed.connections.limit(),
        queue: queued.messages,
        sending: queue::status(&server.queue, queued),
        clock: observed.clock.source(),
        push: observed.notifier.as_ref().map(|notifier| PushStatus {
            pending: notifier.pending(),
            sent: observed.counters.pushes.sent.value(),
            failed: observed.counters.pushes.failed.value(),
            given_up: observed.counters.pushes.given_up.value(),
            gone: observed.counters.pushes.gone.value(),
        }),
        disk: observed.resources.disk().map(|space| DiskStatus { free: space.free, total: space.total }),
        certificate_self_signed: certificate.self_signed,
        certificate_source: certificate.source(),
        certificate: certificate.names,
        certificate_expires: certificate.expires.map(|time| time.0),
        listening: listening.collect(),
        tunnel: observed.tunnel.status(clock::now()),
        pairing_window: view.code.map(|code| code.closes),
        troubles: view.troubles,
    }
}
