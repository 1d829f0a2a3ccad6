//! The steps of an order, one after the other.

use std::time::Duration;

use instant_acme::{
    AuthorizationStatus, ChallengeHandle, ChallengeStatus, ChallengeType, Error, NewOrder, Order, OrderStatus,
};
use relay_policy::certificate::{
    CertificateFailure, ChallengeKind, ChallengeToken, FailureKind, FailureSource, NameFailure,
};
use tls::IssuedCertificate;

use super::{CertificateOrder, Issued, identifier};
use crate::account::{Account, certificate_identifier};
use crate::challenge::{Challenge, Presented};
use crate::failure::{misunderstood, of_account_request, of_challenge, of_problem, of_request};

/// The first pause between two looks at an order; later ones are longer.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause, whatever the authority asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The most authorizations of an order: one for each of its names.
const AUTHORIZATIONS_LIMIT: usize = 16;

/// One order for these names.
pub(super) struct Attempt<'a> {
    pub(super) account: &'a Account,
    pub(super) wish: &'a CertificateOrder<'a>,
    pub(super) names: &'a [String],
}

impl Attempt<'_> {
    pub(super) async fn run(&self, presented: &mut Presented<'_>) -> Result<Issued, CertificateFailure> {
        let request = self.wish.key.request(self.names);
        let request = request.map_err(|error| not_prepared(&format!("{error:#}")))?;
        let mut order = self.begin().await?;
        if order.state().authorizations.len() > AUTHORIZATIONS_LIMIT {
            return Err(misunderstood("the order has too many authorizations"));
        }
        if order.state().status == OrderStatus::Pending {
            patiently!(fetch_authorizations(&mut order)).map_err(|error| self.failed(&error))?;
            self.present(&mut order, presented).await?;
            self.set_ready(&mut order).await?;
            self.wait_for(&mut order, |status| status != OrderStatus::Pending).await?;
        }
        if order.state().status == OrderStatus::Ready {
            patiently!(order.finalize_csr(&request)).map_err(|error| self.failed(&error))?;
        }
        self.wait_for(&mut order, |status| status == OrderStatus::Valid).await?;
        let pem = patiently!(order.certificate()).map_err(|error| self.failed(&error))?;
        self.accept(pem.ok_or_else(|| misunderstood("there is no certificate in the order"))?)
    }

    /// Makes the order. One that is to replace a certificate is made without saying so if the authority does not like
    /// that: it gives no such advice any more, for example, or the certificate is replaced already (RFC 9773 section 5).
    async fn begin(&self) -> Result<Order, CertificateFailure> {
        let identifiers: Vec<_> = self.names.iter().map(|name| identifier(name)).collect();
        let profile = self.wish.profile.filter(|profile| self.account.offers_profile(profile));
        let new = || {
            let new = NewOrder::new(&identifiers);
            match profile {
                Some(profile) => new.profile(profile),
                None => new,
            }
        };
        if let Some(replaced) = self.wish.replaces.and_then(certificate_identifier) {
            let replacing = new().replaces(replaced);
            match patiently!(self.account.inner.new_order(&replacing)) {
                Err(error) if is_about_replacing(&error) => {
                    tracing::debug!(%error, "the order is made again without the certificate that it replaces");
                }
                result => return result.map_err(|error| self.account_failed(&error)),
            }
        }
        let new = new();
        patiently!(self.account.inner.new_order(&new)).map_err(|error| self.account_failed(&error))
    }

    /// Gives the answers to the challenges of all names whose control is not proven yet.
    async fn present(
        &self,
        order: &mut Order,
        presented: &mut Presented<'_>,
    ) -> Result<(), CertificateFailure> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(|error| self.failed(&error))?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let name = authorization.identifier().to_string();
            // Nothing is proven for names that were not asked for.
            if !self.names.contains(&name) {
                return Err(misunderstood("the order has an authorization for another name"));
            }
            let Some(handle) = authorization.challenge(kind_of(self.wish.challenge)) else {
                return Err(not_offered(name));
            };
            let challenge = answer(self.wish.challenge, name, &handle)?;
            let given = presented.present(challenge).await;
            given.map_err(|error| not_prepared(&format!("{error:#}")))?;
        }
        Ok(())
    }

    /// Tells the authority that the answers are there.
    async fn set_ready(&self, order: &mut Order) -> Result<(), CertificateFailure> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(|error| self.failed(&error))?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let name = authorization.identifier().to_string();
            let handle = authorization.challenge(kind_of(self.wish.challenge));
            // One that an earlier order has begun needs no second beginning.
            let Some(mut handle) = handle.filter(|handle| handle.status == ChallengeStatus::Pending) else {
                continue;
            };
            match patiently!(handle.set_ready()) {
                // The library gives the error of a challenge that failed at once as one of the request, which succeeded.
                Err(Error::Api(problem)) if self.account.transport.heard().status < Some(300) => {
                    return Err(CertificateFailure::of_names(vec![of_challenge(&name, Some(&problem))]));
                }
                result => result.map_err(|error| self.failed(&error))?,
            }
        }
        Ok(())
    }

    /// Looks at the order until its status is right; a failed one is explained.
    async fn wait_for(
        &self,
        order: &mut Order,
        is_right: impl Fn(OrderStatus) -> bool,
    ) -> Result<(), CertificateFailure> {
        let mut pause = FIRST_PAUSE;
        loop {
            match order.state().status {
                OrderStatus::Invalid => return Err(self.explain(order).await),
                status if is_right(status) => return Ok(()),
                _ => {}
            }
            tokio::time::sleep(pause).await;
            patiently!(look_at(order)).map_err(|error| self.failed(&error))?;
            let wanted = self.account.transport.heard().retry_after.map(Duration::from_secs);
            pause = wanted.unwrap_or(pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        }
    }

    /// The reason of an invalid order: it stands in the challenges of its authorizations, not in the order.
    async fn explain(&self, order: &mut Order) -> CertificateFailure {
        let mut names = Vec::new();
        // The last look at the order has forgotten them. One that cannot be looked at explains nothing; the others may.
        let _ = patiently!(fetch_authorizations(order));
        let mut authorizations = order.authorizations();
        while let Some(looked_at) = authorizations.next().await {
            let Ok(authorization) = looked_at else { continue };
            if authorization.status == AuthorizationStatus::Invalid {
                let name = authorization.identifier().to_string();
                let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
                names.push(of_challenge(&name, problem));
            }
        }
        // The authority has its own order; the failure is that of the name without which there is no certificate.
        names.sort_by_key(|failed: &NameFailure| self.names.iter().position(|name| *name == failed.name));
        match &order.state().error {
            _ if !names.is_empty() => CertificateFailure::of_names(names),
            Some(problem) => of_problem(problem),
            None => misunderstood("it calls the order invalid, and gives no reason"),
        }
    }

    /// The certificate, if it is the one that was asked for.
    fn accept(&self, pem: String) -> Result<Issued, CertificateFailure> {
        let certificate = IssuedCertificate::from_pem(&pem);
        let certificate = certificate.map_err(|error| misunderstood(&format!("{error:#}")))?;
        if !certificate.is_of(self.wish.key) {
            return Err(misunderstood("the certificate is of another key"));
        }
        if let Some(missing) = self.names.iter().find(|name| !certificate.names().contains(name)) {
            return Err(misunderstood(&format!("the certificate is not for {missing}")));
        }
        Ok(Issued { certificate, pem, left_out: Vec::new() })
    }

    fn failed(&self, error: &Error) -> CertificateFailure {
        of_request(error, self.account.transport.heard())
    }

    fn account_failed(&self, error: &Error) -> CertificateFailure {
        of_account_request(error, self.account.transport.heard())
    }
}

