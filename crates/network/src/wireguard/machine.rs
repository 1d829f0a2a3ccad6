//! The decisions about a tunnel: when to make it, when to look for the other ends' addresses, whether anybody answers. Time
//! is an argument, a duration since the machine's start; no IO.
//!
//! ```text
//! Network ──▶ Make, Resolve(name) ──▶ Found ──▶ SetEndpoint ──▶ a handshake ──▶ Answers: everything through the tunnel
//!                       ▲                                            │
//!                       └──────── no handshake for three minutes ◀───┘   Silent: everything by the router
//! ```

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipc::network::{Tunnel, TunnelState};

use super::conf::{Conf, Endpoint};

/// The time after a handshake in which its keys are good (`REJECT_AFTER_TIME`, WireGuard's paper, 6.1): with a keepalive, a
/// new one follows after two minutes.
const HANDSHAKE_LIFETIME: Duration = Duration::from_secs(180);
/// The time for the first handshake: four attempts (`REKEY_TIMEOUT`, 5 s).
const FIRST_HANDSHAKE: Duration = Duration::from_secs(20);
/// The interval of looks at the handshakes while none is good.
const LOOK_SOON: Duration = Duration::from_secs(3);
/// The same while one is.
const LOOK_LATER: Duration = Duration::from_secs(30);
/// The time until a name is looked up again while nobody answers.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(60);

/// A peer as the kernel knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerStatus {
    /// Seconds since 1970, and nanoseconds; zeros before the first handshake.
    pub(crate) handshake: (u64, u32),
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// An event for the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The box has an address of the home network; only the first one counts.
    Network,
    /// The answer to [`Output::Look`].
    Peers(Vec<PeerStatus>),
    /// The answer to [`Output::Resolve`].
    Found { peer: usize, address: IpAddr },
    /// The name has no address, or no name server answers.
    NotFound { peer: usize },
    /// The time has passed.
    Tick,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Make the interface with its keys, addresses, routes and rules.
    Make,
    /// Look up the host name of a peer.
    Resolve { peer: usize, name: String },
    /// Tell the kernel where a peer listens.
    SetEndpoint { peer: usize, endpoint: SocketAddr },
    /// Read what the kernel knows of the peers.
    Look,
    /// The rules are others from now on ([`Machine::state`]).
    StateChanged,
    /// Report a status.
    Report(Tunnel),
    /// Report a warning.
    Warn(&'static str),
}

/// The machine for one tunnel.
#[derive(Debug)]
pub(crate) struct Machine {
    endpoints: Vec<Option<Endpoint>>,
    /// The peers whose name was found once.
    found: BTreeSet<usize>,
    status: Tunnel,
    /// None before the network is there.
    began: Option<Duration>,
    /// The last handshake seen, and the time at which it was new. The kernel's own time is of the wall clock, which jumps.
    handshake: Option<((u64, u32), Duration)>,
    look_at: Option<Duration>,
    resolve_at: Option<Duration>,
    resolving: BTreeSet<usize>,
    outputs: VecDeque<Output>,
}

impl Machine {
    /// A machine before everything.
    pub(crate) fn new(conf: &Conf) -> Self {
        Self {
            endpoints: conf.peers.iter().map(|peer| peer.endpoint.clone()).collect(),
            found: BTreeSet::new(),
            status: Tunnel {
                state: TunnelState::Calling,
                addresses: conf.addresses(),
                handshake: None,
                received: 0,
                sent: 0,
            },
            began: None,
            handshake: None,
            look_at: None,
            resolve_at: None,
            resolving: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes an event.
    pub(crate) fn handle(&mut self, now: Duration, input: Input) {
        match input {
            Input::Network => self.begin(now),
            Input::Peers(peers) => self.judge(now, &peers),
            Input::Found { peer, address } => self.found(peer, address),
            Input::NotFound { peer } => {
                // Another address that was found earlier is still good.
                if self.resolving.remove(&peer) && !self.found.contains(&peer) {
                    self.outputs.push_back(Output::Warn(
                        "the tunnel's other end has a name that no name server of the home network knows; it is asked again",
                    ));
                }
            }
            Input::Tick => {}
        }
        self.do_what_is_due(now);
    }

    /// The next thing to do.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The time of the next [`Input::Tick`].
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        self.look_at.into_iter().chain(self.resolve_at).min()
    }

    /// Whether anybody answers.
    pub(crate) fn state(&self) -> TunnelState {
        self.status.state
    }

    fn begin(&mut self, now: Duration) {
        if self.began.is_some() {
            return;
        }
        self.began = Some(now);
        self.outputs.push_back(Output::Make);
        self.outputs.push_back(Output::Report(self.status.clone()));
        self.look_at = Some(now);
        self.resolve_at = Some(now);
    }

    fn do_what_is_due(&mut self, now: Duration) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if is_due(self.look_at) {
            let interval = if self.status.state == TunnelState::Answers { LOOK_LATER } else { LOOK_SOON };
            self.look_at = Some(now + interval);
            self.outputs.push_back(Output::Look);
        }
        if is_due(self.resolve_at) {
            self.resolve_at = None;
            self.resolve(now);
        }
    }

