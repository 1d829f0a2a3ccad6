//! The network, looked at on demand: the name, the certificate, the ports at that name, the way to a relay.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use dns::{LookupError, MailHosts};
use host::clock;
use ipc::network::ClockSource;
use ipc::reachability::{Finding, FindingState};
use mail_types::Domain;
use relay_policy::is_uncertified;
use relay_policy::reachability::{
    CertificateSeen, Connection, NetworkSeen, PortSeen, RelaySeen, network_findings,
};
use rustls_pki_types::CertificateDer;
use tls::OutgoingTls;

use super::{Looked, Reachability, connect};
use crate::connections::service::Service;
use crate::operation::health::loopback;

/// A public chatmail relay, to which the way is tried when the owner names none.
const RELAY: &str = "nine.testrun.org";
/// The time for which findings are shown again: visitors of the page cannot make the box try its ports more often.
const KEPT: Duration = Duration::from_secs(300);

impl Reachability {
    /// Looks at the network now, the way out by this relay.
    pub(crate) async fn look(&self, relay: Option<&str>) -> Vec<Finding> {
        let findings = self.findings(relay.unwrap_or(RELAY)).await;
        *self.last.lock().await = Some(Looked { at: clock::now(), findings: findings.clone() });
        findings
    }

    /// The findings of the last minutes, or else new ones. Those who ask at the same time wait for one look.
    pub(crate) async fn look_seldom(&self) -> Vec<Finding> {
        let mut last = self.last.lock().await;
        if let Some(looked) = last.as_ref().filter(|looked| clock::now() - looked.at < KEPT) {
            return looked.findings.clone();
        }
        let findings = self.findings(RELAY).await;
        *last = Some(Looked { at: clock::now(), findings: findings.clone() });
        findings
    }

    /// The findings of the last minutes, without a look.
    pub(crate) async fn last_findings(&self) -> Option<Vec<Finding>> {
        let last = self.last.lock().await;
        last.as_ref().filter(|looked| clock::now() - looked.at < KEPT).map(|looked| looked.findings.clone())
    }

    async fn findings(&self, relay: &str) -> Vec<Finding> {
        let mut findings = network_findings(&self.observe(relay).await);
        findings.extend(self.observed.naming.way_in());
        findings.extend(clock_finding(self.observed.clock.source()));
        findings
    }

    async fn observe(&self, relay: &str) -> NetworkSeen {
        let name = host_name(&self.config.domain);
        let addresses = self.addresses(&name).await.map_err(|error| error.to_string());
        let sends = self.config.federation.outbound != config::Outbound::Off;
        let way_out = async {
            match sends {
                true => Some(self.try_relay(relay).await),
                false => None,
            }
        };
        let none = Vec::new();
        let ports = self.try_ports(&name, addresses.as_ref().unwrap_or(&none));
        let (certificate, ports, relay) = tokio::join!(self.try_certificate(&name), ports, way_out);
        NetworkSeen {
            name,
            addresses,
            own: self.observed.naming.addresses().list(),
            certificate,
            asks_authority: self.observed.naming.wants_certificate(),
            ports,
            relay,
            has_smarthost: self.config.federation.smarthost.is_some(),
        }
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        match host.parse::<IpAddr>() {
            Ok(address) => Ok(vec![address]),
            Err(_) => self.resolver.addresses(host).await,
        }
    }

    /// The certificate, as a server elsewhere would judge it.
    async fn try_certificate(&self, name: &str) -> CertificateSeen {
        if is_uncertified(&self.config.domain) {
            return CertificateSeen::NotNeeded;
        }
        let Some(tls) = &self.tls else {
            return CertificateSeen::Unknown(
                "this machine has no root certificates; install ca-certificates".into(),
            );
        };
        let Some(address) = self.local(Service::Https).or_else(|| self.local(Service::Imaps)) else {
            return CertificateSeen::Unknown("no port offers it".to_owned());
        };
        match connect::connect(&[address.ip()], address.port()).await {
            Err(reason) => CertificateSeen::Unknown(reason),
            Ok(stream) => match connect::handshake(stream, name, tls.authority()).await {
                Ok(_) => CertificateSeen::Trusted,
                Err(reason) => CertificateSeen::Refused(reason),
            },
        }
    }

    /// The address at which this machine itself reaches a service.
    fn local(&self, service: Service) -> Option<SocketAddr> {
        self.observed.ports.get(&service).and_then(|all| all.first()).map(|address| loopback(*address))
    }

