//! The control socket's requests about invites.

use host::{clock, entropy};
use ipc::control::{InviteState, KeptInvite, NewInvite, Response};
use relay_policy::{InviteTerms, InviteToken, Registration};
use store::{Invite, InviteFlaw, Store};
use web::Site;

use crate::accounts::invites::{self, id};
use crate::operation::observed::Observed;
use crate::runtime::blocking;

/// Makes an invite, if anybody could use it.
pub(crate) async fn make(observed: &Observed, site: &Site, uses: u32, lifetime: u64) -> Response {
    let made = try_make(observed, site, uses, lifetime).await;
    made.map_or_else(|error| Response::Refused(format!("No invite was made: {error:#}.")), Response::Invite)
}

async fn try_make(observed: &Observed, site: &Site, uses: u32, lifetime: u64) -> anyhow::Result<NewInvite> {
    let terms = InviteTerms::new(uses, lifetime)?;
    if observed.registration == Registration::Closed {
        anyhow::bail!("the configuration's registration is \"closed\", so it would let nobody in");
    }
    let token = InviteToken::mint(entropy::bytes()?);
    let web::Links { app, page } = web::links(site, &token);
    let Some(link) = app.or_else(|| page.clone()) else {
        anyhow::bail!("people redeem invites on the web, which is off; give listen.https an address");
    };
    let store = observed.store.clone();
    let invite = blocking::run(move || invites::make(&store, &token, terms, clock::wall())).await??;
    Ok(NewInvite { id: id(&invite), uses, expires: invite.expires.0, link, page })
}

/// All invites, without their secrets.
pub(crate) fn list(store: &Store) -> Response {
    match store.invites() {
        Ok(mut invites) => {
            invites.sort_by_key(|invite| (invite.created, invite.expires));
            Response::Invites(invites.iter().map(kept_invite).collect())
        }
        Err(error) => Response::Refused(format!("The invites cannot be read: {error}.")),
    }
}

fn kept_invite(invite: &Invite) -> KeptInvite {
    let state = match invite.flaw(clock::wall()) {
        None => InviteState::Valid,
        Some(InviteFlaw::UsedUp) => InviteState::UsedUp,
        Some(InviteFlaw::Expired | InviteFlaw::Unknown) => InviteState::Expired,
    };
    KeptInvite { id: id(invite), uses_left: invite.uses_left, expires: invite.expires.0, state }
}

/// Revokes an invite.
pub(crate) async fn revoke(store: &Store, wanted: String) -> Response {
    let store = store.clone();
    match blocking::run(move || invites::revoke(&store, &wanted)).await {
        Ok(Ok(true)) => Response::Revoked,
        Ok(Ok(false)) => {
            Response::Refused("There is no invite with this ID; `hearth invite list` shows all.".to_owned())
        }
        Ok(Err(error)) => Response::Refused(format!("The invite could not be revoked: {error}.")),
        Err(error) => Response::Refused(format!("The invite could not be revoked: {error}.")),
    }
}
