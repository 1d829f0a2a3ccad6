//! The judgement of what a server sees of its own network: its name, its certificate, its ports, the way out.
//!
//! Nothing of it is a proof: nobody asks from outside. The sentences say what was seen, and what cannot be seen from here.

use std::net::IpAddr;

use ipc::reachability::{Finding, FindingState};

/// The observations of a server about its network.
#[derive(Clone, Debug)]
pub struct NetworkSeen {
    /// The name that others connect to.
    pub name: String,
    /// The addresses of the name, or why there are none: a clause.
    pub addresses: Result<Vec<IpAddr>, String>,
    /// The addresses of this machine that everybody can connect to.
    pub own: Vec<IpAddr>,
    /// The certificate.
    pub certificate: CertificateSeen,
    /// Whether the server asks an authority for one by itself.
    pub asks_authority: bool,
    /// The ports.
    pub ports: Vec<PortSeen>,
    /// A relay elsewhere; none if this server sends no mail to others.
    pub relay: Option<RelaySeen>,
    /// Whether a provider relays mail for classic servers.
    pub has_smarthost: bool,
}

/// The certificate, as another server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSeen {
    /// An authority vouches for it, and it has the name.
    Trusted,
    /// No authority can vouch for such a name, and other relays ask for no proof.
    NotNeeded,
    /// It is not believed, for this reason: a clause.
    Refused(String),
    /// It could not be looked at, for this reason: a clause.
    Unknown(String),
}

/// A port of the server, tried at the name that others connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSeen {
    /// The use of the port, in a few words.
    pub service: String,
    /// Its number.
    pub port: u16,
    /// The outcome.
    pub connection: Connection,
}

/// The outcome of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// This server answered.
    Ours,
    /// Another machine or program answered.
    Others,
    /// None came about, for this reason: a clause.
    None(String),
    /// Not tried, since nothing listens.
    Off,
}

/// A relay elsewhere, to which the way is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelaySeen {
    /// Its name.
    pub host: String,
    /// A connection to port 25, or why it failed: a clause.
    pub smtp: Result<(), String>,
    /// A connection by HTTPS, or why it failed: a clause.
    pub https: Result<(), String>,
}

/// All findings, in the order in which they are to be mended.
#[must_use]
pub fn network_findings(seen: &NetworkSeen) -> Vec<Finding> {
    let mut findings = vec![name(seen), certificate(seen)];
    findings.extend(ports(seen));
    if let Some(relay) = &seen.relay {
        findings.extend(way_out(relay, seen.has_smarthost));
    }
    findings
}

fn finding(subject: &str, state: FindingState, sentence: String, advice: Option<&str>) -> Finding {
    Finding { subject: subject.to_owned(), state, sentence, advice: advice.map(str::to_owned) }
}

/// Whether a connection to the name reached this server.
fn leads_here(seen: &NetworkSeen) -> bool {
    seen.ports.iter().any(|port| port.connection == Connection::Ours)
}

fn name(seen: &NetworkSeen) -> Finding {
    const SUBJECT: &str = "Name";
    let name = &seen.name;
    let addresses = match &seen.addresses {
        Ok(addresses) => addresses,
        Err(reason) => {
            let advice = "`hearth dns` lists the records to publish.";
            let sentence = format!("The name {name} is not found: {reason}.");
            return finding(SUBJECT, FindingState::Bad, sentence, Some(advice));
        }
    };
    let list = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if addresses.iter().any(|address| seen.own.contains(address)) || leads_here(seen) {
        return finding(SUBJECT, FindingState::Good, format!("{name} leads here ({list})."), None);
    }
    let advice =
        "Compare it with the address that your router shows as its own, and update the record if it differs.";
    let sentence = format!("{name} leads to {list}. Whether that is your router cannot be seen from here.");
    finding(SUBJECT, FindingState::Unknown, sentence, Some(advice))
}

fn certificate(seen: &NetworkSeen) -> Finding {
    const SUBJECT: &str = "Certificate";
    let name = &seen.name;
    match &seen.certificate {
        CertificateSeen::Trusted => {
            finding(SUBJECT, FindingState::Good, format!("It is valid for {name}, and trusted."), None)
        }
        CertificateSeen::NotNeeded => {
            let sentence = format!("A name such as {name} needs none that an authority vouches for.");
            finding(SUBJECT, FindingState::Good, sentence, None)
        }
        CertificateSeen::Refused(reason) => {
            let advice = if seen.asks_authority {
                "Other servers refuse it until the authority that the box asks has issued one; what is said about the name \
                 tells how far that is."
            } else {
                "Other servers refuse it. Get one from a certificate authority, and name its files under [tls]."
            };
            finding(SUBJECT, FindingState::Bad, format!("It is not believed: {reason}."), Some(advice))
        }
        CertificateSeen::Unknown(reason) => {
            finding(SUBJECT, FindingState::Unknown, format!("Not known: {reason}."), None)
        }
    }
}

