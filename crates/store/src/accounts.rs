//! Accounts. A name is given out once, and never again after a deletion.

use mail_types::{Address, Day, Secret, UnixTime};

use crate::error::{Error, Result};
use crate::keys;
use crate::mailboxes::{self, INBOX, account_id};
use crate::records::{AccountRecord, from_json};
use crate::store::Store;
use crate::transaction::Transaction;
use crate::types::{Account, AccountState, MailboxId, PasswordRecord, Usage};

impl Store {
    /// Creates an account with an empty INBOX.
    ///
    /// # Errors
    ///
    /// [`Error::AccountExists`], [`Error::NameRetired`]; see [`Error`] for those of every change.
    pub fn create_account(
        &self,
        address: &Address,
        password: impl Into<PasswordRecord>,
        now: UnixTime,
    ) -> Result<()> {
        let (address, password) = (address.clone(), password.into());
        self.write(move |transaction| create(transaction, &address, &password, now))
    }

    /// Creates an account and takes one use of an invite for it, both or neither.
    ///
    /// # Errors
    ///
    /// Those of [`Store::create_account`], and [`Error::InviteInvalid`].
    pub fn create_account_by_invite(
        &self,
        address: &Address,
        password: impl Into<PasswordRecord>,
        digest: &str,
        now: UnixTime,
    ) -> Result<()> {
        let (address, password, digest) = (address.clone(), password.into(), digest.to_owned());
        self.write(move |transaction| {
            create(transaction, &address, &password, now)?;
            crate::settings::use_invite(transaction, &digest, now)
        })
    }

    /// The account, if it exists.
    ///
    /// # Errors
    ///
    /// See [`Error`] for those of every read.
    pub fn account(&self, address: &Address) -> Result<Option<Account>> {
        let state = self.read();
        let Some(value) = state.value(&keys::account(address)) else { return Ok(None) };
        Ok(public(address.clone(), from_json(value)?))
    }

    /// Whether the address belongs to an account or belonged to one, so that it cannot be created.
    #[must_use]
    pub fn is_name_taken(&self, address: &Address) -> bool {
        self.read().value(&keys::account(address)).is_some()
    }

    /// All accounts by address.
    ///
    /// # Errors
    ///
    /// See [`Error`] for those of every read.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        let mut accounts = Vec::new();
        for (key, value) in self.read().scan(keys::ACCOUNTS) {
            let address = keys::text_after(key, keys::ACCOUNTS).and_then(|text| text.parse().ok());
            let address = address.ok_or(Error::Bug("an account's key is no address"))?;
            accounts.extend(public(address, from_json(value)?));
        }
        Ok(accounts)
    }

    /// Records the day of a login; written only when it differs from the day on record.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every change.
    pub fn record_login(&self, address: &Address, today: Day) -> Result<()> {
        if self.account(address)?.is_some_and(|account| account.last_login == today) {
            return Ok(());
        }
        self.edit_account(address, move |record| {
            if let AccountRecord::Account { last_login, .. } = record {
                *last_login = today;
            }
        })
    }

    /// Suspends an account or takes it back into use.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every change.
    pub fn set_account_state(&self, address: &Address, new: AccountState) -> Result<()> {
        self.edit_account(address, move |record| {
            if let AccountRecord::Account { state, .. } = record {
                *state = new;
            }
        })
    }

    /// Deletes an account with everything in it. Its name stays taken.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every change.
    pub fn delete_account(&self, address: &Address, today: Day) -> Result<()> {
        let address = address.clone();
        self.write(move |transaction| {
            let account = transaction.account_id(&address)?;
            let prefix = keys::mailboxes(account);
            let ids = transaction.scan(&prefix).map(|(key, _)| keys::second_number_of(key).map(MailboxId));
            let ids: Option<Vec<MailboxId>> = ids.collect();
            for id in ids.ok_or(Error::Bug("a mailbox's key is too short"))? {
                mailboxes::delete(transaction, account, id)?;
            }
            let tables = [
                keys::subscriptions(account),
                keys::metadata_of_account(account),
                keys::push_tokens(account),
                keys::pending_push(account),
            ];
            for prefix in tables {
                transaction.delete_all(&prefix);
            }
            transaction.delete(keys::account_name(account));
            transaction.put_json(keys::account(&address), &AccountRecord::Retired { day: today })
        })
    }

    /// The account's disk space. It is counted with every change; asking costs nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`]; see [`Error`] for those of every read.
    pub fn usage(&self, address: &Address) -> Result<Usage> {
        let state = self.read();
        Ok(state.usage.of(account_id(&state, address)?))
    }

    fn edit_account(
        &self,
        address: &Address,
        edit: impl FnOnce(&mut AccountRecord) + Send + 'static,
    ) -> Result<()> {
        let address = address.clone();
        self.write(move |transaction| {
            let found = transaction.account(&address)?;
            let Some(mut record @ AccountRecord::Account { .. }) = found else {
                return Err(Error::NoSuchAccount);
            };
            edit(&mut record);
            transaction.put_json(keys::account(&address), &record)
        })
    }
}

fn create(
    transaction: &mut Transaction<'_>,
    address: &Address,
    password: &PasswordRecord,
    now: UnixTime,
) -> Result<()> {
    match transaction.account(address)? {
        None => {}
        Some(AccountRecord::Account { .. }) => return Err(Error::AccountExists),
        Some(AccountRecord::Retired { .. }) => return Err(Error::NameRetired),
    }
    let id = transaction.fresh_id()?;
    let record = AccountRecord::Account {
        id,
        password_hash: text_of(&password.hash)?,
        minted_verifier: password.minted_verifier.as_ref().map(text_of).transpose()?,
        created: now.day(),
        last_login: now.day(),
        state: AccountState::Active,
        last_uid_validity: 0,
    };
    transaction.put_json(keys::account(address), &record)?;
    transaction.put(keys::account_name(id), address.to_string().into_bytes());
    mailboxes::create(transaction, address, INBOX, None, now)?;
    mailboxes::subscribe(transaction, id, INBOX);
    Ok(())
}

fn public(address: Address, record: AccountRecord) -> Option<Account> {
    match record {
        AccountRecord::Account { password_hash, minted_verifier, created, last_login, state, .. } => {
            Some(Account {
                address,
                password_hash: Secret::new(password_hash),
                minted_verifier: minted_verifier.map(Secret::new),
                created,
                last_login,
                state,
            })
        }
        AccountRecord::Retired { .. } => None,
    }
}

fn text_of(hash: &Secret) -> Result<String> {
    String::from_utf8(hash.expose().to_vec()).map_err(|_| Error::Bug("a password hash is not text"))
}
