//! The server's end of the control socket: one request, one response a connection.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use config::Registration;
use ipc::control::{Disk, LINE_LIMIT, Push, Request, Response, Status};
use ipc::lines;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};

use crate::operation::invites;
use crate::runtime::lines::Lines;
use crate::runtime::tasks::Life;
use crate::web_backend::Server;

/// Whoever connects and says nothing is dropped after this time.
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

/// Answers until the server goes down.
pub(crate) async fn run(listener: UnixListener, server: Arc<Server>, life: Life) {
    let mut shutdown = server.shutdown.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|&stop| stop) => break,
        };
        if let Ok((stream, _)) = accepted {
            let (server, life) = (Arc::clone(&server), life.clone());
            tokio::spawn(async move {
                let _ = tokio::time::timeout(REQUEST_TIMEOUT, serve(stream, &server)).await;
                drop(server);
                drop(life);
            });
        }
    }
    // In this order: whoever waits for the last life may open the store again.
    drop(server);
    drop(life);
}

async fn serve(stream: UnixStream, server: &Server) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let Some(line) = Lines::new(read, LINE_LIMIT).next().await? else { return Ok(()) };
    let response = match line.decode() {
        Ok(Request::Status) => Response::Status(Box::new(status(server))),
        Ok(Request::Pair) => pair(server).await,
        Ok(Request::MakeInvite { uses, lifetime }) => invites::made(server, uses, lifetime).await,
        Ok(Request::Invites) => invites::listed(server),
        Ok(Request::RevokeInvite(id)) => invites::revoked(server, id).await,
        Err(error) => Response::Refused(format!("The request is not understood: {error}.")),
    };
    write.write_all(&lines::encode(&response)?).await?;
    Ok(())
}

async fn pair(server: &Server) -> Response {
    let opened = server.pairing.open().await.and_then(|view| view.status.invitation);
    match opened {
        Some(invitation) => Response::Pairing { link: invitation.link, closes: invitation.closes },
        None => Response::Refused("The configuration's registration lets nobody in by pairing.".to_owned()),
    }
}

fn status(server: &Server) -> Status {
    let certificate = server.tls.summary();
    let view = server.pairing.watch().borrow().clone();
    let registration = match server.config.registration {
        Registration::Open => "open",
        Registration::Pairing => "pairing",
        Registration::Invite => "invite",
        Registration::Closed => "closed",
    };
    let listening = server
        .ports
        .iter()
        .map(|(service, addresses)| (format!("{service:?}").to_lowercase(), addresses.clone()));
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        domain: server.config.domain.to_string(),
        registration: registration.to_owned(),
        accounts: view.status.accounts,
        connections: server.door.count(),
        connections_limit: server.door.limit(),
        // What cannot be read shows among the troubles.
        queue: server.store.outbound().map_or(0, |queue| queue.len()),
        push: server.notifier.as_ref().map(|notifier| Push {
            pending: notifier.pending(),
            sent: server.counters.pushes.sent.value(),
            failed: server.counters.pushes.failed.value(),
            given_up: server.counters.pushes.given_up.value(),
            gone: server.counters.pushes.gone.value(),
        }),
        disk: server.resources.disk().map(|space| Disk { free: space.free, total: space.total }),
        certificate_self_signed: certificate.self_signed,
        certificate: certificate.names,
        certificate_expires: certificate.expires.map(|time| time.0),
        listening: listening.collect(),
        pairing_window: view.status.invitation.map(|invitation| invitation.closes),
        troubles: view.status.troubles,
    }
}