fn ports(seen: &NetworkSeen) -> Vec<Finding> {
    if seen.addresses.is_err() {
        return Vec::new();
    }
    let tried = || seen.ports.iter().filter(|port| port.connection != Connection::Off);
    let direct = seen.addresses.iter().flatten().any(|address| seen.own.contains(address));
    if tried().next().is_some() && !leads_here(seen) && !direct {
        return vec![no_way_back(seen, tried().any(|port| port.connection == Connection::Others))];
    }
    seen.ports.iter().map(port).collect()
}

/// None of the ports led here: the router forwards nothing, or it does not loop connections to its own address back.
fn no_way_back(seen: &NetworkSeen, others: bool) -> Finding {
    let name = &seen.name;
    let sentence = if others {
        format!("At {name} another machine answers, perhaps the router itself.")
    } else {
        format!("At {name} nothing answers from inside of your network.")
    };
    let advice = "Many routers do not lead their own name back inside (hairpin), so this may work from outside. Switch \
                  the Wi-Fi of a phone off, and open https:// and the name on it. If that fails, let the router forward \
                  the ports 443, 993, 465 and 25 to this box.";
    finding("Ports", FindingState::Unknown, sentence, Some(advice))
}

fn port(port: &PortSeen) -> Finding {
    let PortSeen { service, port, connection } = port;
    let subject = format!("Port {port}");
    match connection {
        Connection::Ours => {
            finding(&subject, FindingState::Good, format!("{service}: this server answers."), None)
        }
        Connection::Others => {
            let advice = format!("Let the router forward port {port} to this box.");
            let sentence = format!("{service}: another machine answers, perhaps the router itself.");
            finding(&subject, FindingState::Bad, sentence, Some(&advice))
        }
        Connection::None(reason) => {
            let advice = format!("Let the router forward port {port} to this box; some providers shut it.");
            let sentence = format!("{service}: nothing answers ({reason}).");
            finding(&subject, FindingState::Bad, sentence, Some(&advice))
        }
        Connection::Off => {
            finding(&subject, FindingState::Note, format!("{service}: switched off in [listen]."), None)
        }
    }
}

fn way_out(relay: &RelaySeen, has_smarthost: bool) -> Vec<Finding> {
    const CLASSIC: &str = "Sending on port 25";
    const RELAYS: &str = "Sending to chatmail relays";
    let host = &relay.host;
    if let (Err(reason), Err(_)) = (&relay.smtp, &relay.https) {
        let advice = "Look whether the box is online, and whether this host exists.";
        let sentence = format!("{host} cannot be reached at all: {reason}.");
        return vec![finding("Sending", FindingState::Bad, sentence, Some(advice))];
    }
    let https = match &relay.https {
        Ok(()) => finding(RELAYS, FindingState::Good, format!("{host} answers by HTTPS."), None),
        Err(reason) => {
            let sentence = format!("{host} does not answer by HTTPS ({reason}); port 25 is used instead.");
            finding(RELAYS, FindingState::Note, sentence, None)
        }
    };
    let smtp = match (&relay.smtp, has_smarthost) {
        (Ok(()), _) => finding(CLASSIC, FindingState::Good, format!("{host} answers."), None),
        (Err(_), true) => {
            let sentence = "Port 25 is shut; your smarthost sends to classic mail servers.".to_owned();
            finding(CLASSIC, FindingState::Good, sentence, None)
        }
        (Err(reason), false) => {
            let advice = "Chatmail relays are reached by HTTPS anyway. For classic mail servers ask your provider to \
                          open port 25, or set federation.smarthost.";
            let sentence = format!("{host} does not answer ({reason}): many providers shut this port.");
            finding(CLASSIC, FindingState::Note, sentence, Some(advice))
        }
    };
    vec![https, smtp]
}

#[cfg(test)]
mod tests {
    use ipc::reachability::FindingState;

    use super::{CertificateSeen, Connection, NetworkSeen, PortSeen, RelaySeen, network_findings};

