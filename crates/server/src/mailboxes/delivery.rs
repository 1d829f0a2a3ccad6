//! Delivery of submitted mail: into the mailboxes of this server, all of them with one sync.
//!
//! A message that reaches nobody but its sender is refused in the reply to DATA, since an app shows that reply at the
//! message, and ignores bounces, which are clear text (chatmail/core 2.65, `force_encryption`). When some recipients are
//! reached, the others are reported to the sender in a bounce (RFC 3464). Recipients at other servers are seen to in
//! `outgoing`; mail of other servers comes in by [`Delivery::receive`].

pub(crate) mod incoming;
mod outgoing;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Config;
use host::clock;
use host::locks::Mutex;
use mail_types::{Address, Domain, Flags, UnixTime};
use relay_policy::{ExpiryRules, FailedRecipient, Quota, RateLimiter, Refusal, Route, route};
use smtp::{Reply, table};
use store::{Announce, Delivered, MailboxId, SmallBody, Spool, Store, Target};

use crate::federation::outbound::Outbound;
use crate::mailboxes::recipients::{Plan, Unreached};
use crate::mailboxes::report_pace::ReportPace;
use crate::mailboxes::reports::{QUOTED_BYTES, Reports};
use crate::mailboxes::spool_buffer::BufferedMessage;
use crate::mailboxes::trim_pace::TrimPace;
use crate::mailboxes::{expiry, quota};
use crate::push::Notifier;
use crate::runtime::blocking;
use crate::runtime::counters::Counters;

/// Sorts submitted mail, and delivers it.
pub(crate) struct Delivery {
    store: Store,
    /// The domain of new accounts, then those of old ones.
    domains: Vec<Domain>,
    quota: Quota,
    rules: ExpiryRules,
    /// None when push is off.
    notifier: Option<Arc<Notifier>>,
    counters: Arc<Counters>,
    rate: Mutex<RateLimiter>,
    reports: Arc<Reports>,
    /// None when mail goes to no other server.
    outbound: Option<Arc<Outbound>>,
    /// The pace of reports to other domains.
    report_pace: ReportPace,
    /// The accounts that stay nearly full for now.
    trim_pace: TrimPace,
}

/// The parts of the server by which mail is delivered.
pub(crate) struct Means {
    pub(crate) store: Store,
    /// None when push is off.
    pub(crate) notifier: Option<Arc<Notifier>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) reports: Arc<Reports>,
    /// None when mail goes to no other server.
    pub(crate) outbound: Option<Arc<Outbound>>,
}

/// The reason for which a message was not taken.
pub(crate) enum Failure {
    /// The message is not acceptable, or no recipient but its sender can be reached.
    Refused(Refusal),
    /// The server could not write it.
    Trouble(anyhow::Error),
}

impl Failure {
    /// The reply for the client.
    pub(crate) fn reply(&self) -> Reply {
        match self {
            Self::Refused(refusal) => refusal.reply(),
            Self::Trouble(error) => reply(error),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Trouble(error.into())
    }
}

impl Delivery {
    /// For a server of these domains.
    pub(crate) fn new(config: &Config, domains: Vec<Domain>, means: Means) -> Self {
        let Means { store, notifier, counters, reports, outbound } = means;
        let rate = RateLimiter::new(config.limits.send_rate);
        Self {
            reports,
            outbound,
            store,
            domains,
            quota: quota::of(config),
            rules: config.expiry.clone(),
            notifier,
            counters,
            rate: Mutex::new(rate),
            report_pace: ReportPace::default(),
            trim_pace: TrimPace::default(),
        }
    }

    /// The way to other servers; none when mail goes to no other server.
    pub(crate) fn outbound(&self) -> Option<&Arc<Outbound>> {
        self.outbound.as_ref()
    }

    /// The way to other servers, for this author. One at a name that the server had before has none: nobody out there
    /// could check the signature, or answer.
    fn outbound_of(&self, author: &Address) -> Option<&Arc<Outbound>> {
        self.outbound.as_ref().filter(|_| self.domains.first() == Some(author.domain()))
    }

    /// Whether any of these recipients has an account here.
    pub(crate) fn knows_any(&self, recipients: &[Address]) -> bool {
        recipients.iter().any(|recipient| match route(recipient, &self.domains) {
            Route::Local(account) => self.store.account(&account).is_ok_and(|known| known.is_some()),
            Route::Remote(_) => false,
        })
    }

    /// Mail of this domain has come, and is proven: mail for it need not wait any longer.
    pub(crate) fn heard_from(&self, domain: &Domain) {
        if let Some(outbound) = &self.outbound {
            outbound.heard_from(domain);
        }
    }

