//! Measurements of mail between servers: out to a sink that this program is, and in from it.
//!
//! ```text
//! outbound ─ submission ─► the measured server ─ port 25 or POST /mxdeliv ─► sink
//! inbound ── signed letters, port 25 or POST /mxdeliv ─► the measured server
//! ```

mod authentication;
mod inbound;
mod outbound;
mod post;
mod sink;
mod smtp_sink;
mod taken;

use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) use authentication::Author;
pub(crate) use inbound::Letters;
pub(crate) use outbound::Departures;

/// Bytes of a message between servers, about.
const MESSAGE: usize = 4000;

/// The way that messages take between servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Way {
    /// SMTP with STARTTLS.
    Smtp,
    /// `POST /mxdeliv`.
    Https,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Smtp => "port 25",
            Self::Https => "POST /mxdeliv",
        }
    }
}

/// The server that takes everything.
#[derive(Clone, Debug)]
pub(crate) struct SinkPlace {
    pub(crate) address: SocketAddr,
    /// PEM files.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}
