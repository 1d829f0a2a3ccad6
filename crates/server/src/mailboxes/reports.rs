//! Reports to senders of this server about recipients who did not get a message (RFC 3464): into the sender's own mailbox.

use std::io::{Read, Write};
use std::sync::Arc;

use host::{clock, entropy};
use mail_types::{Address, Domain, Flags, UnixTime};
use relay_policy::{Bounce, FailedRecipient, Load, Quota};
use store::{Announce, Spool, Store, Target};

use crate::mailboxes::quota;
use crate::push::Notifier;
use crate::runtime::counters::Counters;

/// The bytes of a message that are read for its report: more than any header section that is quoted.
pub(crate) const QUOTED_BYTES: u64 = 64 * 1024;

/// The part of a mailbox beyond its quota that reports may fill.
const SLACK_BYTES: u64 = 4 * 1024 * 1024;
const SLACK_MESSAGES: u64 = 500;

/// Writes reports.
pub(crate) struct Reports {
    store: Store,
    quota: Quota,
    /// None when push is off.
    notifier: Option<Arc<Notifier>>,
    counters: Arc<Counters>,
}

impl Reports {
    /// Into the mailboxes of this store.
    pub(crate) fn new(
        store: Store,
        quota: Quota,
        notifier: Option<Arc<Notifier>>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { store, quota, notifier, counters }
    }

    /// Whether the sender's mailbox has room for a report about so many recipients of a message of this size.
    pub(crate) fn fits(&self, sender: &Address, recipients: usize, size: u64) -> store::Result<bool> {
        let report = quota::message(Bounce::size_limit(recipients, size));
        Ok(self.quota.admits(quota::load(&self.store, sender)?, report))
    }

    /// Writes a report about recipients of a queued message, unless it has the null sender.
    pub(crate) fn write_for(
        &self,
        entry: &store::Outbound,
        failed: &[FailedRecipient],
    ) -> anyhow::Result<()> {
        let Some(sender) = &entry.draft.sender else { return Ok(()) };
        let mut original = Vec::new();
        // The report names the message by its header section; if that cannot be read, a report without it is better than
        // none.
        if let Ok(body) = self.store.outbound_body(entry.id) {
            let _ = body.take(QUOTED_BYTES).read_to_end(&mut original);
        }
        self.write(sender, failed, &original)
    }

    /// Whether the sender's mailbox, full or not, may have one more report: it was promised a delivery, and others may have
    /// filled the mailbox since.
    fn is_bearable(&self, sender: &Address) -> store::Result<bool> {
        let load = quota::load(&self.store, sender)?;
        let beyond = Load {
            bytes: load.bytes.saturating_sub(SLACK_BYTES),
            messages: load.messages.saturating_sub(SLACK_MESSAGES),
        };
        Ok(self.quota.admits(beyond, Load::message(0)))
    }

    /// Writes a report into the sender's mailbox; `original` begins with the message's header section. A sender who is
    /// gone, or whose mailbox is full far beyond its quota, gets none.
    pub(crate) fn write(
        &self,
        sender: &Address,
        failed: &[FailedRecipient],
        original: &[u8],
    ) -> anyhow::Result<()> {
        if self.store.account(sender)?.is_none() || !self.is_bearable(sender)? {
            tracing::debug!("a report has no mailbox to go to");
            return Ok(());
        }
        let now = clock::wall();
        let spool = spooled(&self.store, sender.domain(), (sender, failed, original), now)?;
        // A report is from the server, not from the sender.
        let announce = if self.notifier.is_some() { Announce::ToDevices } else { Announce::ToNobody };
        let mailbox = self.store.inbox(sender)?;
        let target = Target { mailbox, flags: Flags::default(), internal_date: now, arrived: now, announce };
        self.store.deliver(spool, &[target])?;
        self.counters.bounces.count();
        self.counters.messages_delivered.count();
        if let Some(notifier) = &self.notifier {
            notifier.message(sender);
        }
        Ok(())
    }
}

/// A report of this domain, ready for a mailbox or the queue: to whom, about whom, and the beginning of the message that
/// it is about, with its header section.
pub(super) fn spooled(
    store: &Store,
    domain: &Domain,
    (to, failed, original): (&Address, &[FailedRecipient], &[u8]),
    now: UnixTime,
) -> anyhow::Result<Spool> {
    let report = Bounce { domain, to, failed, original, now, random: entropy::bytes()? }.write();
    let mut spool = store.spool(report.len() as u64);
    spool.write_all(&report)?;
    Ok(spool)
}
