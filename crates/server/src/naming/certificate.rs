//! The task that gets a certificate for the mail domain, and renews it. When it asks is decided in
//! `relay_policy::certificate`; what it asks is the crate `acme`'s.

use std::sync::Arc;
use std::time::Duration;

use acme::{Account, Authority, CertificateOrder, Issued, Optional};
use host::{clock, entropy};
use mail_types::{Domain, UnixTime};
use relay_policy::certificate::{
    AttemptReason, CertificateFailure, CertificateHistory, ChallengeKind, FailureKind, FailureSource,
    HeldCertificate, NextAttempt, Subject, news,
};
use tls::{IssuedCertificate, TlsSettings};
use tokio::sync::{Notify, watch};

use super::challenges::Responder;
use super::kept::KeptCertificate;
use super::updater::RecordsState;
use crate::runtime::blocking;
use crate::runtime::true_clock::TrueClock;

/// The longest sleep: the calendar may be corrected meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// From one look at the calendar to the next, while it is not known to be right.
const CLOCK_CHECK: Duration = Duration::from_secs(5);
/// The longest wait for the first publication of the records.
const RECORDS_LIMIT: Duration = Duration::from_secs(120);
/// The time by which an authority's clock may be ahead, in seconds.
const CLOCK_SKEW: u64 = 3600;
/// The time in which changes count as one: a router forwards one port after the other.
const SETTLING: Duration = Duration::from_secs(3);
/// The failures in a row from which on they are told.
const FAILURES_TOLD: u32 = 2;
/// The profile of certificates for addresses, which most authorities issue for some days only.
const ADDRESS_PROFILE: &str = "shortlived";

/// The task.
pub(crate) struct CertificateTask {
    pub(crate) authority: Authority,
    pub(crate) contact: Option<String>,
    pub(crate) domain: Domain,
    pub(crate) kept: KeptCertificate,
    pub(crate) tls: TlsSettings,
    pub(crate) responder: Responder,
    pub(crate) clock: TrueClock,
    pub(crate) state: watch::Sender<CertificateState>,
    /// The records, if the provider lets this server write them.
    pub(crate) records: Option<watch::Receiver<RecordsState>>,
    /// Something has changed that may let an attempt succeed.
    pub(crate) hurry: Arc<Notify>,
}

/// The state of the certificate, as others see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CertificateState {
    /// The news, one sentence each.
    pub(crate) news: Vec<String>,
    /// Whether a person should know of them.
    pub(crate) is_trouble: bool,
    /// The URL of the account at the authority.
    pub(crate) account: Option<String>,
}

impl CertificateTask {
    /// Runs until it is cancelled.
    pub(crate) async fn run(mut self) {
        let mut history = self.kept.history();
        if self.kept.certificate().is_none() {
            let now = clock::wall();
            self.tell(now, &history, None, history.next(now, self.clock.trust(), None));
            self.wait_for_records().await;
        }
        loop {
            let now = clock::wall();
            let held = self.kept.certificate().map(|(certificate, _)| certificate);
            let next = history.next(now, self.clock.trust(), held.as_ref().map(|held| self.held(held)));
            self.tell(now, &history, held.as_ref(), next);
            match next {
                NextAttempt::WhenClockIsKnown => self.wait(CLOCK_CHECK, &mut history, held.as_ref()).await,
                NextAttempt::At(time, reason) if time <= now => {
                    self.attempt(&mut history, held.as_ref(), reason).await;
                }
                NextAttempt::At(..) if held.is_some() && history.wants_advice(now) => {
                    self.ask_advice(&mut history, held.as_ref()).await;
                }
                NextAttempt::At(time, _) => {
                    let wait = Duration::from_secs(time.0 - now.0).min(LONGEST_WAIT);
                    self.wait(wait, &mut history, held.as_ref()).await;
                }
            }
        }
    }

    /// Waits until the name leads here, so that the first attempt is not one in vain.
    async fn wait_for_records(&mut self) {
        let Some(records) = &mut self.records else { return };
        let published = records.wait_for(|state| state.is_published);
        if tokio::time::timeout(RECORDS_LIMIT, published).await.is_err() {
            tracing::info!("the records are not published yet; a certificate is asked for all the same");
        }
    }

