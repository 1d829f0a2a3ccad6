//! The home router, asked to forward ports: Debian's `miniupnpd` with rules of nftables, asked by PCP, NAT-PMP and UPnP;
//! restarted, refusing, moved, with a private address outside.
//!
//! Needs root, `ip`, `nft` and `miniupnpd`; without them the tests say so and pass.

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hearth_tests::home_router::{BOX, HomeRouter, OTHER_DEVICE, OUTSIDE, Switches};
use hearth_tests::waiting::now;
use port_mapping::plan::{Care, Request, Standing};
use port_mapping::{
    Answer, Family, MappingState, Method, Nonce, PortMapping, PortState, Refusal, Route, RouterClient,
    RouterState, Settings, Sign, WantedPort,
};
use relay_policy::reachability::forwarding_findings;
use tokio_util::sync::CancellationToken;

/// The router's program answers within moments; a busy machine takes longer.
const LIMIT: Duration = Duration::from_secs(90);
/// The time within which a change of the router is to be noticed, shorter than on a box.
const LOOK: Duration = Duration::from_secs(2);
/// Ports of the box. miniupnpd opens no hole in an IPv6 firewall below 1024 when it is asked by UPnP.
const PORTS: [u16; 3] = [443, 993, 8443];
/// A router that may forward nothing by IPv4.
const REFUSING: &str = "deny 0-65535 0.0.0.0/0 0-65535";

const PCP: Switches = Switches { upnp: false, nat_pmp: false, ..Switches::ALL };
const NAT_PMP: Switches = Switches { upnp: false, pcp: false, ..Switches::ALL };
const UPNP: Switches = Switches { pcp: false, nat_pmp: false, ..Switches::ALL };

#[test]
fn ports_are_mapped_by_each_protocol_alone_and_removed_at_the_end() -> Result<()> {
    for (method, switches) in
        [(Method::Pcp, PCP), (Method::NatPmp, NAT_PMP), (Method::Upnp, UPNP), (Method::Pcp, Switches::ALL)]
    {
        let Some(mut home) = HomeRouter::build(OUTSIDE)? else { return Ok(()) };
        home.start(switches)?;
        let mut mapping = Mapping::start(&home);
        let state = mapping.wait_for("all ports", |state| is_complete(state, Family::V4))?;
        let router = router(&state, Family::V4).context("a router")?;
        assert_eq!((router.method, router.external), (Some(method), Some(OUTSIDE.parse()?)));
        home.wait_for_forwarded(BOX[0], &PORTS)?;
        mapping.stop()?;
        assert!(home.forwarded(BOX[0])?.is_empty(), "{method:?}");
    }
    Ok(())
}

#[test]
fn holes_in_an_ipv6_firewall_are_opened_and_closed() -> Result<()> {
    // By UPnP this router refuses low ports.
    for (method, switches, ports) in [(Method::Pcp, PCP, &PORTS[..]), (Method::Upnp, UPNP, &PORTS[2..])] {
        let Some(mut home) = HomeRouter::build(OUTSIDE)? else { return Ok(()) };
        home.start(switches)?;
        let mut mapping = Mapping::start(&home);
        let state = mapping.wait_for("a hole", |state| is_settled(state, Family::V6))?;
        let router = router(&state, Family::V6).context("a router")?;
        assert_eq!((router.method, router.external), (Some(method), Some(BOX[1].parse()?)));
        let open = router.ports.iter().filter(|port| is_mapped(port)).map(|port| port.port.external.get());
        assert_eq!(open.collect::<Vec<_>>(), ports);
        home.wait_for_forwarded(BOX[1], ports)?;
        mapping.stop()?;
        assert!(home.forwarded(BOX[1])?.is_empty(), "{method:?}");
    }
    Ok(())
}

