//! Redeeming an invite: the account is created at once, in one record with the use that it takes.

use std::net::IpAddr;

use host::clock;
use relay_policy::{InviteToken, JoinRefusal, Registration};
use store::InviteFlaw;

use crate::accounts::minted::Origin;
use crate::accounts::pairing::Credentials;
use crate::accounts::{Accounts, invites};
use crate::connections::network::network;

/// The names to try before something must be wrong: of 10^14 none is taken twice by chance.
const NAMES_TRIED: usize = 3;

impl Accounts {
    /// Examines an invite without using it up. Cheap: nothing is hashed or written.
    pub(crate) fn examine_invite(&self, token: &InviteToken) -> Result<(), JoinRefusal> {
        if self.registration == Registration::Closed {
            return Err(JoinRefusal::Closed);
        }
        let kept = self.store.invite(&invites::key(token)).map_err(|error| trouble(&error.into()))?;
        let invite = kept.ok_or(JoinRefusal::Unknown)?;
        invite.flaw(clock::wall()).map_or(Ok(()), |flaw| Err(flawed(flaw)))
    }

    /// Creates an account for this invite. When this returns, the account and the use are on disk.
    pub(crate) async fn redeem_invite(
        &self,
        token: &InviteToken,
        peer: IpAddr,
    ) -> Result<Credentials, JoinRefusal> {
        self.examine_invite(token)?;
        if let Some(shortage) = self.resources.shortage() {
            tracing::warn!(shortage, "registration rejected");
            self.counters.registrations_refused.count();
            return Err(JoinRefusal::Shortage);
        }
        self.create_account_by_invite(token, network(peer)).await.unwrap_or_else(|error| Err(trouble(&error)))
    }

    async fn create_account_by_invite(
        &self,
        token: &InviteToken,
        network: IpAddr,
    ) -> anyhow::Result<Result<Credentials, JoinRefusal>> {
        let domain = self.domain_of_new()?;
        for _ in 0..NAMES_TRIED {
            let minted = Credentials::mint(domain)?;
            let Credentials { address, password } = &minted;
            self.rules.check(address, password, &self.domains)?;
            let password = (password, Origin::Minted);
            match self.create_account(address, password, network, Some(invites::key(token))).await? {
                Ok(()) => return Ok(Ok(minted)),
                Err(store::Error::AccountExists | store::Error::NameRetired) => {}
                // Another visitor took the last use.
                Err(store::Error::InviteInvalid(flaw)) => return Ok(Err(flawed(flaw))),
                Err(store::Error::DiskFull) => return Ok(Err(JoinRefusal::Shortage)),
                Err(error) => return Err(error.into()),
            }
        }
        Err(anyhow::anyhow!("every name that was made up is taken"))
    }
}

fn trouble(error: &anyhow::Error) -> JoinRefusal {
    tracing::error!(error = format!("{error:#}"), "an invite could not be redeemed for a reason of ours");
    JoinRefusal::Trouble
}

fn flawed(flaw: InviteFlaw) -> JoinRefusal {
    match flaw {
        InviteFlaw::Unknown => JoinRefusal::Unknown,
        InviteFlaw::UsedUp => JoinRefusal::UsedUp,
        InviteFlaw::Expired => JoinRefusal::Expired,
    }
}
