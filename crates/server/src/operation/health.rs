//! The self-check: the server is asked the way a client would, over the loopback, and through the store's writer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use host::clock;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::connections::service::{Ports, Service};
use crate::operation::observed::Observed;
use crate::runtime::blocking;

/// From one self-check to the next.
const INTERVAL: Duration = Duration::from_secs(5);
/// The time that each part of a self-check may take.
const LIMIT: Duration = Duration::from_secs(4);
/// A setting that does not exist; removing it goes through the writer and touches no disk.
const PROBE: &str = "health.probe";

/// The findings of a self-check, one sentence each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// Parts that do not work.
    pub(crate) broken: Vec<String>,
    /// Parts that work, but that a person should look at.
    pub(crate) worrying: Vec<String>,
}

/// Checks again and again, reports the findings, and counts the checks without a broken part for the watchdog.
pub(crate) async fn run(observed: Arc<Observed>, good: watch::Sender<u64>) {
    let mut known = Health::default();
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let health = check(&observed).await;
        if health != known {
            for trouble in health.broken.iter().chain(&health.worrying) {
                tracing::error!(trouble, "the self-check found something");
            }
            observed.pairing.troubles([&health.broken[..], &health.worrying[..]].concat()).await;
        }
        if health.broken.is_empty() {
            good.send_modify(|count| *count += 1);
        }
        known = health;
    }
}

/// Checks once.
pub(crate) async fn check(observed: &Observed) -> Health {
    let mut health = Health::default();
    match tokio::time::timeout(LIMIT, store_works(observed)).await {
        Ok(None) => {}
        Ok(Some(trouble)) => health.broken.push(trouble),
        Err(_) => health.broken.push("The disk does not answer.".to_owned()),
    }
    for service in [Service::Imap, Service::Submission, Service::Imaps, Service::Submissions, Service::Smtp] {
        let works = tokio::time::timeout(LIMIT, answers(&observed.ports, service)).await;
        if !works.is_ok_and(|works| works) {
            health.broken.push(format!("The server does not answer on its {service:?} port."));
        }
    }
    if let Some(shortage) = observed.resources.shortage() {
        health.worrying.push(format!("No new accounts are made: {shortage}."));
    }
    health.worrying.extend(observed.tls.trouble());
    health.worrying.extend(clock_trouble(observed));
    health.worrying.extend(observed.owner_trouble.clone());
    health.worrying.extend(observed.naming.troubles());
    health.worrying.extend(observed.tunnel.troubles(clock::now()));
    health
}

/// The sentence about mail that waits for the time. Where none waits, a home without the internet lacks nothing.
fn clock_trouble(observed: &Observed) -> Option<String> {
    let waits = || observed.store.outbound_summary().is_ok_and(|queued| queued.oldest.is_some());
    (observed.clock.is_overdue(clock::now()) && waits()).then(|| {
        "Mail to other servers waits: no time server on the internet has told the time yet, nor have web servers, so the \
         clock is not known to be right."
            .to_owned()
    })
}

async fn store_works(observed: &Observed) -> Option<String> {
    if let Some(trouble) = observed.store.trouble() {
        return Some(format!("The disk failed: {trouble}."));
    }
    let store = observed.store.clone();
    match blocking::run(move || store.set_setting(PROBE, None)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("Mail cannot be kept: {error}.")),
        Err(unfinished) => Some(format!("Mail cannot be kept: {unfinished}.")),
    }
}

/// True if the service accepts a connection, and greets it on the ports that begin in clear text.
async fn answers(ports: &Ports, service: Service) -> bool {
    let Some(&address) = ports.get(&service).and_then(|addresses| addresses.first()) else {
        // Switched off by the owner.
        return true;
    };
    let Ok(mut stream) = TcpStream::connect(loopback(address)).await else { return false };
    match service {
        Service::Imap | Service::Submission | Service::Smtp => stream.read_u8().await.is_ok(),
        _ => true,
    }
}

/// The address at which the machine itself reaches a socket.
pub(crate) fn loopback(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
