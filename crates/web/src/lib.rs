//! The web: start page with the pairing code, `/new`, autoconfiguration, policy and information pages.
//!
//! `routes.rs` decides what a request gets, from values alone; `http.rs` speaks HTTP around it. Nothing here creates an
//! account or reads the store: that is asked of the [`Office`].
#![forbid(unsafe_code)]

mod backend;
mod http;
mod invite;
mod local;
mod pages;
mod request;
mod routes;
mod site;

pub use backend::{Credentials, Later, Office};
pub use http::serve_connection;
pub use invite::{Links, Refusal, links};
pub use request::Door;
pub use site::{Certificate, Ports, Site, WebPorts};
