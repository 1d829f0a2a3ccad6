//! The home router, asked to forward ports to this machine: PCP (RFC 6887), NAT-PMP (RFC 6886), UPnP's Internet Gateway
//! Device. Knows nothing of mail, and of the use that others make of the ports.
//!
//! | part | is |
//! |---|---|
//! | [`PortMapping`] | the task: asks, renews, removes, and tells a [`MappingState`] |
//! | [`plan::Plan`] | which port is asked for next, and when: pure |
//! | [`RouterClient`] | one router, by whichever protocol it speaks |
//! | [`protocols`] | PCP and NAT-PMP as bytes: pure |
//! | [`Home`] | the way to the routers, by the kernel's routing table |
//!
//! Needs no privilege. A router that does not answer costs time in this task only. Addresses stand in the state and in
//! log lines of the level debug, in no others.
#![forbid(unsafe_code)]

mod home;
mod judgement;
pub mod plan;
pub mod protocols;
mod router;
mod state;
mod task;
mod words;

pub use home::Home;
pub use router::{Route, RouterClient};
pub use state::{MappingState, PortState, RouterState};
pub use task::{PortMapping, Settings};
pub use words::{Answer, Family, Granted, Method, Nonce, Refusal, Sign, Transport, WantedPort, family};
