//! Accounts: logs people in, and creates an account at the first login when registration allows it.

pub(crate) mod invites;
mod minted;
pub(crate) mod pairing;
mod passwords;
mod redeem;
mod throttle;
mod turns;
mod verified;

use std::net::IpAddr;
use std::sync::Arc;

use config::Config;
use host::locks::Mutex;
use host::{clock, entropy};
use mail_types::{Address, Day, Domain, Secret};
use relay_policy::{AccountRules, Registration};
use store::{AccountState, Store};

use crate::accounts::pairing::{Credentials, PairingHandle};
use crate::connections::places::{LimitReached, Place};
use crate::runtime::blocking;
use crate::runtime::counters::{Counters, Login};
use crate::runtime::resources::Resources;
use minted::{HandedOut, Origin};
use throttle::Throttle;
use turns::Turns;
use verified::Verified;

/// The accounts of the server.
pub(crate) struct Accounts {
    store: Store,
    /// The domain of new accounts, then those of old ones.
    domains: Vec<Domain>,
    registration: Registration,
    rules: AccountRules,
    resources: Resources,
    pairing: PairingHandle,
    verified: Verified,
    throttle: Mutex<Throttle>,
    turns: Turns,
    handed_out: HandedOut,
    counters: Arc<Counters>,
}

/// Whether a first login may create an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permission {
    Granted(Origin),
    /// By the rules and the registration mode.
    Denied,
    /// Permitted, but for the machine's resources.
    NoRoom,
}

