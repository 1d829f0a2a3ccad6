//! The judgement of the ports that the home router was asked to forward: whether they lead here, and what a person can do
//! if they do not.
//!
//! A router that does its best is of no use behind another one: of the owner's, or of the provider (CGNAT, RFC 6888). It
//! is recognised by its external address.

use std::net::{IpAddr, Ipv4Addr};

use ipc::reachability::{Finding, FindingState};

/// A router, as it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterSeen {
    /// This machine's address towards it.
    pub own: IpAddr,
    /// Its external address, as it tells it.
    pub external: Option<IpAddr>,
    /// The name of the protocol that it speaks, if any.
    pub protocol: Option<&'static str>,
    /// The ports, the most important first.
    pub ports: Vec<PortAsked>,
}

/// A port that a router was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortAsked {
    /// Its number outside.
    pub port: u16,
    /// The answer.
    pub outcome: Forwarding,
}

/// A router's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// Not there yet.
    Waiting,
    /// It forwards the port.
    Open,
    /// It is not allowed to.
    SwitchedOff,
    /// Another device has the port; its address, if the router tells.
    Held(Option<IpAddr>),
    /// It has no room for more.
    Full,
    /// It has no address on the internet.
    NoInternet,
    /// It fails.
    Failed,
    /// Nothing answers.
    Silent,
}

/// The reach of a router's external address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Everybody's.
    Public,
    /// Another home router's (RFC 1918), or without a network (RFC 3927).
    BehindRouter,
    /// The provider's (RFC 6598, RFC 6333).
    BehindProvider,
}

/// A judgement in the making: the sentence, and the advice.
struct Judged {
    state: FindingState,
    sentence: String,
    advice: Option<String>,
}

const SETTING: &str = "Look for \"UPnP\", \"NAT-PMP\" or \"PCP\" in the router's settings (often under port forwarding, \
                       sometimes as \"independent port sharing\" of this device) and allow it, or let the router \
                       forward";
const WITHOUT_PORTS: &str = "ask your provider for a public IPv4 address (some give it for nothing), use IPv6 if the \
                             people you write with have it, or use a WireGuard tunnel with a public address";

/// The findings about the home's routers, IPv4 first. There are none of them without a default route.
#[must_use]
pub fn forwarding_findings(routers: &[RouterSeen]) -> Vec<Finding> {
    if routers.is_empty() {
        let advice = "Look whether the network cable is plugged in and the router is on.".to_owned();
        let sentence = "This box knows no router.".to_owned();
        let judged = Judged { state: FindingState::Bad, sentence, advice: Some(advice) };
        return vec![finding("Router", judged)];
    }
    routers.iter().flat_map(router_findings).collect()
}

fn router_findings(router: &RouterSeen) -> Vec<Finding> {
    let subject = if router.own.is_ipv4() { "Router" } else { "Router (IPv6)" };
    let mut findings = vec![finding(subject, whole(router))];
    if let (IpAddr::V4(_), Some(judged)) = (router.own, second_router(router)) {
        findings.push(finding("Second router", judged));
    }
    let is_open = router.ports.iter().any(|port| port.outcome == Forwarding::Open);
    // Where the whole says it, the single ports need not.
    let single = router.ports.iter().filter(|_| is_open).filter_map(|port| Some((port.port, single(port)?)));
    let held = router.ports.iter().filter(|_| !is_open).filter_map(|port| match port.outcome {
        Forwarding::Held(by) => Some((port.port, held(port.port, by))),
        _ => None,
    });
    let more = single.chain(held).map(|(port, judged)| finding(&format!("{subject}, port {port}"), judged));
    findings.extend(more);
    findings
}

