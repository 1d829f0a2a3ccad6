//! One order (RFC 8555 section 7.4): its challenges are answered, a certificate is asked for, and the answers are taken
//! away again, however it ends.
//!
//! Nothing of an order is kept here. One that was cut, by a power failure for example, stands in the way of no other: the
//! authority gives the same order again, or another one.

mod attempt;

use std::net::IpAddr;
use std::time::Duration;

use instant_acme::Identifier;
use relay_policy::certificate::{CertificateFailure, ChallengeKind, FailureKind, FailureSource, NameFailure};
use tls::{CertificateKey, IssuedCertificate};

use crate::account::Account;
use crate::challenge::{ChallengeResponder, Presented};
use attempt::Attempt;

/// The longest time of one order, from its first request to the certificate.
const ORDER_TIME: Duration = Duration::from_secs(300);
/// The longest time for taking the answers away.
const WITHDRAWAL_TIME: Duration = Duration::from_secs(60);

/// A wish for a certificate.
#[derive(Clone, Copy, Debug)]
pub struct CertificateOrder<'a> {
    /// The names without which the certificate is of no use: a domain name or an IP address.
    pub names: &'a [String],
    /// Further names.
    pub optional: Optional<'a>,
    /// The key of the certificate; the account has another one.
    pub key: &'a CertificateKey,
    /// The way to prove the control of the names.
    pub challenge: ChallengeKind,
    /// The profile of the certificate, if the authority offers it; see [`Account::offers_profile`].
    pub profile: Option<&'a str>,
    /// The identifier of the certificate that is to be replaced (RFC 9773 section 5): such an order counts for less at the
    /// authority's limits.
    pub replaces: Option<&'a str>,
}

/// Names that a certificate should have, but need not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optional<'a> {
    /// If only they fail, a second order is made without them.
    OrWithout(&'a [String]),
    /// A certificate without them is there already: another one would be of no use.
    Needed(&'a [String]),
}

/// A certificate, as it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate: IssuedCertificate,
    /// The same as PEM text, to keep.
    pub pem: String,
    /// The optional names that are not in it, and why.
    pub left_out: Vec<NameFailure>,
}

impl<'a> Optional<'a> {
    fn names(&self) -> &'a [String] {
        match self {
            Self::OrWithout(names) | Self::Needed(names) => names,
        }
    }
}

impl Account {
    /// Orders a certificate, within five minutes for each of one or two orders. When this returns, the responder gives no
    /// answer any more; when it is dropped, the responder has forgotten them.
    ///
    /// # Errors
    ///
    /// Whatever kept the authority from issuing the certificate, or this side from understanding it.
    pub async fn order(
        &self,
        wish: &CertificateOrder<'_>,
        responder: &dyn ChallengeResponder,
    ) -> Result<Issued, CertificateFailure> {
        let all = [wish.names, wish.optional.names()].concat();
        match self.order_names(wish, &all, responder).await {
            Err(failure) if is_about_optional_names(&failure, wish.optional) => {
                tracing::debug!("the order is made again without the names that failed");
                let issued = self.order_names(wish, wish.names, responder).await?;
                Ok(Issued { left_out: failure.names, ..issued })
            }
            result => result,
        }
    }

    async fn order_names(
        &self,
        wish: &CertificateOrder<'_>,
        names: &[String],
        responder: &dyn ChallengeResponder,
    ) -> Result<Issued, CertificateFailure> {
        let mut presented = Presented::new(responder);
        let attempt = Attempt { account: self, wish, names };
        let ran = tokio::time::timeout(ORDER_TIME, Box::pin(attempt.run(&mut presented))).await;
        // Whoever cannot take an answer away in this time has tried; the answer is of no use to others.
        let _ = tokio::time::timeout(WITHDRAWAL_TIME, presented.withdraw()).await;
        let result = ran.unwrap_or_else(|_| {
            let words = format!("it was not finished within {} minutes", ORDER_TIME.as_secs() / 60);
            Err(CertificateFailure::new(FailureKind::TooSlow, FailureSource::Here, &words))
        });
        result.map_err(|failure| CertificateFailure {
            challenge: failure.challenge.or(Some(wish.challenge)),
            ..failure
        })
    }
}

/// Whether names failed, and none but those that may.
fn is_about_optional_names(failure: &CertificateFailure, optional: Optional<'_>) -> bool {
    let Optional::OrWithout(optional) = optional else { return false };
    let is_optional = |failed: &NameFailure| optional.contains(&failed.name);
    !failure.names.is_empty() && failure.names.iter().all(is_optional)
}

/// The identifier of a name (RFC 8555 section 9.7.7, RFC 8738 section 3).
fn identifier(name: &str) -> Identifier {
    match name.parse::<IpAddr>() {
        Ok(address) => Identifier::Ip(address),
        Err(_) => Identifier::Dns(name.to_owned()),
    }
}
