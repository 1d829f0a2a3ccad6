//! Answers the questions of the web: the box's status, credentials, invites, and mail of other servers.

use std::net::IpAddr;
use std::sync::Arc;

use host::clock;
use host::locks::Mutex;
use ipc::control::NamingStatus;
use ipc::reachability::Finding;
use relay_policy::certificate::ChallengeToken;
use relay_policy::{InviteToken, JoinRefusal, Registration};

use crate::accounts::Accounts;
use crate::accounts::invites::Guesses;
use crate::accounts::pairing::{Credentials, PairingHandle};
use crate::federation::inbound::{self, Reception};
use crate::naming::Naming;
use crate::operation::reachability::Reachability;

/// The web's backend.
pub(crate) struct WebBackend {
    accounts: Arc<Accounts>,
    pairing: PairingHandle,
    registration: Registration,
    reception: Arc<Reception>,
    reachability: Arc<Reachability>,
    naming: Arc<Naming>,
    guesses: Mutex<Guesses>,
}

impl WebBackend {
    /// A backend without any wrong invite so far.
    pub(crate) fn new(
        accounts: Arc<Accounts>,
        pairing: PairingHandle,
        registration: Registration,
        reception: Arc<Reception>,
        reachability: Arc<Reachability>,
        naming: Arc<Naming>,
    ) -> Self {
        let guesses = Mutex::default();
        Self { accounts, pairing, registration, reception, reachability, naming, guesses }
    }
}

impl web::Backend for WebBackend {
    fn status(&self) -> pairing::DisplayStatus {
        self.pairing.watch().borrow().clone()
    }

    fn naming(&self) -> Option<NamingStatus> {
        (self.naming.is_found_by_others() || self.naming.has_tunnel()).then(|| self.naming.status())
    }

    fn last_findings(&self) -> web::BoxFuture<'_, Option<Vec<Finding>>> {
        Box::pin(self.reachability.last_findings())
    }

    fn look_at_network(&self) -> web::BoxFuture<'_, Vec<Finding>> {
        Box::pin(self.reachability.look_seldom())
    }

    fn credentials(&self) -> Result<web::Credentials, JoinRefusal> {
        match self.registration {
            Registration::Open => {}
            // A visitor who has not seen the code is none that the window was opened for.
            Registration::Pairing => return Err(JoinRefusal::CodeNeeded),
            Registration::Invite => return Err(JoinRefusal::InviteNeeded),
            Registration::Closed => return Err(JoinRefusal::Closed),
        }
        let minted = self.accounts.hand_out();
        minted.map(|Credentials { address, password }| (address, password)).map_err(|error| {
            tracing::error!(error = format!("{error:#}"), "no credentials could be made for a visitor");
            JoinRefusal::Trouble
        })
    }

    fn examine_invite(&self, token: &InviteToken, peer: IpAddr) -> Result<(), JoinRefusal> {
        let now = clock::now();
        if !self.guesses.lock().permits(peer, now) {
            return Err(JoinRefusal::TooManyGuesses);
        }
        let found = self.accounts.examine_invite(token);
        if found == Err(JoinRefusal::Unknown) {
            self.guesses.lock().failed(peer, now);
        }
        found
    }

    fn redeem_invite(
        &self,
        token: InviteToken,
        peer: IpAddr,
    ) -> web::BoxFuture<'_, Result<web::Credentials, JoinRefusal>> {
        Box::pin(async move {
            self.examine_invite(&token, peer)?;
            let Credentials { address, password } = self.accounts.redeem_invite(&token, peer).await?;
            Ok((address, password))
        })
    }

    fn challenge_answer(&self, token: &ChallengeToken) -> Option<String> {
        self.naming.challenges.answers.answer(token)
    }

    fn receive(
        &self,
        envelope: smtp::Envelope,
        peer: IpAddr,
    ) -> web::BoxFuture<'_, Result<Box<dyn web::MessageSink>, smtp::Reply>> {
        Box::pin(inbound::receive(&self.reception, envelope, peer))
    }
}
