//! Shared by tests and measurements. Never part of the product: `tests/tidy.rs` checks that no product crate links it.
//!
//! * [`Random`] and [`pieces`]: repeatable chance, for every crate's tests.
//! * `tls`, `Lines`, `Script`, `Imap`, `Smtp`, `message` (feature `clients`): as much of a mail client as tests need.
//!   Not a judge of protocols; real clients are.
//! * `http_server`, `desec` (feature `providers`): a web server that answers whatever a test says, and deSEC on it.

#[cfg(feature = "providers")]
pub mod desec;
#[cfg(feature = "providers")]
pub mod http_server;
#[cfg(feature = "clients")]
mod imap;
#[cfg(feature = "clients")]
mod lines;
#[cfg(feature = "clients")]
pub mod message;
mod random;
#[cfg(feature = "clients")]
mod script;
#[cfg(feature = "clients")]
mod smtp;
#[cfg(feature = "clients")]
pub mod tls;

#[cfg(feature = "clients")]
pub use imap::{Fetched, Imap, Response};
#[cfg(feature = "clients")]
pub use lines::Lines;
pub use random::{Random, pieces};
#[cfg(feature = "clients")]
pub use script::{Script, quoted, sasl_plain};
#[cfg(feature = "clients")]
pub use smtp::Smtp;