/// The router as a whole.
fn whole(router: &RouterSeen) -> Judged {
    let outcomes = || router.ports.iter().map(|port| port.outcome);
    let of = |wanted: fn(Forwarding) -> bool| {
        let ports = router.ports.iter().filter(|port| wanted(port.outcome));
        ports.map(|port| port.port.to_string()).collect::<Vec<_>>().join(", ")
    };
    let protocol = router.protocol.unwrap_or("no protocol");
    let open = of(|outcome| outcome == Forwarding::Open);
    let all = of(|_| true);
    let (state, sentence, advice) = if outcomes().any(|outcome| outcome == Forwarding::NoInternet) {
        return no_internet();
    } else if outcomes().all(|outcome| outcome == Forwarding::Open) {
        (
            FindingState::Good,
            format!("It forwards the ports {open} to this box, as asked by {protocol}."),
            None,
        )
    } else if !open.is_empty() {
        let sentence = format!("Of the ports {all} it forwards {open} to this box, as asked by {protocol}.");
        let state =
            if outcomes().next() == Some(Forwarding::Open) { FindingState::Note } else { FindingState::Bad };
        (state, sentence, None)
    } else if outcomes().any(|outcome| outcome == Forwarding::Waiting) {
        (FindingState::Unknown, "It is being asked to forward ports.".to_owned(), None)
    } else if outcomes().any(|outcome| matches!(outcome, Forwarding::Held(_))) {
        (FindingState::Bad, format!("It forwards none of the ports {all} to this box."), None)
    } else if outcomes().any(|outcome| outcome == Forwarding::SwitchedOff) {
        let advice = format!("{SETTING} the TCP ports {all} to this box.");
        let sentence = format!("It speaks {protocol}, but refuses to forward ports: that is switched off.");
        (FindingState::Bad, sentence, Some(advice))
    } else if outcomes().any(|outcome| outcome == Forwarding::Silent) {
        return silent(router, &all);
    } else if outcomes().any(|outcome| outcome == Forwarding::Full) {
        let advice =
            format!("Remove old entries from its table, or let it forward the TCP ports {all} to this box.");
        (FindingState::Bad, "It says that it has no room for more forwarded ports.".to_owned(), Some(advice))
    } else {
        let advice = format!(
            "Restart the router. If that does not help, let it forward the TCP ports {all} to this box."
        );
        let sentence = format!("It speaks {protocol}, but fails to forward ports.");
        (FindingState::Bad, sentence, Some(advice))
    };
    Judged { state, sentence, advice }
}

/// A router with a private address outside says this, and one without a line.
fn no_internet() -> Judged {
    let advice = format!(
        "If this box is online, the router stands behind another one. Is it a router of yours: set that one, or the \
         provider's modem, to \"bridge mode\", or let it forward the ports to this router. Is it the provider's (CGNAT): \
         {WITHOUT_PORTS}."
    );
    let sentence =
        "It says that it has no public address of its own, so that it cannot forward ports.".to_owned();
    Judged { state: FindingState::Bad, sentence, advice: Some(advice) }
}

fn silent(router: &RouterSeen, all: &str) -> Judged {
    match router.own {
        IpAddr::V4(own) if is_public(own) => Judged {
            state: FindingState::Good,
            sentence: "This box has a public address itself; no router need forward ports.".to_owned(),
            advice: None,
        },
        IpAddr::V4(_) => Judged {
            state: FindingState::Unknown,
            sentence: "It does not answer to PCP, NAT-PMP and UPnP, so it cannot be asked to forward ports."
                .to_owned(),
            advice: Some(format!("{SETTING} the TCP ports {all} to this box.")),
        },
        IpAddr::V6(_) => Judged {
            state: FindingState::Unknown,
            sentence: "It does not answer to PCP and UPnP; its firewall may keep others out.".to_owned(),
            advice: Some(format!(
                "If the router's settings have an IPv6 firewall, let it open the TCP ports {all} for this box. IPv4 may do \
                 without."
            )),
        },
    }
}

/// One port among others that are open.
fn single(port: &PortAsked) -> Option<Judged> {
    let number = port.port;
    let (sentence, advice) = match port.outcome {
        Forwarding::Open | Forwarding::Waiting => return None,
        Forwarding::Held(by) => return Some(held(number, by)),
        Forwarding::SwitchedOff => {
            let sentence = format!("The router does not allow to forward port {number}.");
            (sentence, "Some routers keep low ports for themselves; its settings may allow it by hand.")
        }
        Forwarding::Full => {
            let sentence = format!("The router has no room for port {number}.");
            (sentence, "Remove old entries from the router's table.")
        }
        Forwarding::Silent | Forwarding::Failed | Forwarding::NoInternet => {
            let sentence = format!("The router did not take port {number}.");
            (sentence, "Let the router forward it by hand, if the ports above do not do.")
        }
    };
    Some(Judged { state: state_of(number), sentence, advice: Some(advice.to_owned()) })
}