#[test]
fn short_lifetimes_are_renewed_before_they_end() -> Result<()> {
    let Some(mut home) = HomeRouter::build(OUTSIDE)? else { return Ok(()) };
    // miniupnpd shortens no lifetimes of NAT-PMP and UPnP.
    home.start(Switches { longest: 24, ..PCP })?;
    let mapping = Mapping::start(&home);
    let first_end = |state: &MappingState| -> Option<_> {
        router(state, Family::V4)?.ports.iter().filter_map(mapped_until).min()
    };
    let state = mapping.wait_for("all ports", |state| is_complete(state, Family::V4))?;
    let end = first_end(&state).context("an end")?;
    // Of all ports, also of those which are not looked at all the time.
    let state = mapping.wait_for("a renewal", |state| {
        assert!(is_complete(state, Family::V4), "{state:#?}");
        first_end(state).is_some_and(|next| next > end + Duration::from_secs(5))
    })?;
    ensure!(now() < end, "renewed in time: {state:#?}");
    home.wait_for_forwarded(BOX[0], &PORTS)
}

#[test]
fn a_restarted_router_is_asked_for_all_ports_at_once() -> Result<()> {
    for switches in [PCP, NAT_PMP, UPNP] {
        let Some(mut home) = HomeRouter::build(OUTSIDE)? else { return Ok(()) };
        home.start(switches)?;
        let mapping = Mapping::start(&home);
        mapping.wait_for("all ports", |state| is_complete(state, Family::V4))?;
        home.wait_for_forwarded(BOX[0], &PORTS)?;
        // A restart within its first seconds is not seen by an epoch time.
        mapping.wait_for("a router of some age", |state| !is_younger(state, 6))?;
        home.start(switches)?;
        home.wait_for_forwarded(BOX[0], &PORTS)?;
    }
    Ok(())
}

#[test]
fn a_port_that_is_gone_from_the_table_is_noticed_by_upnp() -> Result<()> {
    let Some(mut home) = HomeRouter::build(OUTSIDE)? else { return Ok(()) };
    home.start(UPNP)?;
    let mapping = Mapping::start(&home);
    mapping.wait_for("all ports", |state| is_complete(state, Family::V4))?;
    for port in [993, 443] {
        home.take_out(port)?;
    }
    home.wait_for_forwarded(BOX[0], &PORTS)
}

#[test]
fn a_changed_address_outside_is_told_and_the_ports_follow() -> Result<()> {
    for switches in [PCP, NAT_PMP, UPNP] {
        let Some(mut home) = HomeRouter::build(OUTSIDE)? else { return Ok(()) };
        home.start(switches)?;
        let mapping = Mapping::start(&home);
        mapping.wait_for("all ports", |state| is_complete(state, Family::V4))?;
        // The line is down for a moment, as at the forced disconnection that some providers have each night.
        home.move_outside(OUTSIDE, "5.6.7.3")?;
        let moved = Some("5.6.7.3".parse()?);
        mapping.wait_for("the new address", |state| {
            state.external_v4() == moved && is_complete(state, Family::V4)
        })?;
    }
    Ok(())
}

#[test]
fn a_router_that_refuses_is_told_in_words() -> Result<()> {
    for switches in [Switches::ALL, UPNP] {
        let Some(mut home) = HomeRouter::build(OUTSIDE)? else { return Ok(()) };
        home.start(Switches { more: REFUSING, ..switches })?;
        let mapping = Mapping::start(&home);
        let state = mapping.wait_for("answers", |state| is_settled(state, Family::V4))?;
        let ports = &router(&state, Family::V4).context("a router")?.ports;
        assert!(ports.iter().all(|port| port.standing == Standing::Refused(Refusal::Policy)), "{ports:#?}");
        let found = &forwarding_findings(&state.seen())[0];
        ensure!(found.sentence.contains("switched off"), "{found:?}");
        // It is asked again when the owner may have changed that, and not before.
        let again = ports.iter().map(|port| port.next.saturating_duration_since(now())).min();
        ensure!(again > Some(Duration::from_secs(40)), "{again:?}");
    }
    Ok(())
}

