//! Runs expiry a few times a day.

use std::sync::Arc;
use std::time::Duration;

use host::clock;
use relay_policy::{ExpiryRules, Quota};
use store::Store;

use crate::accounts::pairing::PairingHandle;
use crate::mailboxes::expiry::{Removed, sweep};
use crate::runtime::blocking;
use crate::runtime::counters::Counters;

/// From the start to the first run, so that the start has the disk for itself.
const FIRST_RUN_AFTER: Duration = Duration::from_secs(5 * 60);
/// From one run to the next: days are what counts, so a few runs a day are exact enough.
const INTERVAL: Duration = Duration::from_secs(6 * 60 * 60);

/// The task and its means.
pub(crate) struct ExpiryTask {
    pub(crate) store: Store,
    pub(crate) rules: ExpiryRules,
    pub(crate) quota: Quota,
    pub(crate) counters: Arc<Counters>,
    pub(crate) pairing: PairingHandle,
}

impl ExpiryTask {
    /// Runs until it is cancelled. A run that has begun goes on, on its own thread and with its own hold on the store.
    pub(crate) async fn run(self) {
        tokio::time::sleep(FIRST_RUN_AFTER).await;
        loop {
            self.run_once().await;
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn run_once(&self) {
        let (store, rules, quota) = (self.store.clone(), self.rules.clone(), self.quota);
        let removed = match blocking::run(move || sweep(&store, &rules, quota, clock::wall())).await {
            Ok(Ok(removed)) => removed,
            Ok(Err(error)) => {
                return tracing::error!(%error, "old messages and accounts could not be removed");
            }
            Err(error) => return tracing::error!(%error, "old messages and accounts could not be removed"),
        };
        if removed == Removed::default() {
            return;
        }
        let Removed { messages, accounts } = removed;
        self.counters.messages_expired.add(messages as u64);
        self.counters.accounts_expired.add(accounts as u64);
        tracing::info!(messages, accounts, "old messages and accounts were removed");
        if let Ok(left) = self.store.accounts() {
            self.pairing.accounts(left.len()).await;
        }
    }
}
