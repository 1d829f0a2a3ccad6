//! Push tokens of devices, and push notifications that are still to be sent.

use mail_types::{Address, UnixTime};

use crate::error::{Error, Result};
use crate::keys;
use crate::mailboxes::account_id;
use crate::records::{PushRecord, from_json};
use crate::store::Store;
use crate::transaction::Transaction;
use crate::types::{PendingPush, PushToken};

/// The longest token, in bytes.
const TOKEN_LIMIT: usize = 4096;
/// The most tokens of one account; the one registered longest ago makes room.
const TOKENS_LIMIT: usize = 32;
/// Seconds for which a token is not written again when a device registers it anew.
const REFRESH_SECONDS: u64 = 86_400;

impl Store {
    /// The account's tokens.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every read.
    pub fn push_tokens(&self, address: &Address) -> Result<Vec<PushToken>> {
        let state = self.read();
        let prefix = keys::push_tokens(account_id(&state, address)?);
        let mut tokens = Vec::new();
        for (key, value) in state.scan(&prefix) {
            let token = keys::text_after(key, &prefix).ok_or(Error::Bug("a push token is not text"))?;
            tokens.push(PushToken { token, registered: from_json(value)? });
        }
        Ok(tokens)
    }

    /// Adds a token, or updates the time of its registration: devices register with every connection, so that is written
    /// once a day at most.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`], [`Error::TooLarge`]; see [`Error`] for those of every change.
    pub fn register_push_token(&self, address: &Address, token: &str, now: UnixTime) -> Result<()> {
        if token.len() > TOKEN_LIMIT {
            return Err(Error::TooLarge { what: "a push token", limit: TOKEN_LIMIT as u64 });
        }
        let known = self.push_tokens(address)?.into_iter().find(|known| known.token == token);
        if known.is_some_and(|known| known.registered <= now && now.0 - known.registered.0 < REFRESH_SECONDS)
        {
            return Ok(());
        }
        let (address, token) = (address.clone(), token.to_owned());
        self.write(move |transaction| {
            let account = transaction.account_id(&address)?;
            transaction.put_json(keys::push_token(account, &token), &now)?;
            let mut tokens = Vec::new();
            for (key, value) in transaction.scan(&keys::push_tokens(account)) {
                tokens.push((from_json::<UnixTime>(value)?, key.clone()));
            }
            tokens.sort();
            let excess = tokens.len().saturating_sub(TOKENS_LIMIT);
            for (_, key) in tokens.into_iter().take(excess) {
                transaction.delete(key);
            }
            Ok(())
        })
    }

    /// Removes a token; it need not exist.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every change.
    pub fn remove_push_token(&self, address: &Address, token: &str) -> Result<()> {
        let (address, token) = (address.clone(), token.to_owned());
        self.write(move |transaction| {
            let key = keys::push_token(transaction.account_id(&address)?, &token);
            if transaction.value(&key).is_some() {
                transaction.delete(key);
            }
            Ok(())
        })
    }

    /// The account's pending push notification.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every read.
    pub fn pending_push(&self, address: &Address) -> Result<Option<PendingPush>> {
        let state = self.read();
        let account = account_id(&state, address)?;
        let record = state.value(&keys::pending_push(account));
        record.map(|record| public(address.clone(), record)).transpose()
    }

    /// The pending push notifications of all accounts.
    ///
    /// # Errors
    ///
    /// See [`Error`] for those of every read.
    pub fn pending_pushes(&self) -> Result<Vec<PendingPush>> {
        let state = self.read();
        let mut pushes = Vec::new();
        for (key, record) in state.scan(keys::PENDING_PUSHES) {
            let account = keys::number_of(key).ok_or(Error::Bug("a push's key is too short"))?;
            let name = state.value(&keys::account_name(account));
            let name = name.and_then(|name| std::str::from_utf8(name).ok()?.parse().ok());
            pushes.push(public(name.ok_or(Error::Bug("a push belongs to nobody"))?, record)?);
        }
        Ok(pushes)
    }

    /// Removes a notification that was sent or given up, unless another message has come since.
    ///
    /// It returns at once and costs no sync of its own; a power cut may bring the notification back.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`]. A failure of the write itself is not reported: the notification is then still pending.
    pub fn finish_push(&self, push: &PendingPush) -> Result<()> {
        let push = push.clone();
        self.write_deferred(move |transaction| {
            let key = keys::pending_push(transaction.account_id(&push.account)?);
            let found = transaction.value(&key).and_then(PushRecord::decode);
            if found.is_some_and(|record| record.body == push.message) {
                transaction.delete(key);
            }
            Ok(())
        })
    }
}

/// Records a pending push for a new message, if the account has tokens.
pub(crate) fn want_push(transaction: &mut Transaction<'_>, account: u64, since: UnixTime, body: u64) {
    let has_tokens = transaction.scan(&keys::push_tokens(account)).next().is_some();
    if has_tokens {
        transaction.put(keys::pending_push(account), PushRecord { since, body }.encode());
    }
}

fn public(account: Address, record: &[u8]) -> Result<PendingPush> {
    let PushRecord { since, body } =
        PushRecord::decode(record).ok_or(Error::Bug("a pending push has an unknown shape"))?;
    Ok(PendingPush { account, since, message: body })
}