#[test]
fn a_port_of_another_device_is_told_with_its_address() -> Result<()> {
    for switches in [Switches::ALL, UPNP] {
        let Some(mut home) = HomeRouter::build(OUTSIDE)? else { return Ok(()) };
        home.start(Switches::ALL)?;
        let other = home.inside(map_for_other_device)?;
        ensure!(matches!(other, Answer::Granted(_)), "{other:?}");
        home.switch(switches)?;
        let mapping = Mapping::start(&home);
        let state = mapping.wait_for("answers", |state| is_settled(state, Family::V4))?;
        let ports = &router(&state, Family::V4).context("a router")?.ports;
        let by = Some(OTHER_DEVICE.parse()?);
        assert_eq!(ports[0].standing, Standing::Refused(Refusal::Held { by }));
        assert!(ports[1..].iter().all(is_mapped), "{ports:#?}");
        let found = forwarding_findings(&state.seen());
        ensure!(found.iter().any(|found| found.sentence.contains(OTHER_DEVICE)), "{found:?}");
        assert_eq!(home.forwarded(OTHER_DEVICE)?, [443]);
        drop(mapping);
        assert_eq!(home.forwarded(OTHER_DEVICE)?, [443], "only the box's own are removed");
    }
    Ok(())
}

#[test]
fn a_router_behind_another_one_is_recognised() -> Result<()> {
    for outside in ["192.168.0.2", "100.64.0.2"] {
        for switches in [Switches::ALL, UPNP] {
            let Some(mut home) = HomeRouter::build(outside)? else { return Ok(()) };
            home.start(switches)?;
            let mapping = Mapping::start(&home);
            let state = mapping.wait_for("answers", |state| is_settled(state, Family::V4))?;
            let found = &forwarding_findings(&state.seen())[0];
            ensure!(found.sentence.contains("no public address"), "{outside}: {found:?} {state:#?}");
        }
    }
    Ok(())
}

#[test]
fn a_box_without_such_a_router_waits_and_finds_one_later() -> Result<()> {
    let Some(mut home) = HomeRouter::build(OUTSIDE)? else { return Ok(()) };
    let start = now();
    let mut mapping = Mapping::start(&home);
    let state = mapping.wait_for("silence", |state| {
        let ports = router(state, Family::V4).into_iter().flat_map(|router| &router.ports);
        ports.take(1).any(|port| port.standing == Standing::Refused(Refusal::NoRouter))
    })?;
    ensure!(now() - start < Duration::from_secs(20), "{:?}", now() - start);
    let found = &forwarding_findings(&state.seen())[0];
    ensure!(found.sentence.contains("does not answer"), "{found:?}");
    home.start(PCP)?;
    mapping.wait_for("all ports", |state| is_complete(state, Family::V4))?;
    // A router that has gone does not keep the box from its end.
    home.stop()?;
    let end = now();
    mapping.stop()?;
    ensure!(now() - end < Duration::from_secs(4), "{:?}", now() - end);
    Ok(())
}

#[test]
fn a_restarted_box_renews_its_own_mappings() -> Result<()> {
    let Some(mut home) = HomeRouter::build(OUTSIDE)? else { return Ok(()) };
    home.start(PCP)?;
    for _ in 0..2 {
        let nonce = Nonce::new([9; 12]);
        let answer =
            home.inside(|| in_runtime(async { Ok(client(BOX[0], nonce)?.map(&request(443)).await) }))?;
        ensure!(matches!(answer, Answer::Granted(_)), "{answer:?}");
    }
    assert_eq!(home.forwarded(BOX[0])?, [443]);
    Ok(())
}

fn router(state: &MappingState, family: Family) -> Option<&RouterState> {
    state.routers.iter().find(|router| port_mapping::family(router.route.own) == family)
}

