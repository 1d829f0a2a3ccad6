//! Whether the server really works, asked the way a client would: over the loopback, and through the store's writer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::blocking;
use super::listeners::{Ports, Service};
use super::server::Server;

/// How often the server is asked.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);
/// A server that has not answered by then does not work.
const LIMIT: Duration = Duration::from_secs(4);
/// A setting that does not exist; removing it goes through the writer and touches no disk.
const PROBE: &str = "health.probe";

/// What is wrong, one sentence each; nothing, when everything works.
pub(super) async fn check(server: &Server) -> Vec<String> {
    let mut troubles = Vec::new();
    match tokio::time::timeout(LIMIT, store_works(server)).await {
        Ok(None) => {}
        Ok(Some(trouble)) => troubles.push(trouble),
        Err(_) => troubles.push("The disk does not answer.".to_owned()),
    }
    for service in [Service::Imap, Service::Submission, Service::Imaps, Service::Submissions] {
        let works = tokio::time::timeout(LIMIT, answers(&server.ports, service)).await;
        if !works.is_ok_and(|works| works) {
            troubles.push(format!("The server does not answer on its {service:?} port."));
        }
    }
    troubles
}

async fn store_works(server: &Server) -> Option<String> {
    if let Some(trouble) = server.store.trouble() {
        return Some(format!("The disk failed: {trouble}."));
    }
    let store = server.store.clone();
    match blocking::run(move || store.set_setting(PROBE, None)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("Mail cannot be kept: {error}.")),
        Err(unfinished) => Some(format!("Mail cannot be kept: {unfinished}.")),
    }
}

/// Whether a client gets in, and on the ports that begin in clear text, whether it is greeted.
async fn answers(ports: &Ports, service: Service) -> bool {
    let Some(&address) = ports.get(&service).and_then(|addresses| addresses.first()) else {
        // Switched off by the owner.
        return true;
    };
    let Ok(mut stream) = TcpStream::connect(loopback(address)).await else { return false };
    match service {
        Service::Imap | Service::Submission => stream.read_u8().await.is_ok(),
        _ => true,
    }
}

/// Where the machine itself reaches a socket.
pub(super) fn loopback(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
