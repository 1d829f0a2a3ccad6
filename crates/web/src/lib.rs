//! The web: start page with the pairing code, `/new`, invites, autoconfiguration, policy and information pages.
//!
//! [`routes`] decides the answer to a request from values alone; `http.rs` speaks HTTP around it. No account is created
//! and no store is read here: that is asked of the [`Backend`]. [`delivery`] is mail from other relays. [`serve_metrics`] serves the server's metrics.
#![forbid(unsafe_code)]

mod backend;
mod connection;
pub mod delivery;
mod http;
mod invite;
mod join;
mod local;
mod metrics;
mod pages;
mod receive;
mod request;
pub mod routes;
mod site;

pub use backend::{Backend, BoxFuture, Credentials, MessageSink};
pub use http::serve_connection;
pub use invite::{Links, links};
pub use metrics::{MetricsSource, serve_metrics};
pub use request::{Client, Format, PageContext, Request, Scheme, Way};
pub use routes::mta_sts_policy;
pub use site::{Certificate, CertificateInUse, Ports, Site, WebPorts};