fn held(port: u16, by: Option<IpAddr>) -> Judged {
    let sentence = match by {
        Some(by) => format!("The router leads port {port} to another device, {by}."),
        None => {
            format!("The router does not give port {port} away: another device has it, or it is not allowed.")
        }
    };
    let advice = format!(
        "Look in the router's settings for the device that has port {port}, and take it from there, or give it another \
         port. A setting \"remote access\" of the router itself may use it, too."
    );
    Judged { state: state_of(port), sentence, advice: Some(advice) }
}

/// Without 443 neither apps nor other relays reach the box; the other ports are for the rest of the world.
fn state_of(port: u16) -> FindingState {
    if port == 443 { FindingState::Bad } else { FindingState::Note }
}

/// A second router, by the first one's external address.
fn second_router(router: &RouterSeen) -> Option<Judged> {
    let Some(IpAddr::V4(external)) = router.external else { return None };
    let (sentence, advice) = match reach(external) {
        Reach::Public => return None,
        Reach::BehindRouter => (
            format!("Your router's own address, {external}, is a private one: it stands behind another router."),
            "Set the first device on the line (the provider's modem) to \"bridge mode\", or let it forward the ports to \
             your router, as \"exposed host\" or \"DMZ\"."
                .to_owned(),
        ),
        Reach::BehindProvider => (
            format!("Your router's own address, {external}, is one that many customers share (CGNAT)."),
            format!("No port can be opened there. {}.", capitalised(WITHOUT_PORTS)),
        ),
    };
    Some(Judged { state: FindingState::Bad, sentence, advice: Some(advice) })
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}

fn reach(external: Ipv4Addr) -> Reach {
    let [a, b, c, _] = external.octets();
    match (a, b, c) {
        // Shared address space (RFC 6598), and the addresses of DS-Lite (RFC 6333 section 5.7).
        (100, 64..=127, _) | (192, 0, 0) => Reach::BehindProvider,
        _ if external.is_private() || external.is_link_local() => Reach::BehindRouter,
        _ => Reach::Public,
    }
}

/// Whether everybody can reach an IPv4 address, as far as its number tells.
#[must_use]
pub fn is_public(address: Ipv4Addr) -> bool {
    let is_special = address.is_loopback() || address.is_unspecified() || address.is_broadcast();
    let is_special = is_special || address.is_multicast() || address.is_documentation();
    !is_special && reach(address) == Reach::Public
}