    /// Looks all names up, and again later as long as nobody answers.
    fn resolve(&mut self, now: Duration) {
        let named = self.endpoints.iter().enumerate().filter_map(|(peer, endpoint)| match endpoint {
            Some(Endpoint::Name(name, _)) => Some((peer, name.clone())),
            Some(Endpoint::Address(_)) | None => None,
        });
        for (peer, name) in named {
            self.resolve_at = Some(now + LOOK_UP_AGAIN);
            if self.resolving.insert(peer) {
                self.outputs.push_back(Output::Resolve { peer, name });
            }
        }
    }

    fn found(&mut self, peer: usize, address: IpAddr) {
        let Some(Some(Endpoint::Name(_, port))) = self.endpoints.get(peer) else { return };
        if self.resolving.remove(&peer) {
            self.found.insert(peer);
            // Also the same again: the kernel may not have taken it, or the tunnel was made only after it.
            self.outputs.push_back(Output::SetEndpoint { peer, endpoint: SocketAddr::new(address, *port) });
        }
    }

    fn judge(&mut self, now: Duration, peers: &[PeerStatus]) {
        let newest = peers.iter().map(|peer| peer.handshake).max().unwrap_or_default();
        let known = self.handshake.map(|(handshake, _)| handshake);
        // Not "later than the last": the clock may have been set back in between.
        let is_new = newest != (0, 0) && known != Some(newest);
        if is_new {
            self.handshake = Some((newest, now));
        }
        self.status.handshake = self.handshake.map(|((seconds, _), _)| seconds);
        self.status.received = peers.iter().map(|peer| peer.received).fold(0, u64::saturating_add);
        self.status.sent = peers.iter().map(|peer| peer.sent).fold(0, u64::saturating_add);
        let began = self.began.unwrap_or(now);
        let state = match self.handshake {
            Some((_, since)) if now.saturating_sub(since) <= HANDSHAKE_LIFETIME => TunnelState::Answers,
            Some(_) => TunnelState::Silent,
            None if now.saturating_sub(began) < FIRST_HANDSHAKE => TunnelState::Calling,
            None => TunnelState::Silent,
        };
        if state != self.status.state {
            self.status.state = state;
            self.change_to(now, state);
        }
        if is_new || self.outputs.contains(&Output::StateChanged) {
            self.outputs.push_back(Output::Report(self.status.clone()));
        }
    }

