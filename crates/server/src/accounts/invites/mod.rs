//! The owner's side of invites: made, listed, revoked over the control socket, and forgotten when they are spent.
//!
//! The store knows an invite by the digest of its token, so the token is nowhere but in its link: neither a list nor
//! a copy of the card lets anybody in. An invite's ID is the beginning of that digest.

mod guesses;

use mail_types::UnixTime;
use relay_policy::{InviteTerms, InviteToken};
use ring::digest;
use store::{Invite, Store};

pub(crate) use guesses::Guesses;

/// Invites that are kept at once, spent ones included.
const INVITES_KEPT: usize = 500;
/// The seconds for which a spent invite is kept after its end, so that late visitors learn what is wrong with it.
const SPENT_KEPT: u64 = 30 * 24 * 60 * 60;
/// Characters of an ID.
const ID_LENGTH: usize = 8;

/// An invite that was not created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InviteError {
    /// The limit is reached.
    #[error(
        "there are {INVITES_KEPT} unused invites already; revoke some of them (`hearth invite list` shows them)"
    )]
    TooMany,
    /// The store failed.
    #[error("the invite could not be kept: {0}")]
    Store(#[from] store::Error),
}

/// The store's key of the invite with this token: its SHA-256 in hexadecimal.
pub(crate) fn key(token: &InviteToken) -> String {
    let digest = digest::digest(&digest::SHA256, token.expose().as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The ID by which people name the invite: the first characters of its digest.
pub(crate) fn id(invite: &Invite) -> String {
    invite.digest.chars().take(ID_LENGTH).collect()
}

/// Creates an invite with this token. It may block.
pub(crate) fn make(
    store: &Store,
    token: &InviteToken,
    terms: InviteTerms,
    now: UnixTime,
) -> Result<Invite, InviteError> {
    sweep(store, now)?;
    let mut kept = store.invites()?;
    if kept.len() >= INVITES_KEPT {
        kept.retain(|invite| invite.flaw(now).is_some());
        // The oldest of the spent makes room.
        let oldest = kept.iter().min_by_key(|invite| invite.expires).ok_or(InviteError::TooMany)?;
        store.remove_invite(&oldest.digest)?;
    }
    let expires = UnixTime(now.0.saturating_add(terms.lifetime()));
    let invite = Invite { digest: key(token), uses_left: terms.uses(), created: now, expires };
    store.put_invite(&invite)?;
    Ok(invite)
}

/// Revokes the invite with this ID; false if there is none. It may block.
pub(crate) fn revoke(store: &Store, wanted: &str) -> store::Result<bool> {
    let Some(invite) = store.invites()?.into_iter().find(|invite| id(invite) == wanted) else {
        return Ok(false);
    };
    store.remove_invite(&invite.digest)?;
    Ok(true)
}

/// Removes invites that have been over for long. It may block.
pub(crate) fn sweep(store: &Store, now: UnixTime) -> store::Result<()> {
    for invite in store.invites()? {
        if now.0 >= invite.expires.0.saturating_add(SPENT_KEPT) {
            store.remove_invite(&invite.digest)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mail_types::UnixTime;
    use relay_policy::{InviteTerms, InviteToken};
    use store::{InviteFlaw, Store};

    use crate::accounts::invites::{INVITES_KEPT, InviteError, SPENT_KEPT, id, key, make, revoke, sweep};

    const NOW: UnixTime = UnixTime(1_790_000_000);

    fn later(seconds: u64) -> UnixTime {
        UnixTime(NOW.0 + seconds)
    }

    fn token(number: usize) -> InviteToken {
        format!("{number:024}").parse().unwrap()
    }

    fn terms(uses: u32, lifetime: u64) -> InviteTerms {
        InviteTerms::new(uses, lifetime).unwrap()
    }

    #[test]
    fn the_store_learns_no_token_and_an_id_revokes() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        let made = make(&store, &token(1), terms(2, 60), NOW).unwrap();
        assert_eq!((made.uses_left, made.expires), (2, later(60)));
        assert_eq!(store.invites().unwrap(), std::slice::from_ref(&made));
        assert_eq!(made.digest, key(&token(1)));
        assert!(!made.digest.contains(token(1).expose()));
        assert_eq!(id(&made).len(), 8);
        assert!(!revoke(&store, "00000000").unwrap());
        assert!(revoke(&store, &id(&made)).unwrap());
        assert_eq!(store.invites().unwrap(), []);
    }

    #[test]
    fn spent_invites_are_remembered_for_a_while() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        let made = make(&store, &token(1), terms(1, 60), NOW).unwrap();
        sweep(&store, later(60 + SPENT_KEPT - 1)).unwrap();
        let kept = store.invite(&made.digest).unwrap().unwrap();
        assert_eq!(kept.flaw(later(60)), Some(InviteFlaw::Expired));
        sweep(&store, later(60 + SPENT_KEPT)).unwrap();
        assert_eq!(store.invite(&made.digest).unwrap(), None);
    }

    #[test]
    fn spent_invites_make_room_for_new_ones_and_unused_ones_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        for number in 0..INVITES_KEPT {
            let life = if number == 7 { 60 } else { 3600 };
            let expires = later(life);
            let invite = store::Invite { digest: key(&token(number)), uses_left: 1, created: NOW, expires };
            store.put_invite(&invite).unwrap();
        }
        let refused = make(&store, &token(INVITES_KEPT), terms(1, 60), NOW);
        assert!(matches!(refused, Err(InviteError::TooMany)), "{refused:?}");
        make(&store, &token(INVITES_KEPT), terms(1, 60), later(60)).unwrap();
        assert_eq!(store.invites().unwrap().len(), INVITES_KEPT);
        assert_eq!(store.invite(&key(&token(7))).unwrap(), None);
    }
}
