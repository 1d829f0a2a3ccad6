//! Mail from other servers, on port 25 and by `POST /mxdeliv`, through one gate.
//!
//! ```text
//! smtp_backend ─┐
//!               ├─► reception ─► message (inspected, verified, cleaned and spooled as it comes in)
//! https ────────┘       └──────► origin (its DKIM keys), then mailboxes
//! ```

mod https;
mod keys;
mod message;
mod messages_at_once;
mod origin;
mod reception;
mod smtp_backend;

pub(crate) use https::receive;
pub(crate) use keys::{DnsKeys, KeySource};

pub(crate) use reception::{Reception, Rules};
pub(crate) use smtp_backend::InboundBackend;
