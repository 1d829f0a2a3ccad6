//! Mail between this server and others.

pub(crate) mod inbound;
