//! Invites and the server's own small values: settings, keys, the ACME account.

use mail_types::{Secret, UnixTime};

use crate::error::{Error, Result};
use crate::keys;
use crate::records::{InviteRecord, from_json};
use crate::store::Store;
use crate::transaction::Transaction;
use crate::types::Invite;

/// The largest setting, in bytes.
const SETTING_LIMIT: usize = 1 << 20;

impl Store {
    /// A value that the server keeps for itself. All of them are treated as secrets.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<Secret> {
        self.read().value(&keys::setting(name)).map(Secret::new)
    }

    /// The names of all settings.
    #[must_use]
    pub fn setting_names(&self) -> Vec<String> {
        let state = self.read();
        state.scan(keys::SETTINGS).filter_map(|(key, _)| keys::text_after(key, keys::SETTINGS)).collect()
    }

    /// Keeps a value; none removes it.
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

    /// Keeps a value only if there is none, and gives the one that is kept: for keys that must never change.
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

    /// Keeps an invite, or changes the one with its token.
    pub fn put_invite(&self, invite: &Invite) -> Result<()> {
        let key = keys::invite(&invite.token);
        let record =
            InviteRecord { uses_left: invite.uses_left, created: invite.created, expires: invite.expires };
        self.write(move |transaction| transaction.put_json(key, &record))
    }

    /// All invites.
    pub fn invites(&self) -> Result<Vec<Invite>> {
        let mut invites = Vec::new();
        for (key, value) in self.read().scan(keys::INVITES) {
            let token = keys::text_after(key, keys::INVITES).ok_or(Error::Bug("an invite is not text"))?;
            let InviteRecord { uses_left, created, expires } = from_json(value)?;
            invites.push(Invite { token, uses_left, created, expires });
        }
        Ok(invites)
    }

    /// Revokes an invite. One that is gone already is no error.
    pub fn remove_invite(&self, token: &str) -> Result<()> {
        let key = keys::invite(token);
        self.write(move |transaction| {
            if transaction.value(&key).is_some() {
                transaction.delete(key);
            }
            Ok(())
        })
    }
}

/// Takes one use of an invite, or fails.
pub(crate) fn use_invite(transaction: &mut Transaction<'_>, token: &str, now: UnixTime) -> Result<()> {
    let key = keys::invite(token);
    match transaction.json::<InviteRecord>(&key)? {
        Some(InviteRecord { uses_left, created, expires }) if uses_left > 0 && now < expires => {
            transaction.put_json(key, &InviteRecord { uses_left: uses_left - 1, created, expires })
        }
        _ => Err(Error::InviteInvalid),
    }
}