async fn fetch_authorizations(order: &mut Order) -> Result<(), Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        authorization?;
    }
    Ok(())
}

async fn look_at(order: &mut Order) -> Result<(), Error> {
    order.refresh().await.map(drop)
}

fn is_about_replacing(error: &Error) -> bool {
    match error {
        Error::Unsupported(_) | Error::Other(_) => true,
        Error::Api(problem) => problem.r#type.as_deref().is_some_and(|kind| {
            ["alreadyReplaced", "malformed", "conflict"].iter().any(|known| kind.ends_with(known))
        }),
        _ => false,
    }
}

fn kind_of(challenge: ChallengeKind) -> ChallengeType {
    match challenge {
        ChallengeKind::TlsAlpn01 => ChallengeType::TlsAlpn01,
        ChallengeKind::Http01 => ChallengeType::Http01,
        ChallengeKind::Dns01 => ChallengeType::Dns01,
    }
}

/// The answer to a challenge.
fn answer(
    kind: ChallengeKind,
    name: String,
    handle: &ChallengeHandle<'_>,
) -> Result<Challenge, CertificateFailure> {
    let token = ChallengeToken::try_from(handle.token.as_str());
    let token = token.map_err(|error| misunderstood(&error.to_string()))?;
    let authorization = handle.key_authorization();
    Ok(match kind {
        ChallengeKind::TlsAlpn01 => {
            let digest = <[u8; 32]>::try_from(authorization.digest().as_ref());
            let digest = digest.map_err(|_| not_prepared("the digest of a challenge has a wrong length"))?;
            Challenge::TlsAlpn01 { name, digest }
        }
        ChallengeKind::Http01 => {
            Challenge::Http01 { name, token, key_authorization: authorization.as_str().to_owned() }
        }
        ChallengeKind::Dns01 => {
            let record = format!("_acme-challenge.{name}");
            Challenge::Dns01 { name, record, value: authorization.dns_value() }
        }
    })
}

fn not_offered(name: String) -> CertificateFailure {
    let words = "it does not offer this way to prove the control of the name".to_owned();
    let names = vec![NameFailure { name, kind: FailureKind::NotOffered, words }];
    CertificateFailure { source: FailureSource::Here, ..CertificateFailure::of_names(names) }
}

fn not_prepared(words: &str) -> CertificateFailure {
    CertificateFailure::new(FailureKind::NotPrepared, FailureSource::Here, words)
}
