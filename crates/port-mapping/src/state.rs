//! The state of the mappings, as others may show it.

use std::net::IpAddr;
use std::time::Instant;

use crate::home::Home;
use crate::plan::{Plan, Standing};
use crate::router::Route;
use crate::words::{Family, Method, Refusal, WantedPort};

/// The state of all mappings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappingState {
    /// The routers, IPv4 first; none while this machine has no default route.
    pub routers: Vec<RouterState>,
}

/// A router, and the ports that it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterState {
    /// The way to it.
    pub route: Route,
    /// The protocol that it speaks, once it has answered.
    pub method: Option<Method>,
    /// Its external address, as it tells it; for IPv6 this machine's own.
    pub external: Option<IpAddr>,
    /// The ports, the most important first.
    pub ports: Vec<PortState>,
}

/// A wanted port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortState {
    /// The port.
    pub port: WantedPort,
    /// Its standing.
    pub standing: Standing,
    /// The time of the next request: a renewal, or another try.
    pub next: Instant,
}

impl MappingState {
    pub(crate) fn new(home: &Home, plan: &Plan, method: impl Fn(Family) -> Option<Method>) -> Self {
        let router = |family| {
            let ports = plan.entries(family).iter();
            let ports =
                ports.map(|entry| PortState { port: entry.port, standing: entry.standing, next: entry.due });
            let (method, external) = (method(family), plan.address(family));
            Some(RouterState { route: home.route(family)?, method, external, ports: ports.collect() })
        };
        Self { routers: [Family::V4, Family::V6].into_iter().filter_map(router).collect() }
    }

    /// The external IPv4 address, as the router tells it.
    #[must_use]
    pub fn external_v4(&self) -> Option<IpAddr> {
        self.routers.iter().filter_map(|router| router.external).find(IpAddr::is_ipv4)
    }
}

impl RouterState {
    /// Whether all ports are mapped.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.ports.iter().all(|port| matches!(port.standing, Standing::Mapped { .. }))
    }

    /// The gist, without addresses and times, for a log.
    pub(crate) fn summary(&self) -> Summary {
        let refusal = |port: &PortState| match port.standing {
            Standing::Refused(refusal) => Some(refusal),
            Standing::Waiting | Standing::Mapped { .. } => None,
        };
        let count =
            |wanted: fn(&Standing) -> bool| self.ports.iter().filter(|port| wanted(&port.standing)).count();
        Summary {
            method: self.method,
            mapped: count(|standing| matches!(standing, Standing::Mapped { .. })),
            waiting: count(|standing| matches!(standing, Standing::Waiting)),
            refusal: self.ports.iter().find_map(refusal).map(word),
        }
    }
}

/// The gist of a router's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) method: Option<Method>,
    pub(crate) mapped: usize,
    pub(crate) waiting: usize,
    /// The first reason, a clause.
    pub(crate) refusal: Option<&'static str>,
}

fn word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Policy => "the router does not allow it",
        Refusal::Held { .. } => "another device has the port",
        Refusal::NoResources => "the router has no room for more",
        Refusal::NoInternet => "the router is not connected to the internet",
        Refusal::Failed => "the router fails",
        Refusal::NoRouter => "no router answers",
    }
}
