//! The server's end of the control socket: one request, one response a connection.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ipc::control::{DiskStatus, LINE_LIMIT, PushStatus, Request, Response, ServerStatus};
use ipc::lines;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::operation::invites;
use crate::operation::observed::Observed;
use crate::operation::queue::{self, QueueControl};
use crate::runtime::lines::Lines;

/// The time that a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

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
                let _ = tokio::time::timeout(REQUEST_TIMEOUT, serve(stream, &server)).await;
            });
        }
    }
}

async fn serve(stream: UnixStream, server: &ControlServer) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let Some(line) = Lines::new(read, LINE_LIMIT).next().await? else { return Ok(()) };
    let response = match line.decode() {
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
        Err(error) => Response::Refused(format!("The request is not understood: {error}.")),
    };
    write.write_all(&lines::encode(&response)?).await?;
    Ok(())
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
        push: observed.notifier.as_ref().map(|notifier| PushStatus {
            pending: notifier.pending(),
            sent: observed.counters.pushes.sent.value(),
            failed: observed.counters.pushes.failed.value(),
            given_up: observed.counters.pushes.given_up.value(),
            gone: observed.counters.pushes.gone.value(),
        }),
        disk: observed.resources.disk().map(|space| DiskStatus { free: space.free, total: space.total }),
        certificate_self_signed: certificate.self_signed,
        certificate: certificate.names,
        certificate_expires: certificate.expires.map(|time| time.0),
        listening: listening.collect(),
        pairing_window: view.code.map(|code| code.closes),
        troubles: view.troubles,
    }
}
