//! One router, asked by whichever protocol it speaks.

mod datagram;
mod pinholes;
#[cfg(test)]
mod tests;
mod upnp;

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use tokio::time::timeout;

use crate::plan::{Care, LIFETIME, Request};
use crate::protocols::nat_pmp::{self, Mapped};
use crate::protocols::pcp::{self, OtherPort};
use crate::words::{Answer, Family, Granted, Method, Nonce, Refusal, Sign, WantedPort, family};
use datagram::{PATIENT, PROBE, ask};
use pinholes::Pinholes;
use upnp::{Holder, Outside, Upnp};

/// The time for all of a request, also when every protocol is tried.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);
/// Requests in a row without an answer after which another protocol is tried: a router may have been replaced.
const SILENCES: u32 = 3;

/// The way to a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// This machine's own address, to which the ports are to lead.
    pub own: IpAddr,
    /// The router's address, of the same family.
    pub router: IpAddr,
    /// The kernel's index of the interface, for a router with a link-local address.
    pub interface: u32,
}

/// A client of one router, for one own address.
#[derive(Debug)]
pub struct RouterClient {
    route: Route,
    nonce: Nonce,
    /// The UDP port of PCP and NAT-PMP.
    port: u16,
    /// The protocol that answered last.
    method: Option<Method>,
    has_granted: bool,
    silences: u32,
    upnp: Sought,
    pinholes: Option<Pinholes>,
}

/// A router's UPnP service.
#[derive(Debug)]
enum Sought {
    NotYet,
    Absent,
    Found(Box<Upnp>),
}

impl RouterClient {
    /// A client that has not asked anything yet.
    #[must_use]
    pub fn new(route: Route, nonce: Nonce) -> Self {
        Self {
            route,
            nonce,
            port: pcp::PORT,
            method: None,
            has_granted: false,
            silences: 0,
            upnp: Sought::NotYet,
            pinholes: None,
        }
    }

    /// The protocol that answered last.
    #[must_use]
    pub fn method(&self) -> Option<Method> {
        self.method
    }

    /// Asks for a port: by PCP, NAT-PMP and UPnP in this order until one answers, later by that one. Takes 15 seconds at
    /// most, and seven if there is no router that speaks any of them.
    pub async fn map(&mut self, request: &Request) -> Answer {
        let answer = timeout(REQUEST_LIMIT, self.map_by_any(request)).await;
        let mut answer = answer.unwrap_or(SILENT);
        if let Answer::Refused { refusal: refusal @ Refusal::Held { by: None }, .. } = &mut answer {
            let holder = timeout(REQUEST_LIMIT, self.holder(request.port)).await;
            *refusal = held(holder.unwrap_or(Holder::Unknown));
        }
        if request.care == Care::Thorough && tells_no_address(&answer) {
            let outside = timeout(REQUEST_LIMIT, self.outside()).await;
            add_outside(&mut answer, outside.unwrap_or(Outside::Unknown));
        }
        answer
    }

    /// Removes a mapping. A router that does not answer keeps it for the rest of its lifetime.
    pub async fn unmap(&mut self, port: WantedPort) {
        match self.method {
            Some(Method::Pcp) => {
                let _ = self.ask_pcp(port, 0, OtherPort::Allowed, &PROBE).await;
            }
            Some(Method::NatPmp) => {
                let _ = self.ask_nat_pmp(port, 0, &PROBE).await;
            }
            Some(Method::Upnp) | None => {
                if let Sought::Found(upnp) = &mut self.upnp {
                    upnp.unmap(port).await;
                }
                if let Some(pinholes) = &mut self.pinholes {
                    pinholes.unmap(port).await;
                }
            }
        }
    }

    async fn outside(&mut self) -> Outside {
        if family(self.route.own) == Family::V6 {
            return Outside::Address(self.route.own);
        }
        let told = match self.method {
            Some(Method::Upnp) => Outside::Unknown,
            _ => self.outside_by_nat_pmp().await,
        };
        if told != Outside::Unknown {
            return told;
        }
        match self.upnp().await {
            Some(upnp) => upnp.external_address().await,
            None => told,
        }
    }

    async fn outside_by_nat_pmp(&self) -> Outside {
        let question = nat_pmp::address_request();
        let asked = ask(self.own(), self.server(), &question, &PROBE, nat_pmp::address_response);
        match asked.await {
            Ok(Some(nat_pmp::Response::Done { answer, .. })) if answer.is_unspecified() => Outside::None,
            Ok(Some(nat_pmp::Response::Done { answer, .. })) => Outside::Address(answer.into()),
            Ok(Some(nat_pmp::Response::Error(NETWORK_FAILURE))) => Outside::None,
            _ => Outside::Unknown,
        }
    }

