//! An account at an authority (RFC 8555 section 7.1.2), and what the authority advises about renewals.

use std::time::Duration;

use host::clock::UnixTime;
use instant_acme::{AccountCredentials, CertificateIdentifier, Error, NewAccount};
use mail_types::Secret;
use relay_policy::certificate::CertificateFailure;
use serde::{Deserialize, Serialize};

use crate::authority::Authority;
use crate::failure::{misunderstood, of_account_request, of_request};
use crate::transport::Transport;

/// An account at an authority.
pub struct Account {
    pub(crate) inner: instant_acme::Account,
    pub(crate) transport: Transport,
}

/// The account as the caller keeps it, in JSON; it holds the account's private key.
#[derive(Serialize, Deserialize)]
struct KeptAccount {
    /// The authority that it is an account of.
    directory: String,
    credentials: AccountCredentials,
}

/// The advice of an authority when to renew a certificate (RFC 9773 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewalAdvice {
    /// The beginning of the suggested window.
    pub start: UnixTime,
    /// Its end.
    pub end: UnixTime,
    /// Seconds until the authority wants to be asked again.
    pub ask_again_after: u64,
}

impl Authority {
    /// The kept account, if it is one of this authority's, or else a new one, for which the owner agrees to the
    /// authority's terms. Beside it, for a new one, the bytes to keep: they hold its private key. The contact is a URL,
    /// `mailto:` and an address.
    ///
    /// An account that the authority does not know any more shows with the first order, as
    /// [`relay_policy::certificate::FailureKind::AccountRefused`]; the caller forgets it then.
    ///
    /// # Errors
    ///
    /// When the authority is not there, wants something else, or makes no account for this contact. The bytes of an
    /// account that cannot be read lead to a new one.
    pub async fn account(
        &self,
        kept: Option<&Secret>,
        contact: Option<&str>,
    ) -> Result<(Account, Option<Secret>), CertificateFailure> {
        let kept = kept.and_then(|bytes| serde_json::from_slice::<KeptAccount>(bytes.expose()).ok());
        if let Some(kept) = kept.filter(|kept| kept.directory == self.directory)
            && let Some(account) = self.restore(kept.credentials).await?
        {
            return Ok((account, None));
        }
        self.create(contact).await.map(|(account, kept)| (account, Some(kept)))
    }

    /// The account with these credentials; none if their private key is damaged.
    async fn restore(&self, credentials: AccountCredentials) -> Result<Option<Account>, CertificateFailure> {
        let transport = self.transport();
        let builder = instant_acme::Account::builder_with_http(Box::new(transport.clone()));
        match builder.from_credentials(credentials).await {
            Ok(inner) => Ok(Some(Account { inner, transport })),
            Err(Error::KeyRejected | Error::Crypto) => Ok(None),
            Err(error) => Err(of_request(&error, transport.heard())),
        }
    }

    async fn create(&self, contact: Option<&str>) -> Result<(Account, Secret), CertificateFailure> {
        let transport = self.transport();
        let contact = contact.as_slice();
        let new = NewAccount { contact, terms_of_service_agreed: true, only_return_existing: false };
        let created = patiently!({
            let builder = instant_acme::Account::builder_with_http(Box::new(transport.clone()));
            builder.create(&new, self.directory.clone(), None)
        });
        let (inner, credentials) = created.map_err(|error| of_account_request(&error, transport.heard()))?;
        let kept = KeptAccount { directory: self.directory.clone(), credentials };
        let bytes = serde_json::to_vec(&kept).map_err(|error| misunderstood(&error.to_string()))?;
        Ok((Account { inner, transport }, Secret::new(bytes)))
    }
}

impl Account {
    /// The account's URL: the value of `accounturi` in a CAA record that lets only this account order certificates (RFC
    /// 8657 section 3).
    #[must_use]
    pub fn url(&self) -> &str {
        self.inner.id()
    }

    /// Whether the authority offers this profile of certificates; one that it does not offer it may ignore without a word.
    #[must_use]
    pub fn offers_profile(&self, name: &str) -> bool {
        self.inner.profiles().any(|profile| profile.name == name)
    }

    /// The advice when to renew the certificate with this identifier
    /// ([`tls::IssuedCertificate::renewal_identifier`]); none if the authority gives no advice.
    ///
    /// # Errors
    ///
    /// When the authority is not there, does not know the certificate, or its answer makes no sense.
    pub async fn renewal_advice(
        &self,
        identifier: &str,
    ) -> Result<Option<RenewalAdvice>, CertificateFailure> {
        let identifier =
            certificate_identifier(identifier).ok_or_else(|| misunderstood("no certificate's identifier"))?;
        let (info, again) = match self.inner.renewal_info(&identifier).await {
            Ok(advice) => advice,
            Err(Error::Unsupported(_)) => return Ok(None),
            Err(error) => return Err(of_request(&error, self.transport.heard())),
        };
        let time = |seconds: i64| UnixTime(u64::try_from(seconds).unwrap_or(0));
        let window = info.suggested_window;
        let (start, end) = (time(window.start.unix_timestamp()), time(window.end.unix_timestamp()));
        if end < start {
            return Err(misunderstood("the window of the renewal ends before it begins"));
        }
        Ok(Some(RenewalAdvice { start, end, ask_again_after: again.max(Duration::from_secs(1)).as_secs() }))
    }
}

/// The two parts of an identifier.
pub(crate) fn certificate_identifier(text: &str) -> Option<CertificateIdentifier<'_>> {
    let (key, serial) = text.split_once('.')?;
    Some(CertificateIdentifier { authority_key_identifier: key.into(), serial: serial.into() })
}