    async fn wait(&self, time: Duration, history: &mut CertificateHistory, held: Option<&IssuedCertificate>) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.hurry.notified() => {
                tokio::time::sleep(SETTLING).await;
                // Ports that open one after the other are no reason to ask anew for a name that is missing.
                if held.is_none() || history.last_failure().is_some() {
                    history.hurry();
                }
            }
        }
    }

    /// One attempt, from the record of its beginning to the certificate in use.
    async fn attempt(
        &self,
        history: &mut CertificateHistory,
        held: Option<&IssuedCertificate>,
        reason: AttemptReason,
    ) {
        // What has changed until now is in this attempt.
        tokio::select! { biased; () = self.hurry.notified() => {} () = std::future::ready(()) => {} }
        // Kept before the first request: a box that is switched off in each attempt stays within the authority's limits.
        history.begin(clock::wall());
        self.keep(history).await;
        tracing::info!(?reason, "asking for a certificate");
        let ordered = self.order(history, held, reason).await;
        let now = clock::wall();
        match ordered {
            Ok((issued, challenge)) => {
                let chance = entropy::bytes().map(u16::from_ne_bytes).unwrap_or_default();
                history.succeeded(now, challenge, issued.left_out, chance);
                tracing::info!("a certificate was issued and is in use");
            }
            Err(failure) => {
                tracing::warn!(kind = ?failure.kind, "no certificate was issued");
                if failure.kind == FailureKind::AccountRefused {
                    self.forget_account().await;
                }
                let [chance] = entropy::bytes().unwrap_or_default();
                history.failed(now, failure, chance);
            }
        }
        self.keep(history).await;
    }

    async fn order(
        &self,
        history: &CertificateHistory,
        held: Option<&IssuedCertificate>,
        reason: AttemptReason,
    ) -> Result<(Issued, ChallengeKind), CertificateFailure> {
        let names = self.names();
        let challenge = history.choose(&self.responder.available(), names.subject);
        let challenge = challenge.ok_or_else(|| {
            not_prepared("neither port 443 nor port 80 is listened on, and no provider writes the records")
        })?;
        let account = self.account().await?;
        let key = self.blocking(KeptCertificate::key).await?;
        let replaces = held.and_then(IssuedCertificate::renewal_identifier);
        let optional = match reason {
            AttemptReason::MissingNames => Optional::Needed(&names.optional),
            AttemptReason::First | AttemptReason::Renewal => Optional::OrWithout(&names.optional),
        };
        let wish = CertificateOrder {
            names: &names.needed,
            optional,
            key: &key,
            challenge,
            profile: (names.subject == Subject::Address).then_some(ADDRESS_PROFILE),
            replaces: replaces.as_deref().filter(|_| reason == AttemptReason::Renewal),
        };
        let issued = account.order(&wish, &self.responder).await?;
        check_dates(&issued.certificate, clock::wall())?;
        // Tried before it is kept: one that cannot be served must not take the place of one that can. A power cut between
        // the two costs another order; clients know the key, not the certificate.
        let used = self.tls.serve_issued(&issued.certificate, &key);
        used.map_err(|error| unusable(&format!("{error:#}")))?;
        let pem = issued.pem.clone();
        self.blocking(move |kept| kept.put_chain(&pem)).await?;
        Ok((issued, challenge))
    }

    /// The account at the authority, made with the first order.
    async fn account(&self) -> Result<Account, CertificateFailure> {
        let kept = self.kept.account();
        let (account, new) = self.authority.account(kept.as_ref(), self.contact.as_deref()).await?;
        if new.is_some() {
            self.blocking(move |kept| kept.put_account(new)).await?;
        }
        self.state.send_if_modified(|state| {
            let url = Some(account.url().to_owned());
            let is_new = state.account != url;
            state.account = url;
            is_new
        });
        Ok(account)
    }

    async fn forget_account(&self) {
        if let Err(failure) = self.blocking(|kept| kept.put_account(None)).await {
            tracing::error!(error = failure.words, "the account at the authority cannot be forgotten");
        }
    }

    /// Asks the authority when to renew (RFC 9773).
    async fn ask_advice(&self, history: &mut CertificateHistory, held: Option<&IssuedCertificate>) {
        let advice = match (self.account().await, held.and_then(IssuedCertificate::renewal_identifier)) {
            (Ok(account), Some(identifier)) => account.renewal_advice(&identifier).await,
            (Err(failure), _) => Err(failure),
            (Ok(_), None) => Ok(None),
        };
        let now = clock::wall();
        match advice {
            Ok(Some(advice)) => {
                let chance = entropy::bytes().map(u64::from_ne_bytes).unwrap_or_default();
                history.advised(now, advice.start, advice.end, advice.ask_again_after, chance);
            }
            Ok(None) => history.not_advised(now),
            Err(failure) => {
                tracing::debug!(kind = ?failure.kind, "the authority gives no advice on the renewal");
                history.not_advised(now);
            }
        }
        self.keep(history).await;
    }

    async fn keep(&self, history: &CertificateHistory) {
        let history = history.clone();
        if let Err(failure) = self.blocking(move |kept| kept.put_history(&history)).await {
            tracing::error!(error = failure.words, "the attempts at a certificate cannot be kept");
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&KeptCertificate) -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, CertificateFailure> {
        let kept = self.kept.clone();
        let done = blocking::run(move || work(&kept)).await.map_err(anyhow::Error::from).flatten();
        done.map_err(|error| not_prepared(&format!("{error:#}")))
    }

    fn names(&self) -> Names {
        Names::of(&self.domain)
    }

    fn held(&self, certificate: &IssuedCertificate) -> HeldCertificate {
        let has = |name: &String| certificate.names().contains(name);
        HeldCertificate {
            begins: certificate.begins(),
            expires: certificate.expires(),
            is_complete: self.names().optional.iter().all(has),
        }
    }

    fn tell(
        &self,
        now: UnixTime,
        history: &CertificateHistory,
        held: Option<&IssuedCertificate>,
        next: NextAttempt,
    ) {
        let facts = held.map(|held| (self.held(held), held.issuer()));
        let news = news(now, facts, history, next).iter().map(ToString::to_string).collect();
        let is_trouble = is_trouble(now, history, facts.map(|(held, _)| held));
        self.state.send_if_modified(|state| {
            let is_new = (&state.news, state.is_trouble) != (&news, is_trouble);
            (state.news, state.is_trouble) = (news, is_trouble);
            is_new
        });
    }
}

