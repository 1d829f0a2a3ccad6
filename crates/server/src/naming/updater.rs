//! Updates of the domain's records at their provider: one at a time, within the provider's limits, which are kept over
//! restarts.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use dns::{RecordKind, Resolver};
use dns_update::{
    Capabilities, DnsProvider, Permission, ProviderSettings, Purpose, RecordName, RecordSets, ScheduleState,
    Step, UpdateSchedule,
};
use host::{clock, entropy};
use https_client::HttpsClient;
use mail_types::UnixTime;
use relay_policy::reachability::Seen;
use store::Store;
use tokio::sync::Mutex;

use super::kept::{read_json, write_json};
use crate::federation::zone::Zone;
use crate::runtime::blocking;

/// The store's setting that holds the schedule's state.
const SCHEDULE_SETTING: &str = "dns-update.schedule";
/// From one look for a published text to the next, and the longest time for it to be at all name servers.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
const PROPAGATION_LIMIT: Duration = Duration::from_secs(180);
/// The longest wait for the provider's limits to let a challenge's text through.
const PERMISSION_LIMIT: u64 = 90;

/// The advice about a provider that has no place for other records.
const ADDRESSES_ONLY: &str = "It takes addresses only. If it lets you write other records on its pages, add those that \
                              `hearth dns` lists; people can chat without them, but many mail servers refuse mail.";

/// The provider and its limits.
pub(crate) struct Updater {
    provider: DnsProvider,
    schedule: Mutex<UpdateSchedule>,
    store: Store,
    resolver: Resolver,
    /// The port of name servers.
    port: u16,
}

/// The state of the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordsState {
    /// The sentences about them.
    pub(crate) news: Vec<String>,
    /// Whether a person has to do something.
    pub(crate) is_trouble: bool,
    /// Whether all is published.
    pub(crate) is_published: bool,
}

impl Updater {
    /// The updater of this provider. Nothing is asked yet.
    pub(crate) fn new(
        settings: ProviderSettings,
        client: HttpsClient,
        store: Store,
        (resolver, port): (Resolver, u16),
    ) -> Self {
        let state: ScheduleState = read_json(&store, SCHEDULE_SETTING).unwrap_or_default();
        let schedule = UpdateSchedule::new(settings.limits(), settings.fingerprint(), state);
        let schedule = Mutex::new(schedule);
        Self { provider: DnsProvider::new(settings, client), schedule, store, resolver, port }
    }

    /// Whether texts can be published for an authority.
    pub(crate) fn proves_names(&self) -> bool {
        self.provider.settings().capabilities() != Capabilities::Addresses
    }

    /// The network has come back, or has another address.
    pub(crate) async fn network_changed(&self) {
        self.schedule.lock().await.network_changed(clock::wall());
    }

    /// Whether these sets lack an address of a family that is published.
    pub(crate) async fn would_withdraw_address(&self, wanted: &RecordSets) -> bool {
        let schedule = self.schedule.lock().await;
        let name = self.provider.settings().name();
        let has = |sets: &RecordSets, kind| sets.get(name, kind).is_some_and(|set| !set.data.is_empty());
        let kinds = [dns_update::RecordKind::A, dns_update::RecordKind::Aaaa];
        kinds.into_iter().any(|kind| has(schedule.published(), kind) && !has(wanted, kind))
    }

    /// Sends what differs from what is published, if it may be sent now; returns the next step.
    pub(crate) async fn update(&self, wanted: &RecordSets) -> Step {
        let wanted = self.provider.settings().supported(wanted);
        let mut schedule = self.schedule.lock().await;
        let now = clock::wall();
        let step = schedule.next(now, &wanted);
        let Step::Send(changes) = step else { return step };
        schedule.begin(now);
        self.keep(&schedule).await;
        let result = self.provider.apply(&changes, now).await;
        match &result {
            Ok(_) => tracing::info!(sets = changes.sets().len(), "the DNS provider took the records"),
            Err(error) => {
                // Its words may have the name and the addresses in them; the status has them for the owner.
                tracing::warn!(remedy = ?error.remedy(), "the DNS provider did not take the records");
                tracing::debug!(%error, "the DNS provider's words");
            }
        }
        let now = clock::wall();
        schedule.settle(now, chance(), &changes, &result);
        self.keep(&schedule).await;
        schedule.next(now, &wanted)
    }