    async fn map_by_any(&mut self, request: &Request) -> Answer {
        if let Some(method) = self.method.filter(|_| self.has_granted || request.care == Care::Brief) {
            if let Some(answer) = self.map_by(method, request).await {
                self.silences = 0;
                return answer;
            }
            self.silences += 1;
            if self.silences < SILENCES {
                return SILENT;
            }
        }
        if self.method.is_some() || request.care == Care::Thorough {
            (self.upnp, self.pinholes) = (Sought::NotYet, None);
        }
        (self.method, self.has_granted, self.silences) = (None, false, 0);
        self.search(request).await
    }

    /// Tries every protocol. The first that grants is kept, else the first that answers.
    async fn search(&mut self, request: &Request) -> Answer {
        let mut refused: Option<(Method, Answer)> = None;
        for method in [Method::Pcp, Method::NatPmp, Method::Upnp] {
            if refused.is_some() && method == Method::NatPmp {
                // The same program of the router.
                continue;
            }
            match self.map_by(method, request).await {
                Some(Answer::Granted(granted)) => {
                    (self.method, self.has_granted) = (Some(method), true);
                    return Answer::Granted(granted);
                }
                Some(answer) => {
                    refused.get_or_insert((method, answer));
                    if !is_worth_another_try(&answer) {
                        break;
                    }
                }
                None => {}
            }
        }
        self.method = refused.map(|(method, _)| method);
        refused.map_or(SILENT, |(_, answer)| answer)
    }

    /// Asks by one protocol; `None` if it is not spoken.
    async fn map_by(&mut self, method: Method, request: &Request) -> Option<Answer> {
        let port = request.port;
        match (method, family(self.route.own)) {
            (Method::Pcp, _) => self.map_by_pcp(port).await,
            (Method::NatPmp, Family::V4) => self.map_by_nat_pmp(port).await,
            (Method::NatPmp, Family::V6) => None,
            (Method::Upnp, Family::V4) => {
                let answer = self.upnp().await?.map(port, LIFETIME, request.is_renewal).await;
                if answer.is_none() {
                    // It may come back at another place.
                    self.upnp = Sought::NotYet;
                }
                answer
            }
            (Method::Upnp, Family::V6) => {
                if let (None, IpAddr::V6(own)) = (&self.pinholes, self.route.own) {
                    self.pinholes = Pinholes::find(own, self.route.interface).await;
                }
                let answer = self.pinholes.as_mut()?.map(port, LIFETIME).await;
                if answer.is_none() {
                    self.pinholes = None;
                }
                answer
            }
        }
    }

    async fn map_by_pcp(&self, port: WantedPort) -> Option<Answer> {
        let mut response = self.ask_pcp(port, seconds(LIFETIME), OtherPort::Refused, self.waits()).await?;
        if response == pcp::Response::Error(UNSUPP_OPTION) {
            response = self.ask_pcp(port, seconds(LIFETIME), OtherPort::Allowed, self.waits()).await?;
        }
        let granted = match response {
            pcp::Response::OtherVersion | pcp::Response::Error(UNSUPP_OPCODE) => return None,
            pcp::Response::Error(code) => return Some(refused(pcp_refusal(code))),
            pcp::Response::Mapped { port: other, .. } if other != port.external.get() => {
                let _ = self.ask_pcp(port, 0, OtherPort::Allowed, &PROBE).await;
                return Some(refused(Refusal::Held { by: None }));
            }
            pcp::Response::Mapped { lifetime, epoch, address, .. } => Granted {
                method: Method::Pcp,
                address: Some(address).filter(|address| !address.is_unspecified()),
                lifetime: Duration::from_secs(lifetime.into()),
                sign: Sign::Epoch(epoch),
            },
        };
        Some(Answer::Granted(granted))
    }

    async fn map_by_nat_pmp(&self, port: WantedPort) -> Option<Answer> {
        let (epoch, mapped) = match self.ask_nat_pmp(port, seconds(LIFETIME), self.waits()).await? {
            nat_pmp::Response::Done { epoch, answer } => (epoch, answer),
            nat_pmp::Response::Error(UNSUPPORTED_VERSION | UNSUPPORTED_OPCODE) => return None,
            nat_pmp::Response::Error(code) => return Some(refused(nat_pmp_refusal(code))),
        };
        if mapped.port != port.external.get() {
            let _ = self.ask_nat_pmp(port, 0, &PROBE).await;
            return Some(refused(Refusal::Held { by: None }));
        }
        let lifetime = Duration::from_secs(mapped.lifetime.into());
        let sign = Sign::Epoch(epoch);
        Some(Answer::Granted(Granted { method: Method::NatPmp, address: None, lifetime, sign }))
    }

    async fn ask_pcp(
        &self,
        port: WantedPort,
        lifetime: u32,
        other_port: OtherPort,
        waits: &[Duration],
    ) -> Option<pcp::Response> {
        let question = pcp::map_request(self.route.own, port, lifetime, self.nonce, other_port);
        let read = |bytes: &[u8]| pcp::map_response(bytes, port, self.nonce);
        // An address that is not ours any more is as good as no router: the network is about to be looked at anew.
        ask(self.own(), self.server(), &question, waits, read).await.unwrap_or(None)
    }

