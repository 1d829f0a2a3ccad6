//! The certificate of the mail domain as the store keeps it: the key, which stays for ever since clients pin it, the chain,
//! the account at the authority, and the attempts so far. All but the account belong to one domain.

use anyhow::Context;
use mail_types::{Domain, Secret};
use relay_policy::certificate::CertificateHistory;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::Store;
use tls::{CertificateKey, IssuedCertificate};

/// The store's setting that holds the account.
const ACCOUNT_SETTING: &str = "acme.account";

/// The certificate's part of the store. It blocks on the disk.
#[derive(Clone)]
pub(crate) struct KeptCertificate {
    store: Store,
    domain: String,
    /// The URL of the authority's directory.
    authority: String,
}

impl KeptCertificate {
    /// That of this domain, issued by this authority: those of a rehearsal are not taken for real ones.
    pub(crate) fn of(store: &Store, domain: &Domain, authority: &str) -> Self {
        Self { store: store.clone(), domain: domain.to_string(), authority: authority.to_owned() }
    }

    /// The key; made when there is none, or when it is damaged.
    ///
    /// # Errors
    ///
    /// When the store cannot keep it.
    pub(crate) fn key(&self) -> anyhow::Result<CertificateKey> {
        let fresh = CertificateKey::generate()?;
        let kept = self.store.setting_or_insert(&self.key_setting(), Secret::new(fresh.to_pkcs8()));
        let kept = kept.context("keeping the certificate's key")?;
        match CertificateKey::from_pkcs8(kept.expose()) {
            Ok(key) => Ok(key),
            Err(error) => {
                // Clients that pin the key have to be told; without a key there would be no certificate ever again.
                tracing::error!(
                    error = format!("{error:#}"),
                    "the certificate's key is damaged: a new one is made"
                );
                self.put(&format!("{}.damaged", self.key_setting()), kept.expose().to_vec())?;
                self.put(&self.key_setting(), fresh.to_pkcs8())?;
                Ok(fresh)
            }
        }
    }

    /// The certificate and its key; none if there is none of this key.
    pub(crate) fn certificate(&self) -> Option<(IssuedCertificate, CertificateKey)> {
        let key = self.store.setting(&self.key_setting())?;
        let key = CertificateKey::from_pkcs8(key.expose()).ok()?;
        let chain = self.store.setting(&self.setting("chain"))?;
        let certificate = IssuedCertificate::from_pem(std::str::from_utf8(chain.expose()).ok()?).ok()?;
        certificate.is_of(&key).then_some((certificate, key))
    }

    /// Keeps the chain, as PEM text.
    ///
    /// # Errors
    ///
    /// When the store cannot keep it.
    pub(crate) fn put_chain(&self, pem: &str) -> anyhow::Result<()> {
        self.put(&self.setting("chain"), pem.as_bytes().to_vec()).context("keeping the certificate")
    }

    /// The attempts so far.
    pub(crate) fn history(&self) -> CertificateHistory {
        read_json(&self.store, &self.setting("history")).unwrap_or_default()
    }

    /// Keeps the attempts.
    ///
    /// # Errors
    ///
    /// When the store cannot keep them.
    pub(crate) fn put_history(&self, history: &CertificateHistory) -> anyhow::Result<()> {
        write_json(&self.store, &self.setting("history"), history)
            .context("keeping the attempts at a certificate")
    }

    /// The account at the authority.
    pub(crate) fn account(&self) -> Option<Secret> {
        self.store.setting(ACCOUNT_SETTING)
    }

    /// Keeps the account, or forgets it.
    ///
    /// # Errors
    ///
    /// When the store cannot keep it.
    pub(crate) fn put_account(&self, account: Option<Secret>) -> anyhow::Result<()> {
        self.store.set_setting(ACCOUNT_SETTING, account).context("keeping the account at the authority")
    }

    /// The key is the same with every authority.
    fn key_setting(&self) -> String {
        format!("certificate.key.{}", self.domain)
    }

    fn setting(&self, part: &str) -> String {
        format!("certificate.{part}.{}.{}", self.domain, self.authority)
    }

    fn put(&self, setting: &str, value: Vec<u8>) -> anyhow::Result<()> {
        Ok(self.store.set_setting(setting, Some(Secret::new(value)))?)
    }
}

/// The value of a setting in JSON; none if there is none that can be read.
pub(super) fn read_json<T: DeserializeOwned>(store: &Store, setting: &str) -> Option<T> {
    serde_json::from_slice(store.setting(setting)?.expose()).ok()
}

/// Keeps a setting in JSON. Blocks on the disk.
///
/// # Errors
///
/// When the store cannot keep it.
pub(super) fn write_json<T: Serialize>(store: &Store, setting: &str, value: &T) -> anyhow::Result<()> {
    Ok(store.set_setting(setting, Some(Secret::new(serde_json::to_vec(value)?)))?)
}
