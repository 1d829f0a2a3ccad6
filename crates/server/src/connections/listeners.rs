//! Sockets that wait for clients: bound all at once at the start, each with a loop that lets connections in.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use config::Config;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::router;
use crate::runtime::tasks::Life;
use crate::web_backend::Server;

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: u32 = 256;
/// The waits after failed accepts, when the machine has run out of something.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What is spoken on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Service {
    /// IMAP over TLS.
    Imaps,
    /// IMAP with STARTTLS.
    Imap,
    /// Submission over TLS.
    Submissions,
    /// Submission with STARTTLS.
    Submission,
    /// Whatever ALPN says, over TLS.
    Https,
    /// The web.
    Http,
    /// Numbers about the server.
    Metrics,
}

/// A bound socket.
pub(crate) struct Listener {
    service: Service,
    socket: TcpListener,
}

/// What is really listened on, by service: the configuration may ask for port 0.
pub(crate) type Ports = BTreeMap<Service, Vec<SocketAddr>>;

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

/// The addresses that the sockets really have.
pub(crate) fn ports(listeners: &[Listener]) -> anyhow::Result<Ports> {
    let mut ports = Ports::new();
    for listener in listeners {
        let address = listener.socket.local_addr().context("asking a socket for its address")?;
        ports.entry(listener.service).or_default().push(address);
    }
    Ok(ports)
}

/// Tells other programs, in one step: the file is whole or not there.
pub(crate) fn write_ports(ports: &Ports, file: &Path) -> anyhow::Result<()> {
    let unfinished = file.with_extension("json.new");
    let text = serde_json::to_string_pretty(ports)? + "\n";
    std::fs::write(&unfinished, text).with_context(|| format!("writing {}", unfinished.display()))?;
    std::fs::rename(&unfinished, file).with_context(|| format!("renaming to {}", file.display()))
}

/// What ended a wait.
enum Came {
    Client(io::Result<(TcpStream, SocketAddr)>),
    Shutdown,
}

/// Lets clients in until the server goes down.
pub(crate) async fn accept(listener: Listener, server: Arc<Server>, life: Life) {
    let mut shutdown = server.shutdown.clone();
    let mut pause = FIRST_PAUSE;
    loop {
        let came = tokio::select! {
            accepted = listener.socket.accept() => Came::Client(accepted),
            _ = shutdown.wait_for(|&stop| stop) => Came::Shutdown,
        };
        match came {
            Came::Client(Ok((stream, peer))) => {
                pause = FIRST_PAUSE;
                let place = match server.door.enter(peer.ip()) {
                    Ok(place) => place,
                    Err(full) => {
                        server.counters.turned_away.count();
                        tracing::debug!(%peer, ?full, "too many connections: one was turned away");
                        server.porch.tell(stream, listener.service, full);
                        continue;
                    }
                };
                let served = router::serve(Arc::clone(&server), listener.service, stream, peer, place);
                let life = life.clone();
                tokio::spawn(async move {
                    served.await;
                    drop(life);
                });
            }
            Came::Client(Err(error)) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Came::Shutdown => {
                // In this order: whoever waits for the last life may open the store again.
                drop(server);
                drop(life);
                return;
            }
        }
    }
}