    fn seen(connections: [Connection; 2]) -> NetworkSeen {
        let [https, smtp] = connections;
        NetworkSeen {
            name: "chat.example".into(),
            addresses: Ok(vec!["203.0.113.7".parse().unwrap()]),
            own: Vec::new(),
            certificate: CertificateSeen::Trusted,
            asks_authority: false,
            ports: vec![
                PortSeen { service: "Web".into(), port: 443, connection: https },
                PortSeen { service: "Mail".into(), port: 25, connection: smtp },
            ],
            relay: None,
            has_smarthost: false,
        }
    }

    fn told(seen: &NetworkSeen) -> Vec<(String, FindingState)> {
        network_findings(seen).into_iter().map(|finding| (finding.subject, finding.state)).collect()
    }

    fn row(subject: &str, state: FindingState) -> (String, FindingState) {
        (subject.to_owned(), state)
    }

    #[test]
    fn a_port_that_leads_here_proves_the_name_and_shows_the_ones_that_do_not() {
        let shut = Connection::None("no answer".into());
        let expected = [
            row("Name", FindingState::Good),
            row("Certificate", FindingState::Good),
            row("Port 443", FindingState::Good),
            row("Port 25", FindingState::Bad),
        ];
        assert_eq!(told(&seen([Connection::Ours, shut])), expected);
    }

    #[test]
    fn a_router_that_does_not_loop_back_leaves_the_question_open() {
        for (connections, words) in [
            ([Connection::None("no answer".into()), Connection::Off], "nothing answers from inside"),
            ([Connection::Others, Connection::None("refused".into())], "perhaps the router itself"),
        ] {
            let findings = network_findings(&seen(connections));
            let ports = findings.last().unwrap();
            assert_eq!((ports.subject.as_str(), ports.state), ("Ports", FindingState::Unknown));
            assert!(ports.sentence.contains(words), "{ports:?}");
            assert!(ports.advice.as_ref().is_some_and(|advice| advice.contains("hairpin")));
            assert_eq!(findings[0].state, FindingState::Unknown);
        }
        // Without a router between there is nothing to loop back.
        let own = vec!["203.0.113.7".parse().unwrap()];
        let direct = NetworkSeen { own, ..seen([Connection::None("refused".into()), Connection::Off]) };
        assert_eq!(
            told(&direct)[2..],
            [row("Port 443", FindingState::Bad), row("Port 25", FindingState::Note)]
        );
    }

    #[test]
    fn a_name_that_is_not_found_is_the_first_thing_to_mend() {
        let seen = NetworkSeen {
            addresses: Err("the name does not exist".into()),
            certificate: CertificateSeen::Refused("no authority vouches for it".into()),
            ..seen([Connection::Off, Connection::Off])
        };
        assert_eq!(told(&seen), [row("Name", FindingState::Bad), row("Certificate", FindingState::Bad)]);
    }

    #[test]
    fn nobody_is_sent_for_a_certificate_that_the_box_asks_for_itself() {
        let advice = |asks_authority| {
            let certificate = CertificateSeen::Refused("self-signed".into());
            let ports = [Connection::Ours, Connection::Ours];
            let findings = network_findings(&NetworkSeen { certificate, asks_authority, ..seen(ports) });
            findings.into_iter().find(|finding| finding.subject == "Certificate").unwrap().advice.unwrap()
        };
        assert!(advice(false).contains("[tls]"));
        assert!(!advice(true).contains("[tls]") && advice(true).contains("until the authority"));
    }

    #[test]
    fn a_shut_port_25_is_no_trouble_where_https_is_open() {
        let relay = |smtp: bool, https: bool| RelaySeen {
            host: "relay.example".into(),
            smtp: smtp.then_some(()).ok_or("no answer".into()),
            https: https.then_some(()).ok_or("refused".into()),
        };
        let states = |relay, has_smarthost| -> Vec<FindingState> {
            let seen = NetworkSeen {
                relay: Some(relay),
                has_smarthost,
                ..seen([Connection::Ours, Connection::Ours])
            };
            network_findings(&seen).into_iter().skip(4).map(|finding| finding.state).collect()
        };
        let (good, note, bad) = (FindingState::Good, FindingState::Note, FindingState::Bad);
        assert_eq!(states(relay(true, true), false), [good, good]);
        assert_eq!(states(relay(false, true), false), [good, note]);
        assert_eq!(states(relay(false, true), true), [good, good]);
        assert_eq!(states(relay(true, false), false), [note, good]);
        assert_eq!(states(relay(false, false), false), [bad]);
    }
}