    async fn try_ports(&self, name: &str, addresses: &[IpAddr]) -> Vec<PortSeen> {
        let pairing = &self.config.pairing;
        let port = |service, usual: u16, outside: Option<u16>| {
            outside.or(self.local(service).map(|address| address.port())).unwrap_or(usual)
        };
        let seen = async |service: Service, words: &str, port: u16| {
            let connection = match self.local(service) {
                None => Connection::Off,
                Some(local) => self.try_port(service, name, addresses, (port, local)).await,
            };
            PortSeen { service: words.to_owned(), port, connection }
        };
        // At the same time: a router that swallows packets costs the same wait for each of them.
        let (https, imaps, submissions, smtp) = tokio::join!(
            seen(Service::Https, "Web, and apps", port(Service::Https, 443, pairing.https_port)),
            seen(Service::Imaps, "Apps, receiving", port(Service::Imaps, 993, pairing.imap_port)),
            seen(Service::Submissions, "Apps, sending", port(Service::Submissions, 465, pairing.smtp_port)),
            seen(Service::Smtp, "Mail of other servers", port(Service::Smtp, 25, None)),
        );
        vec![https, imaps, submissions, smtp]
    }

    async fn try_port(
        &self,
        service: Service,
        name: &str,
        addresses: &[IpAddr],
        (port, local): (u16, SocketAddr),
    ) -> Connection {
        let stream = match connect::connect(addresses, port).await {
            Ok(stream) => stream,
            Err(reason) => return Connection::None(reason),
        };
        if service == Service::Smtp {
            let ours = format!("220 {} ", self.config.domain);
            return match connect::greeting(stream).await {
                Ok(greeting) if greeting.starts_with(&ours) => Connection::Ours,
                Ok(_) => Connection::Others,
                Err(reason) => Connection::None(reason),
            };
        }
        let Some(tls) = &self.tls else { return Connection::None("this machine trusts no authority".into()) };
        match (connect::handshake(stream, name, tls.any_certificate()).await, own(tls, name, local).await) {
            (Ok(certificate), Some(own)) if certificate == own => Connection::Ours,
            (Ok(_), _) => Connection::Others,
            (Err(reason), _) => Connection::None(reason),
        }
    }

    async fn try_relay(&self, relay: &str) -> RelaySeen {
        let hosts = match self.resolver.mail_hosts(relay).await {
            Ok(MailHosts::Hosts(hosts)) => hosts,
            Ok(MailHosts::Null) | Err(_) => Vec::new(),
        };
        let host = hosts.into_iter().next().unwrap_or_else(|| relay.to_owned());
        let addresses = match self.addresses(&host).await {
            Ok(addresses) => addresses,
            Err(error) => {
                let reason = error.to_string();
                return RelaySeen { host, smtp: Err(reason.clone()), https: Err(reason) };
            }
        };
        let smtp = async {
            connect::greeting(connect::connect(&addresses, self.peers.smtp).await?).await.map(|_| ())
        };
        let https = async {
            let tls = self.tls.as_ref().ok_or("this machine trusts no authority")?;
            let stream = connect::connect(&addresses, self.peers.https).await?;
            let uncertified = host.parse().is_ok_and(|domain| is_uncertified(&domain));
            let settings = if uncertified { tls.any_certificate() } else { tls.authority() };
            connect::handshake(stream, &host, settings).await.map(|_| ())
        };
        let (smtp, https) = tokio::join!(smtp, https);
        RelaySeen { host, smtp, https }
    }
}

/// The finding about a clock that could be better.
fn clock_finding(source: Option<ClockSource>) -> Option<Finding> {
    source.filter(|source| *source == ClockSource::WebServers).map(|_| Finding {
        subject: "Clock".to_owned(),
        state: FindingState::Note,
        sentence:
            "The clock was set by the dates of web servers, to about a second: no time server is believed."
                .to_owned(),
        advice: Some(
            "If none answers, see that the router lets UDP port 123 through to the internet.".to_owned(),
        ),
    })
}

/// The certificate that this server shows.
async fn own(tls: &OutgoingTls, name: &str, local: SocketAddr) -> Option<CertificateDer<'static>> {
    let stream = connect::connect(&[local.ip()], local.port()).await.ok()?;
    connect::handshake(stream, name, tls.any_certificate()).await.ok()
}

/// The name that others connect to: that of the domain, or its address.
fn host_name(domain: &Domain) -> String {
    match domain {
        Domain::Name(name) => name.clone(),
        Domain::Ipv4(address) => address.to_string(),
        Domain::Ipv6(address) => address.to_string(),
    }
}