fn is_mapped(port: &PortState) -> bool {
    mapped_until(port).is_some()
}

fn mapped_until(port: &PortState) -> Option<std::time::Instant> {
    match port.standing {
        Standing::Mapped { until, .. } => Some(until),
        Standing::Waiting | Standing::Refused(_) => None,
    }
}

/// Whether an IPv4 router tells an epoch time below this.
fn is_younger(state: &MappingState, seconds: u32) -> bool {
    let ports = router(state, Family::V4).into_iter().flat_map(|router| &router.ports);
    ports.take(1).any(|port| match port.standing {
        Standing::Mapped { granted, .. } => matches!(granted.sign, Sign::Epoch(epoch) if epoch < seconds),
        Standing::Waiting | Standing::Refused(_) => true,
    })
}

fn is_complete(state: &MappingState, family: Family) -> bool {
    router(state, family).is_some_and(RouterState::is_complete)
}

/// Whether a router has answered for every port.
fn is_settled(state: &MappingState, family: Family) -> bool {
    let unanswered = [Standing::Waiting, Standing::Refused(Refusal::NoRouter)];
    let is_answered = |port: &PortState| !unanswered.contains(&port.standing);
    router(state, family).is_some_and(|router| router.ports.iter().all(is_answered))
}

/// Maps port 443 to the other device, as that would.
fn map_for_other_device() -> Result<Answer> {
    in_runtime(async { Ok(client(OTHER_DEVICE, Nonce::new([1; 12]))?.map(&request(443)).await) })
}

fn client(own: &str, nonce: Nonce) -> Result<RouterClient> {
    let router: IpAddr = "10.9.0.1".parse()?;
    Ok(RouterClient::new(Route { own: own.parse()?, router, interface: 0 }, nonce))
}

fn request(port: u16) -> Request {
    let port = WantedPort::tcp(port).expect("a port");
    Request { family: Family::V4, port, care: Care::Brief, is_renewal: false }
}

/// Runs something in a runtime of this thread, whose sockets are in the thread's network.
fn in_runtime<T>(body: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(body)
}

/// The running mapping of ports in the box's network; ended when dropped.
struct Mapping {
    shutdown: CancellationToken,
    states: Receiver<MappingState>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Mapping {
    fn start(home: &HomeRouter) -> Self {
        let ports = PORTS.into_iter().filter_map(WantedPort::tcp).collect();
        let settings = Settings { ports, nonce: Nonce::new([7; 12]), look: LOOK };
        let mapping = PortMapping::new(settings);
        let (shutdown, enter) = (CancellationToken::new(), home.enter());
        let (sender, states) = channel();
        let token = shutdown.clone();
        let thread = std::thread::spawn(move || -> Result<()> {
            enter()?;
            in_runtime(async move {
                let mut state = mapping.state();
                tokio::spawn(async move {
                    while state.changed().await.is_ok() {
                        let _ = sender.send(state.borrow_and_update().clone());
                    }
                });
                mapping.run(token).await;
                Ok(())
            })
        });
        Self { shutdown, states, thread: Some(thread) }
    }

    /// Waits for a state; others pass by.
    fn wait_for(&self, what: &str, wanted: impl Fn(&MappingState) -> bool) -> Result<MappingState> {
        let mut last = MappingState::default();
        let end = now() + LIMIT;
        loop {
            match self.states.recv_timeout(end.saturating_duration_since(now())) {
                Ok(state) if wanted(&state) => return Ok(state),
                Ok(state) => last = state,
                Err(error) => bail!("waiting for {what}: {error}; the last state: {last:#?}"),
            }
        }
    }

    /// Ends it, and waits until it has.
    fn stop(&mut self) -> Result<()> {
        self.shutdown.cancel();
        let thread = self.thread.take().context("it runs")?;
        thread.join().map_err(|_| anyhow::anyhow!("it panicked"))?
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = self.stop();
        }
    }
}
