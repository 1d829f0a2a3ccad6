//! The configuration: one TOML file, everything optional, nothing unknown accepted, all findings at once.
//!
//! [`examine()`] resolves the file's text to a [`Config`] in which every value has its type. Facts that only the machine
//! knows (files, ports, directories) are checked by `hearth check`, not here.
#![forbid(unsafe_code)]

mod advice;
mod defaults;
mod examine;
mod finding;
mod load;
mod model;
pub mod owner;
mod public;
mod quantities;
mod reader;
mod sections;
#[cfg(test)]
mod tests;
mod values;

pub use examine::examine;
pub use finding::{Finding, Severity, has_errors, print};
pub use load::{load, load_base};
pub use model::{
    About, Acme, AcmeDirectory, Config, Dns, DnsProvider, Federation, Limits, Listen, Metrics, NameServer,
    Outbound, Pairing, PushSettings, Router, Smarthost, Tls, TsigAlgorithm,
};
pub use owner::Base;
pub use public::{is_public, is_routed};