fn finding(subject: &str, Judged { state, sentence, advice }: Judged) -> Finding {
    Finding { subject: subject.to_owned(), state, sentence, advice }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ipc::reachability::{Finding, FindingState};

    use super::{Forwarding, PortAsked, RouterSeen, forwarding_findings, is_public};

    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 9));

    fn router(own: &str, external: &str, outcomes: &[(u16, Forwarding)]) -> RouterSeen {
        RouterSeen {
            own: own.parse().unwrap(),
            external: external.parse().ok(),
            protocol: Some("PCP"),
            ports: outcomes
                .iter()
                .map(|(port, outcome)| PortAsked { port: *port, outcome: *outcome })
                .collect(),
        }
    }

    fn findings(outcomes: &[(u16, Forwarding)]) -> Vec<Finding> {
        forwarding_findings(&[router("192.168.1.7", "5.6.7.8", outcomes)])
    }

    /// The finding of a single router about ports 443 and 25.
    #[track_caller]
    fn check(outcomes: [Forwarding; 2], state: FindingState, words: &str, advice: &str) {
        let [https, smtp] = outcomes;
        let findings = findings(&[(443, https), (25, smtp)]);
        assert_eq!(findings[0].state, state, "{findings:?}");
        assert!(findings[0].sentence.contains(words), "{findings:?}");
        assert!(findings[0].advice.as_deref().unwrap_or_default().contains(advice), "{findings:?}");
    }

    #[test]
    fn each_answer_has_its_words() {
        let (bad, open) = (FindingState::Bad, Forwarding::Open);
        check([open; 2], FindingState::Good, "forwards the ports 443, 25 to this box, as asked by PCP", "");
        check([Forwarding::SwitchedOff; 2], bad, "switched off", "\"UPnP\", \"NAT-PMP\" or \"PCP\"");
        check([Forwarding::Silent; 2], FindingState::Unknown, "does not answer", "the TCP ports 443, 25");
        check([Forwarding::Full; 2], bad, "no room", "old entries");
        check([Forwarding::Failed; 2], bad, "fails", "Restart");
        check([Forwarding::Waiting; 2], FindingState::Unknown, "is being asked", "");
        check([Forwarding::NoInternet, Forwarding::Full], bad, "no public address", "bridge mode");
        check([open, Forwarding::Full], FindingState::Note, "Of the ports 443, 25 it forwards 443", "");
        check([Forwarding::Held(Some(OTHER)), open], bad, "it forwards 25", "");
    }

    #[test]
    fn a_port_of_another_device_is_told_with_its_address() {
        let found = findings(&[(443, Forwarding::Held(Some(OTHER))), (25, Forwarding::Open)]);
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].subject.as_str(), found[1].state), ("Router, port 443", FindingState::Bad));
        assert!(found[1].sentence.contains("192.168.1.9"), "{found:?}");
        let found = findings(&[(443, Forwarding::Held(None)), (25, Forwarding::SwitchedOff)]);
        assert_eq!(found.len(), 2);
        assert!(found[1].sentence.contains("another device has it, or it is not allowed"), "{found:?}");
        let found = findings(&[(443, Forwarding::Open), (25, Forwarding::SwitchedOff)]);
        assert_eq!((found[1].state, found.len()), (FindingState::Note, 2));
    }

    #[test]
    fn a_second_router_is_recognised_by_the_address_of_the_first() {
        for (external, words, advice) in [
            ("192.168.0.2", "behind another router", "bridge mode"),
            ("10.1.2.3", "behind another router", "bridge mode"),
            ("172.31.0.2", "behind another router", "bridge mode"),
            ("169.254.3.4", "behind another router", "bridge mode"),
            ("100.64.0.2", "CGNAT", "WireGuard"),
            ("100.127.255.2", "CGNAT", "Ask your provider for a public IPv4 address"),
            ("192.0.0.4", "CGNAT", "IPv6"),
        ] {
            let found = forwarding_findings(&[router("192.168.1.7", external, &[(443, Forwarding::Open)])]);
            assert_eq!((found.len(), found[1].state), (2, FindingState::Bad), "{external}");
            assert!(found[1].sentence.contains(words), "{found:?}");
            assert!(found[1].advice.as_deref().unwrap_or_default().contains(advice), "{found:?}");
        }
        for external in ["5.6.7.8", "100.128.0.1", ""] {
            let found = forwarding_findings(&[router("192.168.1.7", external, &[(443, Forwarding::Open)])]);
            assert_eq!(found.len(), 1, "{external}");
        }
    }

    #[test]
    fn both_families_are_told_and_a_public_box_needs_no_router() {
        let routers = [
            router("5.6.7.8", "", &[(443, Forwarding::Silent)]),
            router("2a00::7", "2a00::7", &[(443, Forwarding::Silent)]),
        ];
        let found = forwarding_findings(&routers);
        let states: Vec<_> = found.iter().map(|finding| (finding.subject.as_str(), finding.state)).collect();
        assert_eq!(states, [("Router", FindingState::Good), ("Router (IPv6)", FindingState::Unknown)]);
        assert!(found[1].sentence.contains("firewall"), "{found:?}");
        let none = forwarding_findings(&[]);
        assert!(none[0].sentence.contains("no router"), "{none:?}");
        let public = |address: &str| is_public(address.parse().unwrap());
        assert!(public("5.6.7.8") && !public("100.64.0.1") && !public("203.0.113.7") && !public("127.0.0.1"));
    }
}
