//! Mail from other servers, on port 25 and by `POST /mxdeliv`, through one gate.
//!
//! ```text
//! smtp_backend ─┐
//!               ├─► reception ─► message (inspected, cleaned, spooled as it comes in)
//! https ────────┘       └──────► keys (DKIM), then mailboxes
//! ```

mod https;
mod keys;
mod message;
mod reception;
mod smtp_backend;

pub(crate) use https::receive;
pub(crate) use keys::{KeySource, NoKeys};
pub(crate) use reception::{Reception, Rules};
pub(crate) use smtp_backend::InboundBackend;