    /// Counts one message of the sender, and returns the time by which its answer is to be delayed.
    pub(crate) fn count(&self, now: Instant, sender: &Address) -> Result<Duration, Refusal> {
        self.rate.lock().check(now, sender)
    }

    /// Takes a message that passed the gate. `Ok` means: it is on disk in every mailbox, and so is the bounce for
    /// everybody else, unless the disk did not take the bounce: an error then would make the client deliver again.
    /// Nothing is kept of a message that is refused.
    pub(crate) async fn submit(
        self: &Arc<Self>,
        sender: Address,
        recipients: Vec<Address>,
        message: BufferedMessage,
    ) -> Result<(), Reply> {
        self.rate.lock().charge(clock::now(), &sender, recipients.len());
        self.submit_planned(sender, &recipients, message).await.map_err(|failure| match failure {
            Failure::Refused(refusal) => {
                self.counters.refused(&refusal);
                refusal.reply()
            }
            Failure::Trouble(error) => reply(&error),
        })
    }

    async fn submit_planned(
        self: &Arc<Self>,
        sender: Address,
        recipients: &[Address],
        message: BufferedMessage,
    ) -> Result<(), Failure> {
        let plan = self.plan(&sender, recipients, message.size())?;
        match self.outbound_of(&sender) {
            Some(outbound) if !plan.remote.is_empty() => {
                self.submit_outgoing(outbound, sender, plan, message).await
            }
            _ => match message.into_small() {
                Ok(message) => self.submit_small(sender, plan, message).await,
                Err(message) => {
                    let delivery = Arc::clone(self);
                    let work = move || delivery.deliver(&sender, plan, message.finish()?);
                    blocking::run(work).await.map_err(Failure::from).flatten()
                }
            },
        }
    }

    /// The usual message costs no trip to a thread that may block: it waits for the store's writer and nothing else.
    async fn submit_small(
        self: &Arc<Self>,
        sender: Address,
        mut plan: Plan,
        message: SmallBody,
    ) -> Result<(), Failure> {
        let head = message.bytes().to_vec();
        let delivered = self.store.start_submission(message, &plan.targets, Vec::new())?.await?.delivered;
        self.sort_out_submitted(&sender, &mut plan, delivered)?;
        if self.is_settled(&plan) {
            return Ok(());
        }
        let delivery = Arc::clone(self);
        Ok(blocking::run(move || delivery.settle(&sender, plan, &head)).await?)
    }

    fn deliver(&self, sender: &Address, mut plan: Plan, spool: Spool) -> Result<(), Failure> {
        // Read before the spool is gone, also for a mailbox that is deleted in this moment.
        let mut head = Vec::new();
        spool.reader()?.take(QUOTED_BYTES).read_to_end(&mut head)?;
        let delivered = self.store.deliver(spool, &plan.targets)?;
        self.sort_out_submitted(sender, &mut plan, delivered)?;
        self.settle(sender, plan, &head);
        Ok(())
    }

    /// Notifies the accounts that got the message, and leaves only them in the plan.
    ///
    /// # Errors
    ///
    /// A refusal, if all accounts were deleted since the plan was made, but for that of a sender who is at this server.
    fn sort_out(
        &self,
        sender: Option<&Address>,
        plan: &mut Plan,
        delivered: Vec<Delivered>,
    ) -> Result<(), Failure> {
        for (account, outcome) in std::mem::take(&mut plan.accounts).into_iter().zip(delivered) {
            match outcome {
                Delivered::Stored { .. } => {
                    self.counters.messages_delivered.count();
                    self.notify(&account);
                    plan.accounts.push(account);
                }
                Delivered::NoSuchMailbox => plan.unreached.push(Unreached::no_such_user(account)),
            }
        }
        plan.refusal(sender).map_or(Ok(()), |refusal| Err(Failure::Refused(refusal)))
    }

    /// The same for a submitted message, which is counted as accepted then.
    fn sort_out_submitted(
        &self,
        sender: &Address,
        plan: &mut Plan,
        delivered: Vec<Delivered>,
    ) -> Result<(), Failure> {
        self.sort_out(Some(sender), plan, delivered)?;
        self.counters.messages_accepted.count();
        Ok(())
    }

    /// True if every recipient got the message and no mailbox needs trimming.
    fn is_settled(&self, plan: &Plan) -> bool {
        plan.unreached.is_empty() && plan.accounts.iter().all(|account| self.is_roomy(account))
    }

    /// True if the mailbox is not nearly full, or nothing in it can go yet.
    fn is_roomy(&self, account: &Address) -> bool {
        let load = quota::load(&self.store, account);
        load.is_ok_and(|load| !self.quota.wants_trimming(load))
            || !self.trim_pace.is_due(account, clock::wall())
    }

