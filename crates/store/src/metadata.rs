//! METADATA entries (RFC 5464): small values that clients keep with an account or a mailbox.

use mail_types::Address;

use crate::error::{Error, Result};
use crate::keys;
use crate::mailboxes::account_id;
use crate::store::Store;
use crate::types::MetadataScope;

/// The longest name of an entry, in bytes.
const NAME_LIMIT: usize = 1 << 10;
/// The longest value of an entry, in bytes.
const VALUE_LIMIT: usize = 64 << 10;
/// The most entries that an account keeps.
const ENTRIES_LIMIT: usize = 1 << 10;

impl Store {
    /// An entry's value.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every read.
    pub fn metadata(&self, address: &Address, scope: MetadataScope, entry: &str) -> Result<Option<Vec<u8>>> {
        let state = self.read();
        let account = account_id(&state, address)?;
        Ok(state.value(&keys::metadata(account, number(scope), entry)).map(<[u8]>::to_vec))
    }

    /// All entries by name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every read.
    pub fn metadata_entries(
        &self,
        address: &Address,
        scope: MetadataScope,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let state = self.read();
        let prefix = keys::metadata_of(account_id(&state, address)?, number(scope));
        let entries = state.scan(&prefix);
        Ok(entries
            .filter_map(|(key, value)| Some((keys::text_after(key, &prefix)?, value.clone())))
            .collect())
    }

    /// The number of entries.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every read.
    pub fn metadata_count(&self, address: &Address, scope: MetadataScope) -> Result<usize> {
        let state = self.read();
        let prefix = keys::metadata_of(account_id(&state, address)?, number(scope));
        Ok(state.scan(&prefix).count())
    }

    /// Sets an entry; no value removes it.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`], [`Error::NoSuchMailbox`] also for a mailbox of another account, [`Error::TooLarge`] for a
    /// name, a value or one entry too many; see [`Error`] for those of every change.
    pub fn set_metadata(
        &self,
        address: &Address,
        scope: MetadataScope,
        entry: &str,
        value: Option<&[u8]>,
    ) -> Result<()> {
        if entry.len() > NAME_LIMIT {
            return Err(Error::TooLarge { what: "a metadata entry's name", limit: NAME_LIMIT as u64 });
        }
        if value.is_some_and(|value| value.len() > VALUE_LIMIT) {
            return Err(Error::TooLarge { what: "a metadata entry", limit: VALUE_LIMIT as u64 });
        }
        let (address, entry, value) = (address.clone(), entry.to_owned(), value.map(<[u8]>::to_vec));
        self.write(move |transaction| {
            let account = transaction.account_id(&address)?;
            if let MetadataScope::Mailbox(mailbox) = scope
                && transaction.counters(mailbox)?.account != account
            {
                return Err(Error::NoSuchMailbox);
            }
            let key = keys::metadata(account, number(scope), &entry);
            match value {
                Some(value) => {
                    let all = keys::metadata_of_account(account);
                    let entries = transaction.scan(&all).take(ENTRIES_LIMIT).count();
                    if entries == ENTRIES_LIMIT && transaction.value(&key).is_none() {
                        return Err(Error::TooLarge {
                            what: "the list of entries",
                            limit: ENTRIES_LIMIT as u64,
                        });
                    }
                    transaction.put(key, value);
                }
                None => transaction.delete(key),
            }
            Ok(())
        })
    }
}

fn number(scope: MetadataScope) -> u64 {
    match scope {
        MetadataScope::Account => 0,
        MetadataScope::Mailbox(mailbox) => mailbox.0,
    }
}