    async fn ask_nat_pmp(
        &self,
        port: WantedPort,
        lifetime: u32,
        waits: &[Duration],
    ) -> Option<nat_pmp::Response<Mapped>> {
        let question = nat_pmp::map_request(port, lifetime);
        let read = |bytes: &[u8]| nat_pmp::map_response(bytes, port);
        ask(self.own(), self.server(), &question, waits, read).await.unwrap_or(None)
    }

    /// The router's UPnP service, looked for at the first need.
    async fn upnp(&mut self) -> Option<&mut Upnp> {
        if let (Sought::NotYet, IpAddr::V4(own), IpAddr::V4(router)) =
            (&self.upnp, self.route.own, self.route.router)
        {
            self.upnp =
                Upnp::find(own, router).await.map_or(Sought::Absent, |upnp| Sought::Found(Box::new(upnp)));
        }
        match &mut self.upnp {
            Sought::Found(upnp) => Some(upnp),
            Sought::NotYet | Sought::Absent => None,
        }
    }

    async fn holder(&mut self, port: WantedPort) -> Holder {
        match self.upnp().await {
            Some(upnp) => upnp.holder(port).await,
            None => Holder::Unknown,
        }
    }

    fn waits(&self) -> &'static [Duration] {
        if self.has_granted { &PATIENT } else { &PROBE }
    }

    fn own(&self) -> SocketAddr {
        (self.route.own, 0).into()
    }

    fn server(&self) -> SocketAddr {
        match self.route.router {
            IpAddr::V4(router) => (router, self.port).into(),
            IpAddr::V6(router) => {
                let scope = if router.is_unicast_link_local() { self.route.interface } else { 0 };
                SocketAddrV6::new(router, self.port, 0, scope).into()
            }
        }
    }
}

const SILENT: Answer = Answer::Refused { refusal: Refusal::NoRouter, address: None };

/// Result codes of PCP (RFC 6887 section 7.4).
const UNSUPP_OPCODE: u8 = 4;
const UNSUPP_OPTION: u8 = 5;
/// Result codes of NAT-PMP (RFC 6886 section 3.5).
const UNSUPPORTED_VERSION: u16 = 1;
const UNSUPPORTED_OPCODE: u16 = 5;
const NETWORK_FAILURE: u16 = 3;

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

fn refused(refusal: Refusal) -> Answer {
    Answer::Refused { refusal, address: None }
}

/// Whether another protocol may be granted what this one was not: routers switch them on one by one.
fn is_worth_another_try(answer: &Answer) -> bool {
    let worth = [Refusal::Policy, Refusal::Failed, Refusal::NoResources];
    matches!(answer, Answer::Refused { refusal, .. } if worth.contains(refusal))
}

fn pcp_refusal(code: u8) -> Refusal {
    match code {
        // NOT_AUTHORIZED.
        2 => Refusal::Policy,
        // NETWORK_FAILURE.
        7 => Refusal::NoInternet,
        // NO_RESOURCES, USER_EX_QUOTA.
        8 | 10 => Refusal::NoResources,
        // CANNOT_PROVIDE_EXTERNAL.
        11 => Refusal::Held { by: None },
        _ => Refusal::Failed,
    }
}

fn nat_pmp_refusal(code: u16) -> Refusal {
    match code {
        2 => Refusal::Policy,
        NETWORK_FAILURE => Refusal::NoInternet,
        4 => Refusal::NoResources,
        _ => Refusal::Failed,
    }
}

/// The reason for a port that the router does not provide: it is another device's, or, if it is nobody's, not allowed.
fn held(holder: Holder) -> Refusal {
    match holder {
        Holder::Other(by) => Refusal::Held { by },
        Holder::Nobody => Refusal::Policy,
        Holder::Unknown => Refusal::Held { by: None },
    }
}

fn tells_no_address(answer: &Answer) -> bool {
    match answer {
        Answer::Granted(granted) => granted.address.is_none(),
        Answer::Refused { refusal, address } => address.is_none() && *refusal != Refusal::NoRouter,
    }
}

/// Adds the router's word about its external address. One that has none refuses for that reason, whichever it tells:
/// miniupnpd says NO_RESOURCES behind another router.
fn add_outside(answer: &mut Answer, outside: Outside) {
    match (answer, outside) {
        (
            Answer::Granted(Granted { address, .. }) | Answer::Refused { address, .. },
            Outside::Address(told),
        ) => {
            *address = Some(told);
        }
        (Answer::Refused { refusal, .. }, Outside::None) => *refusal = Refusal::NoInternet,
        _ => {}
    }
}
