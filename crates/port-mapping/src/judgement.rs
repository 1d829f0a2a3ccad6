//! The state of the mappings in the words of the rules, which judge it.

use relay_policy::reachability::{Forwarding, PortAsked, RouterSeen};

use crate::plan::Standing;
use crate::state::{MappingState, RouterState};
use crate::words::Refusal;

impl MappingState {
    /// The observations for [`relay_policy::reachability::forwarding_findings`].
    #[must_use]
    pub fn seen(&self) -> Vec<RouterSeen> {
        self.routers.iter().map(router).collect()
    }
}

fn router(router: &RouterState) -> RouterSeen {
    let ports = router.ports.iter();
    let ports =
        ports.map(|port| PortAsked { port: port.port.external.get(), outcome: outcome(port.standing) });
    RouterSeen {
        own: router.route.own,
        external: router.external,
        protocol: router.method.map(|method| method.name()),
        ports: ports.collect(),
    }
}

fn outcome(standing: Standing) -> Forwarding {
    match standing {
        Standing::Waiting => Forwarding::Waiting,
        Standing::Mapped { .. } => Forwarding::Open,
        Standing::Refused(refusal) => match refusal {
            Refusal::Policy => Forwarding::SwitchedOff,
            Refusal::Held { by } => Forwarding::Held(by),
            Refusal::NoResources => Forwarding::Full,
            Refusal::NoInternet => Forwarding::NoInternet,
            Refusal::Failed => Forwarding::Failed,
            Refusal::NoRouter => Forwarding::Silent,
        },
    }
}