    fn change_to(&mut self, now: Duration, state: TunnelState) {
        self.outputs.push_back(Output::StateChanged);
        match state {
            TunnelState::Calling => {}
            TunnelState::Answers => {
                self.resolve_at = None;
                self.look_at = Some(now + LOOK_LATER);
            }
            TunnelState::Silent => {
                self.resolve_at = self.resolve_at.or(Some(now));
                self.outputs.push_back(Output::Warn(match self.handshake {
                    Some(_) => {
                        "the tunnel's other end does not answer any more; it is called again and again"
                    }
                    None => "the tunnel's other end does not answer: is the key known there?",
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Input, Machine, Output, PeerStatus, TunnelState};
    use crate::wireguard::conf::Conf;
    use std::time::Duration;

    fn machine(endpoint: &str) -> Machine {
        let key = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
        let text = format!(
            "[Interface]\nPrivateKey={key}\nAddress=203.0.113.7\n[Peer]\nPublicKey={key}\nAllowedIPs=0.0.0.0/0\nEndpoint={endpoint}"
        );
        Machine::new(&Conf::parse(&text).unwrap().0)
    }

    /// Hands an event to the machine at a second, and gives what it wants done, in words.
    fn at(machine: &mut Machine, second: u64, input: Input) -> Vec<String> {
        machine.handle(Duration::from_secs(second), input);
        std::iter::from_fn(|| machine.poll())
            .map(|output| match output {
                Output::Make => "make".to_owned(),
                Output::Resolve { peer, name } => format!("resolve {peer} {name}"),
                Output::SetEndpoint { peer, endpoint } => format!("endpoint {peer} {endpoint}"),
                Output::Look => "look".to_owned(),
                Output::StateChanged => "rules".to_owned(),
                Output::Report(status) => format!("{:?} {:?}", status.state, status.handshake),
                Output::Warn(text) => text.to_owned(),
            })
            .collect()
    }

    fn wakes_at(machine: &Machine) -> Option<u64> {
        machine.wake_at().map(|at| at.as_secs())
    }

    fn handshake(second: u64) -> Input {
        Input::Peers(vec![PeerStatus { handshake: (second, 0), received: 1, sent: 2 }, PeerStatus::default()])
    }

    #[test]
    fn a_tunnel_is_made_with_the_network_and_watched_ever_less() {
        let mut machine = machine("192.0.2.1:51820");
        assert_eq!(at(&mut machine, 0, Input::Tick), [""; 0]);
        assert_eq!(wakes_at(&machine), None);
        assert_eq!(at(&mut machine, 5, Input::Network), ["make", "Calling None", "look"]);
        assert_eq!(at(&mut machine, 6, Input::Network), [""; 0], "once");
        assert_eq!(wakes_at(&machine), Some(8));
        assert_eq!(at(&mut machine, 6, handshake(0)), [""; 0], "none so far");
        assert_eq!(at(&mut machine, 8, Input::Tick), ["look"]);
        assert_eq!(at(&mut machine, 8, handshake(1000)), ["rules", "Answers Some(1000)"]);
        assert_eq!((machine.state(), wakes_at(&machine)), (TunnelState::Answers, Some(38)));
        assert_eq!(at(&mut machine, 38, Input::Tick), ["look"]);
        assert_eq!(at(&mut machine, 38, handshake(1000)), [""; 0]);
        assert_eq!(at(&mut machine, 68, Input::Tick), ["look"]);
        // The clock was set back.
        assert_eq!(at(&mut machine, 128, handshake(5)), ["Answers Some(5)", "look"]);
    }

    #[test]
    fn a_silent_end_is_told_once_and_its_name_looked_up_again() {
        let silent = "the tunnel's other end does not answer any more; it is called again and again";
        let mut machine = machine("vpn.example.org:51820");
        let lookup = "resolve 0 vpn.example.org";
        assert_eq!(at(&mut machine, 0, Input::Network), ["make", "Calling None", "look", lookup]);
        let found = |last| Input::Found { peer: 0, address: [192, 0, 2, last].into() };
        assert_eq!(at(&mut machine, 1, found(1)), ["endpoint 0 192.0.2.1:51820"]);
        assert_eq!(at(&mut machine, 2, handshake(1000)), ["rules", "Answers Some(1000)"]);
        assert_eq!(at(&mut machine, 182, handshake(1000)), ["look"], "still good");
        let fallen = at(&mut machine, 183, handshake(1000));
        assert_eq!(fallen, ["rules", silent, "Silent Some(1000)", lookup]);
        assert_eq!(at(&mut machine, 184, found(1)), ["endpoint 0 192.0.2.1:51820"], "the same address");
        assert_eq!(at(&mut machine, 243, Input::Tick), ["look", lookup]);
        assert_eq!(at(&mut machine, 244, found(2)), ["endpoint 0 192.0.2.2:51820"]);
        assert_eq!(at(&mut machine, 250, handshake(2000)), ["rules", "Answers Some(2000)",]);
        assert_eq!(at(&mut machine, 279, Input::Tick), [""; 0], "no more names");
    }

    #[test]
    fn an_address_that_the_kernel_did_not_take_is_set_after_the_next_lookup() {
        let mut machine = machine("vpn.example.org:51820");
        at(&mut machine, 0, Input::Network);
        let found = || Input::Found { peer: 0, address: [192, 0, 2, 1].into() };
        assert_eq!(at(&mut machine, 1, found()), ["endpoint 0 192.0.2.1:51820"]);
        // The tunnel could not be made, so there is nothing to look at; it is made after a minute.
        assert_eq!(at(&mut machine, 60, Input::Tick), ["look", "resolve 0 vpn.example.org"]);
        assert_eq!(at(&mut machine, 61, found()), ["endpoint 0 192.0.2.1:51820"]);
        assert_eq!(at(&mut machine, 62, handshake(1000)), ["rules", "Answers Some(1000)"]);
    }

    #[test]
    fn an_end_that_never_answers_gives_a_hint() {
        let mut machine = machine("192.0.2.1:51820");
        at(&mut machine, 0, Input::Network);
        assert_eq!(at(&mut machine, 19, handshake(0)), ["look"]);
        assert_eq!(
            at(&mut machine, 20, handshake(0)),
            ["rules", "the tunnel's other end does not answer: is the key known there?", "Silent None"]
        );
        assert_eq!(at(&mut machine, 21, handshake(0)), [""; 0], "once");
    }

    #[test]
    fn a_name_that_is_not_found_is_asked_for_again() {
        let mut machine = machine("vpn.example.org:51820");
        at(&mut machine, 0, Input::Network);
        let said = at(&mut machine, 9, Input::NotFound { peer: 0 });
        assert!(
            matches!(&said[..], [first, look] if first.contains("no name server") && look == "look"),
            "{said:?}"
        );
        assert_eq!(at(&mut machine, 9, Input::NotFound { peer: 0 }), [""; 0]);
        assert_eq!(at(&mut machine, 60, Input::Tick), ["look", "resolve 0 vpn.example.org"]);
    }
}
