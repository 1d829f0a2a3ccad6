//! Push tokens that devices left, and notifications that are still to be sent.

use mail_types::{Address, UnixTime};

use crate::error::{Error, Result};
use crate::keys;
use crate::mailboxes::account_id;
use crate::records::{PushRecord, from_json};
use crate::store::Store;
use crate::types::{PendingPush, PushToken};

/// The longest token, in bytes.
const TOKEN_LIMIT: usize = 4096;
/// The most tokens of one account; the one registered longest ago makes room.
const TOKENS_LIMIT: usize = 32;

impl Store {
    /// The account's tokens.
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

    /// Keeps a token, or notes that it was registered again.
    pub fn register_push_token(&self, address: &Address, token: &str, now: UnixTime) -> Result<()> {
        if token.len() > TOKEN_LIMIT {
            return Err(Error::TooLarge { what: "a push token", limit: TOKEN_LIMIT as u64 });
        }
        let (address, token) = (address.clone(), token.to_owned());
        self.write(move |transaction| {
            let account = transaction.account_id(&address)?;
            transaction.put_json(keys::push_token(account, &token), &now)?;
            let mut tokens = Vec::new();
            for (key, value) in transaction.scan(&keys::push_tokens(account)) {
                tokens.push((from_json::<UnixTime>(&value)?, key));
            }
            tokens.sort();
            let excess = tokens.len().saturating_sub(TOKENS_LIMIT);
            for (_, key) in tokens.into_iter().take(excess) {
                transaction.delete(key);
            }
            Ok(())
        })
    }

    /// Forgets a token and what is pending for it.
    pub fn remove_push_token(&self, address: &Address, token: &str) -> Result<()> {
        let (address, token) = (address.clone(), token.to_owned());
        self.write(move |transaction| {
            let account = transaction.account_id(&address)?;
            for key in [keys::push_token(account, &token), keys::pending_push(account, &token)] {
                if transaction.value(&key).is_some() {
                    transaction.delete(key);
                }
            }
            Ok(())
        })
    }

    /// Notes that every token of the account wants a notification; what is pending already stays as it is.
    pub fn want_push(&self, address: &Address, now: UnixTime) -> Result<()> {
        let address = address.clone();
        self.write(move |transaction| {
            let account = transaction.account_id(&address)?;
            let prefix = keys::push_tokens(account);
            for key in transaction.scan(&prefix).into_keys() {
                let token = keys::text_after(&key, &prefix).ok_or(Error::Bug("a push token is not text"))?;
                let pending = keys::pending_push(account, &token);
                if transaction.value(&pending).is_none() {
                    transaction.put_json(pending, &PushRecord { since: now, due: now, attempts: 0 })?;
                }
            }
            Ok(())
        })
    }

    /// All pending notifications.
    pub fn pending_pushes(&self) -> Result<Vec<PendingPush>> {
        let state = self.read();
        let mut pushes = Vec::new();
        for (key, value) in state.scan(keys::PENDING_PUSHES) {
            let account = keys::number_of(key).ok_or(Error::Bug("a push's key is too short"))?;
            let token = keys::text_after(key, &keys::pending_pushes_of(account));
            let token = token.ok_or(Error::Bug("a push token is not text"))?;
            let name =
                state.value(&keys::account_name(account)).and_then(|name| std::str::from_utf8(name).ok());
            let account = name.and_then(|name| name.parse().ok());
            let account = account.ok_or(Error::Bug("a push belongs to nobody"))?;
            let PushRecord { since, due, attempts } = from_json(value)?;
            pushes.push(PendingPush { account, token, since, due, attempts });
        }
        Ok(pushes)
    }

    /// Notes a failed attempt and when to try again.
    pub fn postpone_push(&self, push: &PendingPush, due: UnixTime) -> Result<()> {
        let push = push.clone();
        self.write(move |transaction| {
            let key = keys::pending_push(transaction.account_id(&push.account)?, &push.token);
            match transaction.json::<PushRecord>(&key)? {
                Some(PushRecord { since, attempts, .. }) => transaction
                    .put_json(key, &PushRecord { since, due, attempts: attempts.saturating_add(1) }),
                None => Ok(()),
            }
        })
    }

    /// Forgets a notification: it was sent, or given up.
    pub fn finish_push(&self, push: &PendingPush) -> Result<()> {
        let push = push.clone();
        self.write(move |transaction| {
            let key = keys::pending_push(transaction.account_id(&push.account)?, &push.token);
            if transaction.value(&key).is_some() {
                transaction.delete(key);
            }
            Ok(())
        })
    }
}
