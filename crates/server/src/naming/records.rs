//! The task that keeps the domain's records at their provider as they should be.

use std::sync::Arc;
use std::time::{Duration, Instant};

use acme::BoxFuture;
use dns_update::{RecordSets, Step};
use host::clock;
use relay_policy::reachability::{DomainFacts, domain_records};
use tokio::sync::{Notify, watch};

use super::addresses::PublicAddresses;
use super::certificate::CertificateState;
use super::updater::{RecordsState, Updater};

/// The longest sleep: keys are rotated, and the policy's ID changes, without a word.
const LOOK: Duration = Duration::from_secs(600);
/// The state without an address.
const UNKNOWN: &str = "This home's public address is not known yet, so the records wait for it. If that lasts, the router may \
                       not tell it: look at what is said about the router.";
/// The time after which an address that is not known any more is withdrawn.
const MISSING: Duration = Duration::from_secs(120);

/// Gathers the facts that the records are made from.
pub(crate) type Facts = Box<dyn Fn() -> BoxFuture<'static, anyhow::Result<DomainFacts>> + Send + Sync>;

/// The task.
pub(crate) struct RecordsTask {
    pub(crate) updater: Arc<Updater>,
    pub(crate) addresses: watch::Receiver<PublicAddresses>,
    pub(crate) certificate: watch::Receiver<CertificateState>,
    pub(crate) state: watch::Sender<RecordsState>,
    /// Wakes the certificate's task when the records have changed.
    pub(crate) published: Arc<Notify>,
    /// The time since which an address is missing that is published.
    pub(crate) missing_since: Option<Instant>,
}

impl RecordsTask {
    /// Runs until it is cancelled.
    pub(crate) async fn run(mut self, facts: Facts) {
        loop {
            let wait = self.update(&facts).await;
            tokio::select! {
                () = tokio::time::sleep(wait.min(LOOK)) => {}
                Ok(()) = self.addresses.changed() => self.updater.network_changed().await,
                Ok(()) = self.certificate.changed() => {}
            }
        }
    }

    /// One look at what is wanted; returns the time until the next.
    async fn update(&mut self, facts: &Facts) -> Duration {
        let addresses = *self.addresses.borrow_and_update();
        self.certificate.mark_unchanged();
        let facts = match facts().await {
            Ok(facts) => facts,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the records to publish are not known");
                return LOOK;
            }
        };
        if addresses.list().is_empty() {
            // Without an address the name would lead nowhere; what is published stays until there is one.
            self.tell(RecordsState { news: vec![UNKNOWN.to_owned()], ..RecordsState::default() });
            return LOOK;
        }
        let (wanted, odd) = RecordSets::of(&domain_records(&facts));
        if odd > 0 {
            tracing::error!(odd, "some records cannot be sent to the DNS provider");
        }
        if let Some(wait) = self.patience(&wanted).await {
            return wait;
        }
        let step = self.updater.update(&wanted).await;
        self.tell(self.updater.state(&step).await);
        let until = match step {
            Step::Send(_) => return Duration::ZERO,
            Step::Wait(until) => Some(until),
            Step::Idle(until) => until,
            Step::Stopped => None,
        };
        until.map_or(LOOK, |until| Duration::from_secs(until.0.saturating_sub(clock::wall().0)))
    }

    /// The time for which an address that is published, but not known now, is waited for: after a start the router, the
    /// provider and the service outside need some moments to tell it.
    async fn patience(&mut self, wanted: &RecordSets) -> Option<Duration> {
        if !self.updater.would_withdraw_address(wanted).await {
            self.missing_since = None;
            return None;
        }
        let now = clock::now();
        let since = *self.missing_since.get_or_insert(now);
        MISSING.checked_sub(now.saturating_duration_since(since)).filter(|wait| !wait.is_zero())
    }

    fn tell(&self, state: RecordsState) {
        let is_new_publication = state.is_published && !self.state.borrow().is_published;
        self.state.send_if_modified(|known| std::mem::replace(known, state.clone()) != state);
        if is_new_publication {
            self.published.notify_one();
        }
    }
}
