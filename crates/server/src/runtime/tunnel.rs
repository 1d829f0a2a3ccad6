//! The box's tunnel to a public address, as `hearth init` tells of it. Who connects to one of its addresses comes from the
//! internet, whatever the own address may be.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipc::control::TunnelStatus;
use ipc::network::{Tunnel, TunnelState};
use tokio::sync::watch;

/// The silence after which a person should look at the tunnel. A network that is switched on with the box takes minutes.
const SILENCE_LIMIT: Duration = Duration::from_secs(300);
const REFUSED: &str = "The card's wireguard.conf has errors; hearth-errors.txt beside it says which.";
const SILENT: &str = "The WireGuard tunnel's other end has not answered for more than 5 minutes: is the box's public key known \
                      there, is the other end on?";

/// The knowledge about the tunnel; on a machine without one there is none. All clones learn of a change at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownTunnel {
    known: Arc<watch::Sender<Known>>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    tunnel: Option<Told>,
    /// Whether the card's `wireguard.conf` has errors.
    is_refused: bool,
}

/// A tunnel, and the times of what was told about it.
#[derive(Clone, Debug)]
struct Told {
    tunnel: Tunnel,
    /// The time at which the last handshake was told; before the first one, the time at which the tunnel was.
    since: Instant,
}

impl KnownTunnel {
    /// Takes what init tells.
    pub(crate) fn set(&self, tunnel: Tunnel, now: Instant) {
        self.known.send_modify(|known| {
            let before = known.tunnel.as_ref().filter(|told| told.tunnel.handshake == tunnel.handshake);
            let since = before.map_or(now, |told| told.since);
            known.tunnel = Some(Told { tunnel, since });
        });
    }

    /// The card's `wireguard.conf` has errors.
    pub(crate) fn refuse_file(&self) {
        self.known.send_modify(|known| known.is_refused = true);
    }

    /// Ends each wait when something is told.
    pub(crate) fn subscribe(&self) -> TunnelChanges {
        TunnelChanges { changes: self.known.subscribe() }
    }

    /// The box's addresses in the tunnel.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let known = self.known.borrow();
        known.tunnel.as_ref().map(|told| told.tunnel.addresses.clone()).unwrap_or_default()
    }

    /// The way of a connection to this address of the box.
    pub(crate) fn way_to(&self, own: SocketAddr) -> web::Way {
        let own = own.ip().to_canonical();
        if self.addresses().contains(&own) { web::Way::Tunnel } else { web::Way::Direct }
    }

    /// The state of the tunnel; none without one.
    pub(crate) fn status(&self, now: Instant) -> Option<TunnelStatus> {
        let known = self.known.borrow();
        let Told { tunnel, since } = known.tunnel.as_ref()?;
        Some(TunnelStatus {
            state: tunnel.state,
            addresses: tunnel.addresses.clone(),
            has_answered: tunnel.handshake.is_some(),
            seconds: now.saturating_duration_since(*since).as_secs(),
            received: tunnel.received,
            sent: tunnel.sent,
        })
    }

    /// The sentences about what a person should know.
    pub(crate) fn troubles(&self, now: Instant) -> Vec<String> {
        let known = self.known.borrow();
        let is_silent = known.tunnel.as_ref().is_some_and(|told| {
            told.tunnel.state != TunnelState::Answers
                && now.saturating_duration_since(told.since) > SILENCE_LIMIT
        });
        let refused = known.is_refused.then(|| REFUSED.to_owned());
        refused.into_iter().chain(is_silent.then(|| SILENT.to_owned())).collect()
    }
}

/// The changes of the tunnel.
#[derive(Debug)]
pub(crate) struct TunnelChanges {
    changes: watch::Receiver<Known>,
}

impl TunnelChanges {
    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use host::clock;

    use ipc::network::{Tunnel, TunnelState};

    use super::{KnownTunnel, REFUSED, SILENT};

    fn tunnel(state: TunnelState, handshake: Option<u64>) -> Tunnel {
        Tunnel { state, addresses: vec![[10, 8, 0, 2].into()], handshake, received: 2, sent: 1 }
    }

    #[test]
    fn a_connection_to_an_address_in_the_tunnel_came_through_it() {
        let known = KnownTunnel::default();
        let [inside, mapped, home] =
            ["10.8.0.2:443", "[::ffff:10.8.0.2]:443", "192.168.1.5:443"].map(|own| own.parse().unwrap());
        assert_eq!(known.way_to(inside), web::Way::Direct);
        known.clone().set(tunnel(TunnelState::Calling, None), clock::now());
        assert_eq!([inside, mapped].map(|own| known.way_to(own)), [web::Way::Tunnel; 2]);
        assert_eq!(known.way_to(home), web::Way::Direct);
    }

    #[test]
    fn a_silent_tunnel_is_a_trouble_after_some_minutes_and_an_answer_ends_it() {
        let (known, start) = (KnownTunnel::default(), clock::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let none: [&str; 0] = [];
        assert_eq!(known.status(start), None);
        assert_eq!(known.troubles(at(1000)), none);
        known.set(tunnel(TunnelState::Calling, None), start);
        known.set(tunnel(TunnelState::Silent, None), at(20));
        assert_eq!(known.troubles(at(300)), none);
        assert_eq!(known.troubles(at(301)), [SILENT]);
        let status = known.status(at(301)).unwrap();
        assert_eq!((status.state, status.has_answered, status.seconds), (TunnelState::Silent, false, 301));

        known.set(tunnel(TunnelState::Answers, Some(7)), at(400));
        assert_eq!(known.status(at(412)).unwrap().seconds, 12);
        known.set(tunnel(TunnelState::Answers, Some(7)), at(450));
        known.set(tunnel(TunnelState::Silent, Some(7)), at(580));
        assert_eq!(known.troubles(at(700)), none);
        assert_eq!(known.troubles(at(701)), [SILENT]);
        known.set(tunnel(TunnelState::Answers, Some(9)), at(800));
        assert_eq!(known.troubles(at(2000)), none);
    }

    #[test]
    fn a_file_with_errors_is_a_trouble_without_a_tunnel_too() {
        let known = KnownTunnel::default();
        known.refuse_file();
        assert_eq!(known.troubles(clock::now()), [REFUSED]);
        assert_eq!(known.status(clock::now()), None);
    }
}