/// The names of the certificate.
struct Names {
    subject: Subject,
    needed: Vec<String>,
    optional: Vec<String>,
}

impl Names {
    fn of(domain: &Domain) -> Self {
        let address =
            |address: String| Self { subject: Subject::Address, needed: vec![address], optional: Vec::new() };
        match domain {
            // The host of the MTA-STS policy (RFC 8461 section 3.3).
            Domain::Name(name) => Self {
                subject: Subject::Domain,
                needed: vec![name.clone()],
                optional: vec![format!("mta-sts.{name}")],
            },
            Domain::Ipv4(literal) => address(literal.to_string()),
            Domain::Ipv6(literal) => address(literal.to_string()),
        }
    }
}

/// Whether a person should know of the failures: not of the first one, unless no later attempt will mend it, nor while the
/// certificate is good for long.
fn is_trouble(now: UnixTime, history: &CertificateHistory, held: Option<HeldCertificate>) -> bool {
    let is_pressing = held.is_none_or(|held| held.is_pressing(now));
    let is_told = history.failures() >= FAILURES_TOLD
        || history.last_failure().is_some_and(|(_, failure)| failure.kind.lasts_until_a_person_acts());
    is_pressing && is_told
}

/// A certificate that no client accepts now is of no use. The authority's clock may be a little ahead.
fn check_dates(certificate: &IssuedCertificate, now: UnixTime) -> Result<(), CertificateFailure> {
    if certificate.expires() <= now {
        return Err(unusable("the certificate has expired already"));
    }
    if certificate.begins().0 > now.0.saturating_add(CLOCK_SKEW) {
        return Err(unusable("the certificate is not valid yet"));
    }
    Ok(())
}

fn unusable(words: &str) -> CertificateFailure {
    CertificateFailure::new(FailureKind::Misunderstood, FailureSource::Here, words)
}

fn not_prepared(words: &str) -> CertificateFailure {
    CertificateFailure::new(FailureKind::NotPrepared, FailureSource::Here, words)
}
