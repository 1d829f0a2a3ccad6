//! A mail server of the test's own that does what real ones do on bad days, stage by stage, and remembers what it took:
//! so that a test can count lost and doubled messages.

mod post;
mod rules;
mod smtp;

use std::net::Ipv6Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

pub use rules::{Action, Rules, Stage, Times};

use super::listener::Listener;
use super::tls::server_config;
use super::{CertificateKind, Host, Internet};
use crate::namespace::ip;
use crate::waiting::poll;

/// The properties that a server has from its start to its end.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether port 25 is open.
    pub smtp: bool,
    /// Whether port 443 is open, where `POST /mxdeliv` is taken.
    pub https: bool,
    /// Whether STARTTLS is offered on port 25 (RFC 3207).
    pub starttls: bool,
    /// The certificate, on both ports.
    pub certificate: CertificateKind,
    /// The size that SMTP announces (RFC 1870), which nobody here keeps to.
    pub size: u64,
}

impl Default for Options {
    fn default() -> Self {
        let certificate = CertificateKind::Trusted;
        Self { smtp: true, https: true, starttls: true, certificate, size: 31_457_280 }
    }
}

/// The way by which a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Port 25 in clear text.
    Plain,
    /// Port 25 with STARTTLS.
    Tls,
    /// `POST /mxdeliv`.
    Post,
}

/// A message that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The envelope's sender; empty for the null sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// The message, without dot-stuffing.
    pub message: Vec<u8>,
    /// The way by which it came.
    pub way: Way,
    /// Whether the sender was told.
    pub told: bool,
}

impl Taken {
    /// The Message-ID without its brackets; empty if there is none.
    #[must_use]
    pub fn message_id(&self) -> String {
        let text = String::from_utf8_lossy(&self.message);
        let fields = text.lines().take_while(|line| !line.is_empty());
        let id = fields
            .filter_map(|line| line.split_once(':'))
            .find(|field| field.0.eq_ignore_ascii_case("Message-ID"));
        id.map(|field| field.1.trim().trim_matches(['<', '>']).to_owned()).unwrap_or_default()
    }
}

/// A running server.
pub struct AwkwardServer {
    /// Its name and address.
    pub host: Host,
    options: Options,
    shared: Arc<Shared>,
    listeners: Vec<Listener>,
}

/// The rules and the memory, for the threads of the connections.
struct Shared {
    domain: String,
    options: Options,
    tls: Arc<rustls::ServerConfig>,
    rules: Rules,
    taken: Mutex<Vec<Taken>>,
}

impl AwkwardServer {
    /// Starts one for this domain, which MX and A records name.
    pub fn start(internet: &Internet, domain: &str, options: Options) -> Result<Self> {
        let mut host = internet.host(domain)?;
        host.certificate = internet.authority().issue(options.certificate, &[domain], &host.folder)?;
        let shared = Arc::new(Shared {
            domain: domain.to_owned(),
            options,
            tls: server_config(&host.certificate)?,
            rules: Rules::default(),
            taken: Mutex::default(),
        });
        let mut server = Self { host, options, shared, listeners: Vec::new() };
        server.switch_on()?;
        Ok(server)
    }

    /// Does this at a stage from now on; of several rules for a stage, the first that applies counts.
    pub fn rule(&self, stage: Stage, action: Action, times: Times) {
        self.shared.rules.add(stage, action, times);
    }

    /// Does what servers do on good days from now on.
    pub fn no_rules(&self) {
        self.shared.rules.clear();
    }

    /// Closes the ports and cuts all connections.
    pub fn switch_off(&mut self) {
        self.listeners.clear();
    }

    /// Opens the ports.
    pub fn switch_on(&mut self) -> Result<()> {
        if self.options.smtp {
            let shared = Arc::clone(&self.shared);
            self.listeners
                .push(Listener::start(self.host.address, 25, move |stream| smtp::serve(stream, &shared))?);
        }
        if self.options.https {
            let shared = Arc::clone(&self.shared);
            let take = move |request: &_| post::take(request, &shared);
            self.listeners.push(super::https::start(self.host.address, Arc::clone(&self.shared.tls), take)?);
        }
        Ok(())
    }

    /// Opens port 25 at an address of IPv6, too, which AAAA records may name.
    pub fn open_at(&mut self, address: Ipv6Addr) -> Result<()> {
        ip(&["-6", "addr", "add", &format!("{address}/128"), "dev", "lo", "nodad"])?;
        let shared = Arc::clone(&self.shared);
        self.listeners.push(Listener::start(address, 25, move |stream| smtp::serve(stream, &shared))?);
        Ok(())
    }

    /// The messages that it took, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken().clone()
    }

    /// Waits until it has taken a message with this Message-ID.
    pub fn wait_for(&self, limit: Duration, message_id: &str) -> Result<Taken> {
        poll(limit, "the message is taken", || {
            Ok(self.shared.taken().iter().find(|taken| taken.message_id() == message_id).cloned())
        })
    }

    /// The number of times that a stage was reached, by whatever message.
    #[must_use]
    pub fn met(&self, stage: Stage) -> u32 {
        self.shared.rules.met(stage)
    }

    /// The number of connections to port 25 and of requests to port 443.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.met(Stage::Greeting) + self.met(Stage::Post)
    }
}

impl Shared {
    fn taken(&self) -> std::sync::MutexGuard<'_, Vec<Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// RFC 5321 section 4.5.2, backwards: the text up to its last line end, without the doubled dots.
fn unstuffed(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        plain.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    plain
}