    /// Makes room where it is scarce, and tells the sender who did not get it.
    fn settle(&self, sender: &Address, plan: Plan, head: &[u8]) {
        for account in &plan.accounts {
            self.trim(account);
        }
        if plan.unreached.is_empty() {
            return;
        }
        let failed: Vec<FailedRecipient> = plan.unreached.into_iter().map(Unreached::into_failed).collect();
        match self.reports.write(sender, &failed, head) {
            Ok(()) => self.trim(sender),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "a report to a sender could not be written");
            }
        }
    }

    /// Sorts the recipients.
    ///
    /// # Errors
    ///
    /// A refusal, if nobody but the sender can be reached, or if somebody cannot and the sender's mailbox has no room for
    /// the report; those of the store.
    fn plan(&self, sender: &Address, recipients: &[Address], size: u64) -> Result<Plan, Failure> {
        let plan = self.sort(sender, recipients, size)?;
        if let Some(refusal) = plan.refusal(Some(sender)) {
            return Err(Failure::Refused(refusal));
        }
        if !plan.unreached.is_empty() {
            // The report must fit into the sender's mailbox, or mixed lists would fill the disk beyond all quotas.
            if !self.reports.fits(sender, plan.unreached.len(), size)? {
                return Err(Failure::Refused(Refusal::MailboxFull(sender.clone())));
            }
        }
        Ok(plan)
    }

    /// Sorts the recipients of a message of this author, which may get its own copy.
    fn sort(&self, author: &Address, recipients: &[Address], size: u64) -> Result<Plan, Failure> {
        let mut plan = Plan::default();
        let mut seen = BTreeSet::new();
        for recipient in recipients {
            let account = match route(recipient, &self.domains) {
                Route::Local(account) => account,
                Route::Remote(domain) => {
                    match self.outbound_of(author) {
                        Some(_) => plan.remote.entry(domain).or_default().push(recipient.clone()),
                        None if self.outbound.is_some() => {
                            plan.unreached.push(Unreached::from_home_address(recipient.clone()));
                        }
                        None => plan.unreached.push(Unreached::elsewhere(recipient.clone())),
                    }
                    continue;
                }
            };
            if !seen.insert(account.clone()) {
                continue;
            }
            if self.store.account(&account)?.is_none() {
                plan.unreached.push(Unreached::no_such_user(recipient.clone()));
            } else if self.quota.admits(quota::load(&self.store, &account)?, quota::message(size)) {
                let mailbox = self.store.inbox(&account)?;
                let announce = self.announce(author, &account);
                plan.targets.push(target(mailbox, clock::wall(), announce));
                plan.accounts.push(account);
            } else {
                plan.unreached.push(Unreached::mailbox_full(recipient.clone()));
            }
        }
        Ok(plan)
    }

    /// A message to the sender's own account wakes no phone.
    fn announce(&self, sender: &Address, account: &Address) -> Announce {
        let wanted = self.notifier.is_some() && sender != account;
        if wanted { Announce::ToDevices } else { Announce::ToNobody }
    }

    /// Has the account's devices notified, if a notification is pending for them.
    fn notify(&self, account: &Address) {
        if let Some(notifier) = &self.notifier {
            notifier.message(account);
        }
    }

    /// The message is delivered; a mailbox that could not be trimmed is no reason to say otherwise.
    fn trim(&self, account: &Address) {
        let now = clock::wall();
        if !self.trim_pace.is_due(account, now) {
            return;
        }
        match expiry::trim(&self.store, &self.rules, self.quota, now, account) {
            Ok(trimmed) => {
                self.trim_pace.note(account, now, trimmed.again);
                self.counters.messages_expired.add(trimmed.messages as u64);
            }
            Err(error) => tracing::warn!(%error, "a nearly full mailbox could not be trimmed"),
        }
    }
}

fn target(mailbox: MailboxId, arrived: UnixTime, announce: Announce) -> Target {
    Target { mailbox, flags: Flags::default(), internal_date: arrived, arrived, announce }
}

fn reply(error: &anyhow::Error) -> Reply {
    tracing::error!(error = format!("{error:#}"), "a message could not be delivered");
    let full = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
    match error.downcast_ref() {
        _ if error.downcast_ref().is_some_and(full) => table::NO_SPACE,
        Some(store::Error::DiskFull) => table::NO_SPACE,
        Some(store::Error::TooLarge { .. }) => table::TOO_LARGE,
        _ => table::LOCAL_TROUBLE,
    }
}