impl Accounts {
    /// The accounts in this store.
    pub(crate) fn new(
        config: &Config,
        domains: Vec<Domain>,
        store: Store,
        resources: Resources,
        pairing: PairingHandle,
        counters: Arc<Counters>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            store,
            domains,
            registration: config.registration,
            rules: config.limits.accounts.clone(),
            resources,
            pairing,
            verified: Verified::new(&entropy::bytes()?),
            throttle: Mutex::default(),
            turns: Turns::new(),
            handed_out: HandedOut::default(),
            counters,
        })
    }

    /// Logs an account in, or creates it. The address is in lower case already; passwords are bytes.
    pub(crate) async fn login(&self, address: &Address, password: &Secret, place: &Place) -> Login {
        let login = match self.try_and_note(address, password, place.network()).await {
            Login::Accepted => seated(place.log_in(address)),
            refused => refused,
        };
        self.counters.login(login);
        login
    }

    /// Makes credentials for a visitor, with which the first login may create an account.
    pub(crate) fn hand_out(&self) -> anyhow::Result<Credentials> {
        let minted = Credentials::mint(self.domain_of_new()?)?;
        self.handed_out.add(&minted.address, &minted.password);
        Ok(minted)
    }

    fn domain_of_new(&self) -> anyhow::Result<&Domain> {
        self.domains.first().ok_or_else(|| anyhow::anyhow!("the server has no domain"))
    }

    async fn try_and_note(&self, address: &Address, password: &Secret, network: IpAddr) -> Login {
        if !self.domains.contains(address.domain()) {
            return Login::Foreign;
        }
        let outcome = self.try_login(address, password, network).await;
        let login = outcome.unwrap_or_else(|error| {
            tracing::error!(error = format!("{error:#}"), "a login failed for a reason of ours");
            Login::Trouble
        });
        if login == Login::Accepted
            && let Err(error) = self.note_day(address).await
        {
            // A day that cannot be kept does not refuse the login: a full disk must not lock people out.
            tracing::warn!(error = format!("{error:#}"), "the day of a login was not kept");
        }
        login
    }

    async fn try_login(
        &self,
        address: &Address,
        password: &Secret,
        network: IpAddr,
    ) -> anyhow::Result<Login> {
        if let Some(account) = self.store.account(address)? {
            return self.check(&account, password, network).await;
        }
        match self.may_register(address, password).await {
            Permission::Granted(origin) => return self.create(address, (password, origin), network).await,
            Permission::NoRoom => return Ok(Login::NoRoom),
            Permission::Denied => {}
        }
        // The same first login over another connection may have made the account just now, and used up the permission.
        match self.store.account(address)? {
            Some(account) => self.check(&account, password, network).await,
            None => Ok(Login::Wrong),
        }
    }

    async fn check(
        &self,
        account: &store::Account,
        password: &Secret,
        network: IpAddr,
    ) -> anyhow::Result<Login> {
        if account.state == AccountState::Suspended {
            return Ok(Login::Wrong);
        }
        let address = &account.address;
        // Guesses of others do not lock out the phone whose password is known to be right.
        if self.verified.knows(address, password) {
            return Ok(Login::Accepted);
        }
        if let Some(verifier) = &account.minted_verifier {
            // Nobody guesses a password with full entropy, so no guess is slowed down, and none costs a hash.
            let right = minted::fits(address, password, verifier);
            return Ok(if right { Login::Accepted } else { Login::Wrong });
        }
        if !self.throttle.lock().permits(address, network, clock::now()) {
            return Ok(Login::Throttled);
        }
        let turn = self.turns.take(address, network).await?;
        // Those who had their turn before this one may have shown that the password is right, or have used up the tries.
        if self.verified.knows(address, password) {
            return Ok(Login::Accepted);
        }
        if !self.throttle.lock().begin(address, network, clock::now()) {
            return Ok(Login::Throttled);
        }
        let (hash, tried) = (account.password_hash.clone(), password.clone());
        let right = turn.run(move || passwords::verify(&tried, &hash)).await??;
        if right {
            self.throttle.lock().succeeded(address, network);
            self.verified.remember(address, password);
        }
        Ok(if right { Login::Accepted } else { Login::Wrong })
    }

    /// Whether a first login may create the account: the rules of `relay-policy` (those of chatmail/relay's
    /// `doveauth.py`), the registration mode, and the machine's resources.
    async fn may_register(&self, address: &Address, password: &Secret) -> Permission {
        if self.rules.check(address, password, self.domains.get(..1).unwrap_or_default()).is_err() {
            return Permission::Denied;
        }
        let origin = match self.registration {
            // Invites are redeemed on the web, which makes the account at once; a login makes none.
            Registration::Invite | Registration::Closed => return Permission::Denied,
            Registration::Open if self.handed_out.has(address, password) => Origin::Minted,
            Registration::Open | Registration::Pairing if self.pairing.is_valid(address, password).await => {
                Origin::Minted
            }
            Registration::Open => Origin::Chosen,
            Registration::Pairing => return Permission::Denied,
        };
        match self.resources.shortage() {
            Some(shortage) => {
                tracing::warn!(shortage, "registration rejected");
                self.counters.registrations_refused.count();
                Permission::NoRoom
            }
            None => Permission::Granted(origin),
        }
    }

    async fn create(
        &self,
        address: &Address,
        (password, origin): (&Secret, Origin),
        network: IpAddr,
    ) -> anyhow::Result<Login> {
        match self.create_account(address, (password, origin), network, None).await? {
            Ok(()) => Ok(Login::Accepted),
            // Another connection was faster with the same first login; a different password is simply wrong.
            Err(store::Error::AccountExists) => match self.store.account(address)? {
                Some(account) => self.check(&account, password, network).await,
                None => Ok(Login::Wrong),
            },
            Err(store::Error::NameRetired) => Ok(Login::Wrong),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the account, for one use of this invite if there is one, and counts it.
    async fn create_account(
        &self,
        address: &Address,
        (password, origin): (&Secret, Origin),
        network: IpAddr,
        invite: Option<String>,
    ) -> anyhow::Result<store::Result<()>> {
        let turn = self.turns.take(address, network).await?;
        let (salt, fresh) = (entropy::bytes()?, password.clone());
        let hash = turn.run(move || passwords::hash(&fresh, &salt)).await??;
        let minted_verifier = (origin == Origin::Minted).then(|| minted::verifier(address, password));
        let hash = store::PasswordRecord { hash, minted_verifier };
        let (store, new) = (self.store.clone(), address.clone());
        let created = blocking::run(move || match invite {
            None => store.create_account(&new, hash, clock::wall()),
            Some(invite) => store.create_account_by_invite(&new, hash, &invite, clock::wall()),
        });
        let created = created.await?;
        if created.is_ok() {
            self.verified.remember(address, password);
            self.counters.accounts_created.count();
            self.pairing.account_created(address).await;
            tracing::info!("an account was created");
        }
        Ok(created)
    }

    /// Keeps the day of the last login, and nothing finer.
    async fn note_day(&self, address: &Address) -> anyhow::Result<()> {
        let today: Day = clock::wall().day();
        if self.store.account(address)?.is_none_or(|account| account.last_login == today) {
            return Ok(());
        }
        let (store, address) = (self.store.clone(), address.clone());
        Ok(blocking::run(move || store.record_login(&address, today)).await??)
    }
}

/// The outcome of a login with the right password.
fn seated(place: Result<(), LimitReached>) -> Login {
    match place {
        Ok(()) => Login::Accepted,
        Err(LimitReached::PerAccount) => Login::Crowded,
        Err(LimitReached::Total | LimitReached::PerNetwork) => Login::Busy,
    }
}
