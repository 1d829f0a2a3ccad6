//! What all connections of a running server share. No task lives here; whoever needs it holds an `Arc` of it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use config::{Config, Registration};
use host::clock;
use relay_policy::InviteToken;
use store::Store;
use tls::TlsSettings;
use tokio::sync::watch;
use web::Refusal;

use crate::accounts::Accounts;
use crate::accounts::invites::Guesses;
use crate::accounts::pairing::{Credentials, PairingHandle};
use crate::connections::limit::Door;
use crate::connections::listeners::Ports;
use crate::connections::rejection::Porch;
use crate::mailboxes::changes::Changes;
use crate::mailboxes::delivery::Delivery;
use crate::mailboxes::memory::ViewRoom;
use crate::mailboxes::recent::Recent;
use crate::push::Notifier;
use crate::runtime::counters::Counters;
use crate::runtime::resources::Resources;

/// The server as its connections see it.
pub(crate) struct Server {
    /// What the owner decided.
    pub(crate) config: Config,
    /// What survives.
    pub(crate) store: Store,
    /// Who may come in.
    pub(crate) accounts: Accounts,
    /// Where submitted mail goes.
    pub(crate) delivery: Delivery,
    /// Who is woken when.
    pub(crate) changes: Changes,
    /// What mail programs were told of.
    pub(crate) recent: Recent,
    /// Room for the lists of open mailboxes.
    pub(crate) views: ViewRoom,
    /// The pairing window.
    pub(crate) pairing: PairingHandle,
    /// How many are inside.
    pub(crate) door: Arc<Door>,
    /// Who hears that it is full.
    pub(crate) porch: Porch,
    /// Certificates.
    pub(crate) tls: TlsSettings,
    /// What is listened on.
    pub(crate) ports: Ports,
    /// What the machine has left.
    pub(crate) resources: Resources,
    /// For every IMAP session.
    pub(crate) imap: Arc<imap::Settings>,
    /// For every submission session.
    pub(crate) smtp: smtp::Settings,
    /// For every web page.
    pub(crate) site: Arc<web::Site>,
    /// What wakes phones; none when push is off.
    pub(crate) notifier: Option<Arc<Notifier>>,
    /// What happened since the start.
    pub(crate) counters: Arc<Counters>,
    /// True once the server goes down.
    pub(crate) shutdown: watch::Receiver<bool>,
    /// Who brought wrong invites.
    pub(crate) guesses: Mutex<Guesses>,
    /// For log lines.
    pub(crate) connections_so_far: AtomicU64,
}

impl Server {
    /// A number for a connection's log lines, since its address must not be in them.
    pub(crate) fn next_connection_id(&self) -> u64 {
        self.connections_so_far.fetch_add(1, Ordering::Relaxed)
    }

    fn guesses(&self) -> MutexGuard<'_, Guesses> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl web::Office for Server {
    fn status(&self) -> pairing::Status {
        self.pairing.watch().borrow().status.clone()
    }

    fn credentials(&self) -> Result<web::Credentials, Refusal> {
        match self.config.registration {
            Registration::Open => {}
            // Whoever asks without having seen the code is nobody the window was opened for.
            Registration::Pairing => return Err(Refusal::CodeNeeded),
            Registration::Invite => return Err(Refusal::InviteNeeded),
            Registration::Closed => return Err(Refusal::Closed),
        }
        let minted = Credentials::mint(&self.config.domain);
        minted.map(|Credentials { address, password }| (address, password)).map_err(|error| {
            tracing::error!(error = format!("{error:#}"), "no credentials could be made for a visitor");
            Refusal::Trouble
        })
    }

    fn examine_invite(&self, token: &InviteToken, peer: IpAddr) -> Result<(), Refusal> {
        let now = clock::now();
        if !self.guesses().permits(peer, now) {
            return Err(Refusal::TooManyGuesses);
        }
        let found = self.accounts.examine_invite(token);
        if found == Err(Refusal::Unknown) {
            self.guesses().failed(peer, now);
        }
        found
    }

    fn redeem_invite(
        &self,
        token: InviteToken,
        peer: IpAddr,
    ) -> web::Later<'_, Result<web::Credentials, Refusal>> {
        Box::pin(async move {
            self.examine_invite(&token, peer)?;
            let Credentials { address, password } = self.accounts.redeem_invite(&token).await?;
            Ok((address, password))
        })
    }
}
