//! The memory of what worked: idle connections, and hosts that take mail by SMTP only. Bounded, and gone with the process.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mail_types::Domain;

use super::https::HttpsConnection;
use super::smtp::SmtpConnection;

/// The time after which an idle connection is closed: less than the 60 s that relays wait for a command.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(45);
/// The most idle connections; each holds some 50 kB.
const IDLE_COUNT: usize = 16;
/// The time for which a host is not asked by HTTPS again, as other relays have it.
const SMTP_ONLY_TIME: Duration = Duration::from_secs(30 * 60);
/// The most hosts that are remembered.
const HOST_COUNT: usize = 512;

/// A connection that can deliver another message.
pub(super) enum Connection {
    Smtp(Box<SmtpConnection>),
    Https(HttpsConnection),
}

/// A connection and the host at its other end.
pub(super) struct Idle {
    pub(super) host: String,
    pub(super) connection: Connection,
    since: Instant,
}

/// See the file's head.
#[derive(Default)]
pub(super) struct PeerMemory {
    idle: BTreeMap<Domain, Idle>,
    smtp_only: BTreeMap<String, Instant>,
}

impl PeerMemory {
    /// Keeps a connection to the destination for the next message, in the place of the one that was kept.
    pub(super) fn keep(&mut self, now: Instant, destination: &Domain, host: String, connection: Connection) {
        if self.idle.len() >= IDLE_COUNT && !self.idle.contains_key(destination) {
            let oldest =
                self.idle.iter().min_by_key(|(_, idle)| idle.since).map(|(domain, _)| domain.clone());
            oldest.map(|domain| self.idle.remove(&domain));
        }
        self.idle.insert(destination.clone(), Idle { host, connection, since: now });
    }

    /// Takes the connection to the destination, if one is fresh and its server has not closed it.
    pub(super) fn take(&mut self, now: Instant, destination: &Domain) -> Option<Idle> {
        let idle = self.idle.remove(destination)?;
        let open = match &idle.connection {
            Connection::Smtp(connection) => connection.is_quiet(),
            Connection::Https(connection) => connection.is_usable(),
        };
        (open && now - idle.since < IDLE_LIMIT).then_some(idle)
    }

    /// Takes out the connections that have been idle for too long.
    pub(super) fn take_stale(&mut self, now: Instant) -> Vec<Connection> {
        let stale = |idle: &Idle| now - idle.since >= IDLE_LIMIT;
        let domains: Vec<Domain> =
            self.idle.iter().filter(|(_, idle)| stale(idle)).map(|(domain, _)| domain.clone()).collect();
        domains.iter().filter_map(|domain| self.idle.remove(domain)).map(|idle| idle.connection).collect()
    }

    /// Takes out all connections.
    pub(super) fn take_all(&mut self) -> Vec<Connection> {
        std::mem::take(&mut self.idle).into_values().map(|idle| idle.connection).collect()
    }

    /// The time at which [`PeerMemory::take_stale`] has something to take.
    pub(super) fn stale_at(&self) -> Option<Instant> {
        self.idle.values().map(|idle| idle.since + IDLE_LIMIT).min()
    }

    /// Whether HTTPS failed at this host a short time ago, and SMTP did not.
    pub(super) fn is_smtp_only(&self, now: Instant, host: &str) -> bool {
        self.smtp_only.get(host).is_some_and(|since| now - *since < SMTP_ONLY_TIME)
    }

    /// HTTPS failed at this host, and SMTP did not.
    pub(super) fn remember_smtp_only(&mut self, now: Instant, host: &str) {
        self.smtp_only.retain(|_, since| now - *since < SMTP_ONLY_TIME);
        if self.smtp_only.len() < HOST_COUNT {
            self.smtp_only.insert(host.to_owned(), now);
        }
    }

    /// SMTP failed at this host: HTTPS is worth an attempt again.
    pub(super) fn forget(&mut self, host: &str) {
        self.smtp_only.remove(host);
    }
}
