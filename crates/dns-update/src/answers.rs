//! The readers of the providers' answers, each a function of bytes.

pub use crate::answer::{Answer, retry_after};
pub use crate::desec::{Written, Zone, find_zone, foreign_texts, written};
pub use crate::duckdns::read as duckdns;
pub use crate::dyndns2::read as dyndns2;
pub use crate::rfc2136::read as rfc2136;
