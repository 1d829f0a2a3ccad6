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
mod public;
mod quantities;
mod reader;
mod sections;
#[cfg(test)]
mod tests;
mod values;

pub use examine::examine;
pub use finding::{Finding, Severity, has_errors, print};
pub use load::load;
pub use model::{
    About, Config, Dns, Federation, Limits, Listen, Metrics, NameServer, Outbound, Pairing, PushSettings,
    Smarthost, Tls,
};
pub use public::{is_public, is_routed};
