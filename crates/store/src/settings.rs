//! Invites and the server's own small values: settings, keys, the ACME account.

use mail_types::{Secret, UnixTime};

use crate::error::{Error, InviteFlaw, Result};
use crate::keys;
use crate::records::{InviteRecord, from_json};
use crate::store::Store;
use crate::transaction::Transaction;
use crate::types::Invite;

/// The largest setting, in bytes.
const SETTING_LIMIT: usize = 1 << 20;

impl Store {
    /// The value of a setting. All of them are treated as secrets.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<Secret> {
        self.read().value(&keys::setting(name)).map(Secret::new)
    }

    /// Sets a value; `None` removes it.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`]; see [`Error`] for those of every change.
    pub fn set_setting(&self, name: &str, value: Option<Secret>) -> Result<()> {
        if value.as_ref().is_some_and(|value| value.expose().len() > SETTING_LIMIT) {
            return Err(Error::TooLarge { what: "a setting", limit: SETTING_LIMIT as u64 });
        }
        let key = keys::setting(name);
        self.write(move |transaction| {
            match value {
                Some(value) => transaction.put(key, value.expose().to_vec()),
                None if transaction.value(&key).is_some() => transaction.delete(key),
                None => {}
            }
            Ok(())
        })
    }

    /// Sets a value only if there is none, and returns the one in force: for keys that must never change.
    ///
    /// # Errors
    ///
    /// See [`Error`] for those of every change.
    pub fn setting_or_insert(&self, name: &str, value: Secret) -> Result<Secret> {
        let key = keys::setting(name);
        self.write(move |transaction| {
            if let Some(kept) = transaction.value(&key) {
                return Ok(Secret::new(kept));
            }
            transaction.put(key, value.expose().to_vec());
            Ok(value)
        })
    }

    /// Adds an invite, or replaces the one with its digest.
    ///
    /// # Errors
    ///
    /// See [`Error`] for those of every change.
    pub fn put_invite(&self, invite: &Invite) -> Result<()> {
        let key = keys::invite(&invite.digest);
        let record =
            InviteRecord { uses_left: invite.uses_left, created: invite.created, expires: invite.expires };
        self.write(move |transaction| transaction.put_json(key, &record))
    }

    /// All invites.
    ///
    /// # Errors
    ///
    /// See [`Error`] for those of every read.
    pub fn invites(&self) -> Result<Vec<Invite>> {
        let mut invites = Vec::new();
        for (key, value) in self.read().scan(keys::INVITES) {
            let digest = keys::text_after(key, keys::INVITES).ok_or(Error::Bug("an invite is not text"))?;
            invites.push(public(digest, from_json(value)?));
        }
        Ok(invites)
    }

    /// The invite with this digest.
    ///
    /// # Errors
    ///
    /// See [`Error`] for those of every read.
    pub fn invite(&self, digest: &str) -> Result<Option<Invite>> {
        let state = self.read();
        let Some(value) = state.value(&keys::invite(digest)) else { return Ok(None) };
        Ok(Some(public(digest.to_owned(), from_json(value)?)))
    }

    /// Revokes an invite. One that is gone already is no error.
    ///
    /// # Errors
    ///
    /// See [`Error`] for those of every change.
    pub fn remove_invite(&self, digest: &str) -> Result<()> {
        let key = keys::invite(digest);
        self.write(move |transaction| {
            if transaction.value(&key).is_some() {
                transaction.delete(key);
            }
            Ok(())
        })
    }
}

/// Takes one use of an invite, or fails.
pub(crate) fn use_invite(transaction: &mut Transaction<'_>, digest: &str, now: UnixTime) -> Result<()> {
    let key = keys::invite(digest);
    let record: InviteRecord = transaction.json(&key)?.ok_or(Error::InviteInvalid(InviteFlaw::Unknown))?;
    let invite = public(digest.to_owned(), record);
    if let Some(flaw) = invite.flaw(now) {
        return Err(Error::InviteInvalid(flaw));
    }
    let Invite { uses_left, created, expires, .. } = invite;
    transaction.put_json(key, &InviteRecord { uses_left: uses_left.saturating_sub(1), created, expires })
}

fn public(digest: String, record: InviteRecord) -> Invite {
    let InviteRecord { uses_left, created, expires } = record;
    Invite { digest, uses_left, created, expires }
}