    /// The state of the records after a step.
    pub(crate) async fn state(&self, step: &Step) -> RecordsState {
        let schedule = self.schedule.lock().await;
        let mut news: Vec<String> = schedule.error().map(str::to_owned).into_iter().collect();
        for refused in schedule.refused() {
            news.push(format!("{} {}: {}", refused.set.name, refused.set.kind, refused.reason));
        }
        let is_published = matches!(step, Step::Idle(_));
        match step {
            Step::Idle(_) => {
                news.push(match schedule.published().iter().count() {
                    1 => "The DNS provider has the record that this server writes.".to_owned(),
                    sets => format!("The DNS provider has the {sets} record sets that this server writes."),
                });
                if !self.proves_names() {
                    news.push(ADDRESSES_ONLY.to_owned());
                }
            }
            Step::Send(_) => {}
            Step::Wait(until) => {
                let minutes = until.0.saturating_sub(clock::wall().0).div_ceil(60);
                let unit = if minutes == 1 { "minute" } else { "minutes" };
                news.push(format!("The server tries again by itself in {minutes} {unit}."));
            }
            Step::Stopped => news.push("Nothing more is sent to it until you enter the name and the secret again (`hearth name set`, or hearth.toml on \
                 the card).".to_owned()),
        }
        RecordsState { news, is_trouble: schedule.error().is_some(), is_published }
    }

    /// Publishes this text under this name, for an authority; it ends when all name servers of the zone have it.
    pub(crate) async fn publish(&self, record: &str, value: &str) -> anyhow::Result<()> {
        self.set_texts(record, &[value]).await?;
        self.wait_for(record, value).await
    }

    /// Removes all texts under this name.
    pub(crate) async fn remove(&self, record: &str) {
        if let Err(error) = self.set_texts(record, &[]).await {
            // It proves nothing any more.
            tracing::debug!(error = format!("{error:#}"), "the text for the authority is left behind");
        }
    }

    /// The same, as soon as there is time for it.
    pub(crate) fn remove_later(self: &Arc<Self>, record: &str) {
        let (this, record) = (Arc::clone(self), record.to_owned());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { this.remove(&record).await });
        }
    }

    /// Sets the texts of a challenge, none to remove them.
    async fn set_texts(&self, record: &str, values: &[&str]) -> anyhow::Result<()> {
        let name: RecordName = record.parse().with_context(|| format!("publishing {record}"))?;
        let mut schedule = self.permitted(record).await?;
        let now = clock::wall();
        schedule.begin(now);
        self.keep(&schedule).await;
        let result = self.provider.set_challenge(&name, values, now).await;
        schedule.settle_challenge(clock::wall(), chance(), &result);
        self.keep(&schedule).await;
        Ok(result?)
    }

    /// The schedule, once it lets an update for a challenge through.
    async fn permitted(&self, record: &str) -> anyhow::Result<tokio::sync::MutexGuard<'_, UpdateSchedule>> {
        loop {
            let mut schedule = self.schedule.lock().await;
            let now = clock::wall();
            match schedule.permission(now, Purpose::Challenge) {
                Permission::Now => return Ok(schedule),
                Permission::At(time) if time.0.saturating_sub(now.0) <= PERMISSION_LIMIT => {
                    drop(schedule);
                    tokio::time::sleep(Duration::from_secs(time.0 - now.0)).await;
                }
                Permission::At(UnixTime(time)) => anyhow::bail!(
                    "the DNS provider's limits forbid to publish {record} for {} seconds",
                    time.saturating_sub(now.0)
                ),
                Permission::Never => {
                    let reason = schedule.error().unwrap_or("its settings are wrong");
                    anyhow::bail!("the DNS provider is not asked to publish {record}: {reason}")
                }
            }
        }
    }

    /// Keeps the schedule's state. Without it a box that restarts again and again could exceed the limits.
    async fn keep(&self, schedule: &UpdateSchedule) {
        let (store, state) = (self.store.clone(), schedule.state().clone());
        let kept = blocking::run(move || write_json(&store, SCHEDULE_SETTING, &state));
        if let Err(error) = kept.await.map_err(anyhow::Error::from).flatten() {
            tracing::error!(error = format!("{error:#}"), "the updates of the records cannot be noted");
        }
    }

    /// Waits until all name servers of the zone have the text.
    async fn wait_for(&self, record: &str, value: &str) -> anyhow::Result<()> {
        let looked = tokio::time::timeout(PROPAGATION_LIMIT, async {
            loop {
                // Found anew each time: the servers' resolvers keep what they heard.
                if let Ok(zone) =
                    Zone::find(&self.resolver, self.provider.settings().name().as_str(), self.port).await
                    && let Seen::Records(texts) = zone.records(record, RecordKind::Txt).await
                    && texts.iter().any(|text| text == value)
                {
                    return;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        });
        looked.await.with_context(|| {
            format!(
                "{record} was published, but not all name servers have it after {} s",
                PROPAGATION_LIMIT.as_secs()
            )
        })
    }
}

fn chance() -> u32 {
    entropy::bytes().map(u32::from_ne_bytes).unwrap_or_default()
}
