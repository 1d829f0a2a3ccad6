//! Listening sockets: bound all at once at the start, each with a loop that accepts connections.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use config::Config;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connections::places::{Place, Places};
use crate::connections::rejection::OverloadResponder;
use crate::connections::service::{Ports, Service};
use crate::runtime::counters::Counters;

/// Connections that the kernel completes ahead of `accept`.
const BACKLOG: u32 = 256;
/// The waits after failed accepts, when the machine has run out of something.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A bound socket.
pub(crate) struct Listener {
    service: Service,
    socket: TcpListener,
}

/// Binds everything the configuration names; the first failure ends the start.
pub(crate) fn bind(config: &Config) -> anyhow::Result<Vec<Listener>> {
    let listen = &config.listen;
    let wanted = [
        (Service::Imaps, &listen.imaps),
        (Service::Imap, &listen.imap),
        (Service::Submissions, &listen.submissions),
        (Service::Submission, &listen.submission),
        (Service::Https, &listen.https),
        (Service::Http, &listen.http),
        (Service::Smtp, &listen.smtp),
        (Service::Metrics, &config.metrics.listen),
    ];
    let mut listeners = Vec::new();
    for (service, addresses) in wanted {
        for &address in addresses {
            let socket = bind_one(address).with_context(|| explain(service, address))?;
            listeners.push(Listener { service, socket });
        }
    }
    Ok(listeners)
}

fn explain(service: Service, address: SocketAddr) -> String {
    let low = "; ports below 1024 need root or CAP_NET_BIND_SERVICE, or choose others";
    let hint = if (1..1024).contains(&address.port()) { low } else { "" };
    let key = match service {
        Service::Metrics => "metrics.listen".to_owned(),
        _ => format!("listen.{}", format!("{service:?}").to_lowercase()),
    };
    format!("listening on {address} for {key}{hint}")
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    match listen(address) {
        // A machine without IPv6 means all of its IPv4 addresses when it is told `[::]`.
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() && no_such_family(&error) => {
            listen((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        outcome => outcome,
    }
}

fn no_such_family(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [rustix::io::Errno::AFNOSUPPORT, rustix::io::Errno::ADDRNOTAVAIL]
        .iter()
        .any(|e| Some(e.raw_os_error()) == code)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The addresses that the sockets are bound to.
pub(crate) fn ports(listeners: &[Listener]) -> anyhow::Result<Ports> {
    let mut ports = Ports::new();
    for listener in listeners {
        let address = listener.socket.local_addr().context("asking a socket for its address")?;
        ports.entry(listener.service).or_default().push(address);
    }
    Ok(ports)
}

/// Writes the bound addresses for other programs; a reader finds the whole file or none.
pub(crate) fn write_ports(ports: &Ports, file: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(ports)? + "\n";
    host::file::replace(file, text.as_bytes()).with_context(|| format!("writing {}", file.display()))
}

/// The places of new connections, and the response to those that find none.
#[derive(Clone)]
pub(crate) struct Admission {
    pub(crate) places: Arc<Places>,
    pub(crate) responder: OverloadResponder,
    pub(crate) counters: Arc<Counters>,
}

impl Admission {
    /// Has a connection handled in a task of its own, if there is a place for it.
    pub(crate) fn admit<H, F>(
        &self,
        service: Service,
        (stream, peer): (TcpStream, SocketAddr),
        tasks: &TaskTracker,
        handler: &H,
    ) where
        H: Fn(Service, TcpStream, SocketAddr, Arc<Place>) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        match self.places.enter(peer.ip(), service.crowd()) {
            Ok(place) => {
                let (place, counters) = (Arc::new(place), Arc::clone(&self.counters));
                let handled = handler(service, stream, peer, Arc::clone(&place));
                tasks.spawn(async move {
                    tokio::select! {
                        () = handled => {}
                        () = place.overdue() => {}
                    }
                    if place.make_room().is_cancelled() {
                        counters.connections_rejected.count();
                    }
                });
            }
            Err(reached) => {
                self.counters.connections_rejected.count();
                tracing::debug!(%peer, ?reached, "too many connections: one was rejected");
                self.responder.respond(stream, service, reached);
            }
        }
    }
}

/// Accepts connections until the server stops, and has each handled in a task of its own.
pub(crate) async fn accept<H, F>(
    listener: Listener,
    admission: Admission,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    handler: H,
) where
    H: Fn(Service, TcpStream, SocketAddr, Arc<Place>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut pause = FIRST_PAUSE;
    while let Some(accepted) = shutdown.run_until_cancelled(listener.socket.accept()).await {
        match accepted {
            Ok(accepted) => {
                pause = FIRST_PAUSE;
                admission.admit(listener.service, accepted, &tasks, &handler);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
