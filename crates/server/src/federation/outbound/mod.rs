//! Mail for other servers: the first attempt while the sender waits, the queue, and the workers that try destinations.
//!
//! ```text
//! Delivery ─ attempt ─► Trial ─► Queue ─► worker of a destination ─► Transport ─► HTTPS /mxdeliv, or SMTP
//!    └─ queued ─► store ─► Queue ──┘           └─ settle: the store's entry, a report to the sender
//! ```
//!
//! Memory is bounded by the numbers in `queue` and `memory`; a queued message is an entry of the schedule and nothing
//! else here.

mod addresses;
mod content;
mod destination;
mod dial;
mod first_attempt;
mod https;
mod mail_host;
mod memory;
mod outcome;
mod policies;
mod queue;
mod reach;
mod settle;
mod smarthost;
mod smtp;
mod transport;
mod trial;
mod troubles;
mod trust;
mod worker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use config::Config;
use dns::Resolver;
use host::locks::Mutex;
use host::{clock, entropy};
use mail_types::{Address, Domain};
use relay_policy::{RetrySchedule, WaitingMessage};
use rustls::RootCertStore;
use store::{BodyReader, OutboundId, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::memory::Connection;
use self::queue::Queue;
use self::transport::Transport;
use self::trial::Trial;
use self::troubles::Troubles;
use self::trust::Trusts;
use crate::federation::signing::Signer;
use crate::mailboxes::reports::Reports;
use crate::runtime::blocking;
use crate::runtime::counters::Counters;
use crate::runtime::true_clock::TrueClock;
use crate::runtime::until::until;

pub(crate) use self::first_attempt::{FirstAttempt, Sending};
pub(crate) use self::transport::Peers;

/// Mail for other servers.
pub(crate) struct Outbound {
    transport: Transport,
    queue: Mutex<Queue>,
    troubles: Mutex<Troubles>,
    woken: Notify,
    rules: RetrySchedule,
    /// The most bytes of one account that wait.
    bytes_per_account: u64,
    store: Store,
    signer: Arc<Signer>,
    reports: Arc<Reports>,
    counters: Arc<Counters>,
    clock: TrueClock,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// The course of a queued message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Course {
    /// The time until the next attempt; none while one is being made.
    pub(crate) due_in: Option<Duration>,
    /// The number of attempts, one that is being made included.
    pub(crate) tries: u32,
    /// The last answer of the destination that put mail off, to this message or to another.
    pub(crate) last_answer: Option<String>,
}

/// The parts of the server that [`Outbound`] needs.
pub(crate) struct Means {
    pub(crate) store: Store,
    pub(crate) resolver: Resolver,
    pub(crate) roots: RootCertStore,
    pub(crate) signer: Arc<Signer>,
    pub(crate) reports: Arc<Reports>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: TrueClock,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    pub(crate) peers: Peers,
}

impl Outbound {
    /// Takes up the store's queue, and begins to send it.
    pub(crate) fn start(config: &Config, means: Means) -> anyhow::Result<Arc<Self>> {
        let transport = Transport {
            resolver: means.resolver,
            policies: Mutex::default(),
            trusts: Trusts::new(means.roots)?,
            host_name: config.domain.to_string(),
            mode: config.federation.outbound,
            smarthost: config.federation.smarthost.clone(),
            private_networks: config.federation.private_networks,
            peers: means.peers,
            memory: Mutex::default(),
        };
        let rules = RetrySchedule::default();
        let outbound = Arc::new(Self {
            transport,
            queue: Mutex::new(Queue::new(rules.clone())),
            troubles: Mutex::default(),
            woken: Notify::new(),
            rules,
            bytes_per_account: config.limits.quota,
            store: means.store,
            signer: means.signer,
            reports: means.reports,
            counters: means.counters,
            clock: means.clock,
            tasks: means.tasks,
            shutdown: means.shutdown,
        });
        outbound.load().context("reading the outbound queue")?;
        outbound.tasks.spawn(Arc::clone(&outbound).run());
        Ok(outbound)
    }

    /// All messages are due at once after a start: nobody knows how long the server was away.
    fn load(&self) -> store::Result<()> {
        let entries = self.store.outbound()?;
        let mut queue = self.queue.lock();
        entries.iter().for_each(|entry| self.add(&mut queue, entry));
        Ok(())
    }

    /// Takes up a message that was queued without an attempt.
    pub(crate) fn take_up(&self, id: OutboundId) {
        match self.store.outbound_entry(id) {
            Ok(Some(entry)) => self.add(&mut self.queue.lock(), &entry),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "a queued message waits for the next start"),
        }
        self.woken.notify_one();
    }

    fn add(&self, queue: &mut Queue, entry: &store::Outbound) {
        if let Some(message) = waiting(entry) {
            queue.schedule.add(entry.id.0, message, clock::now());
        }
    }

    /// Starts workers as destinations become due, and closes connections that nobody used.
    async fn run(self: Arc<Self>) {
        loop {
            self.start_due();
            let stale = self.transport.memory.lock().take_stale(clock::now());
            self.close(stale);
            let wake_at = self.wake_at();
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                () = self.woken.notified() => {}
                () = until(wake_at) => {}
            }
        }
        let idle = self.transport.memory.lock().take_all();
        self.close(idle);
    }

    fn start_due(self: &Arc<Self>) {
        if !self.clock.is_right() {
            return;
        }
        loop {
            let started = self.queue.lock().start(clock::now());
            let Some(destination) = started else { return };
            self.spawn_worker(destination);
        }
    }

    fn spawn_worker(self: &Arc<Self>, destination: Domain) {
        let work = Arc::clone(self).work(destination);
        self.spawn_until_stop(work);
    }

    /// Tries one message beside the worker of its destination.
    fn spawn_alone(self: &Arc<Self>, trial: Arc<Trial>) {
        let outbound = Arc::clone(self);
        self.spawn_until_stop(async move {
            outbound.try_trial(&trial).await;
            outbound.queue.lock().alone_ended(&trial.destination);
        });
    }

    fn spawn_until_stop(&self, work: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        // A server that is just saying that it has the message is waited for, or it gets it twice. What is in flight
        // longer is tried again after the next start.
        let grace = async move {
            shutdown.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        self.tasks.spawn(async move {
            tokio::select! {
                () = Box::pin(work) => {}
                () = grace => {}
            }
        });
    }

    fn close(&self, connections: Vec<Connection>) {
        for connection in connections {
            if let Connection::Smtp(connection) = connection {
                self.tasks.spawn(connection.quit());
            }
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let stale = self.transport.memory.lock().stale_at();
        let due = self.queue.lock().schedule.wake_at();
        let due = if self.clock.is_right() { due } else { due.map(|_| clock::now() + CLOCK_CHECK) };
        [stale, due].into_iter().flatten().min()
    }

    /// The header field that signs a message; empty where our domain has no name to sign with.
    pub(crate) async fn sign(&self, body: BodyReader) -> anyhow::Result<String> {
        if body.is_in_memory() {
            return self.signer.sign(body);
        }
        let signer = Arc::clone(&self.signer);
        blocking::run(move || signer.sign(body)).await?
    }

    /// A sign of life of a destination.
    pub(crate) fn heard_from(&self, destination: &Domain) {
        self.queue.lock().schedule.heard_from(clock::now(), destination);
        self.woken.notify_one();
    }

    /// Whether the sender may have a message of this size waiting for so many destinations, and the disk has room for it.
    pub(crate) fn admits(&self, sender: &Address, destinations: usize, size: u64) -> bool {
        let admitted = self.queue.lock().schedule.admits(sender, destinations, size, self.bytes_per_account);
        // Asked without the lock: it is a question to the file system.
        admitted && self.store.require_room(size).is_ok()
    }

    /// Makes waiting messages due at once; returns the number of those that waited.
    pub(crate) fn hurry(&self, ids: &[OutboundId]) -> usize {
        let mut queue = self.queue.lock();
        let hurried = ids.iter().filter(|id| queue.schedule.hurry(clock::now(), id.0)).count();
        drop(queue);
        self.woken.notify_one();
        hurried
    }

    /// The same for all messages.
    pub(crate) fn hurry_all(&self) -> usize {
        let hurried = self.queue.lock().schedule.hurry_all(clock::now());
        self.woken.notify_one();
        hurried
    }

    /// Whether the clock is right. Signatures name the time, so mail waits until it is known.
    pub(crate) fn clock_is_right(&self) -> bool {
        self.clock.is_right()
    }

    /// The signer of this server's mail.
    pub(crate) fn signer(&self) -> &Arc<Signer> {
        &self.signer
    }

    /// The course of a message so far. It is not in the store, and begins again with each start of the server.
    pub(crate) fn course(&self, id: OutboundId, destination: &Domain) -> Course {
        let queue = self.queue.lock();
        let due = queue.schedule.due(id.0).map(|due| due.saturating_duration_since(clock::now()));
        let tries = queue.schedule.tries(id.0);
        drop(queue);
        Course { due_in: due, tries, last_answer: self.troubles.lock().of(destination).map(str::to_owned) }
    }

    /// Keeps the answer of a destination that put mail off; without one it took mail or refused it for good.
    fn note_answer(&self, destination: &Domain, answer: Option<&str>) {
        let mut troubles = self.troubles.lock();
        match answer {
            Some(answer) => troubles.remember(clock::now(), destination, answer),
            None => troubles.forget(destination),
        }
    }

    /// A message is gone from the store.
    pub(crate) fn forget(&self, id: OutboundId) {
        let mut queue = self.queue.lock();
        queue.unwritten.remove(&id.0);
        queue.schedule.forget(id.0);
    }

    fn chance() -> u8 {
        entropy::bytes::<1>().map_or(0, |[byte]| byte)
    }
}

/// The time that attempts have to end at a stop.
const GRACE: Duration = Duration::from_secs(2);
/// From one look at a clock that is wrong to the next.
const CLOCK_CHECK: Duration = Duration::from_secs(5);

/// The entry as the schedule has it; none without a recipient.
fn waiting(entry: &store::Outbound) -> Option<WaitingMessage> {
    let store::Outbound { size, draft, .. } = entry;
    let destination = draft.recipients.first()?.domain().clone();
    Some(WaitingMessage { destination, owner: draft.sender.clone(), since: draft.created, size: *size })
}
