//! The notifier: tells the push service which devices to wake. `relay-policy` says when, the store what survives.
//!
//! ```text
//! delivery ─ message ─► Notifier ─ woken ─► Work ─ PushQueue ─► POST token ─► push service ─► Apple, Google, ...
//!    └─ pending push, in the message's own transaction ─► store ◄─ finished, with the next transaction ─┘
//! ```
//!
//! The service learns a token that only it can read, and our address; nothing of the message, nothing of anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use host::clock;
use host::locks::Mutex;
use http_body_util::Full;
use https_client::{HttpsClient, RequestLimits};
use hyper::{Method, Request, StatusCode, Uri};
use mail_types::{Address, UnixTime};
use relay_policy::{Device, PushQueue, PushTask, Reception, Settled, token_is_valid};
use store::{PendingPush, Store};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::runtime::blocking;
use crate::runtime::counters::Counters;
use crate::runtime::until::until;

/// The notifications that are in flight at once.
const CONCURRENT_REQUESTS: usize = 4;
/// The limits of one request; its response is a status and a word.
const REQUEST_LIMITS: RequestLimits = RequestLimits { time: Duration::from_secs(60), bytes: 4096 };
/// From one log line about failures to the next, at least.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The entry for deliveries. It never waits, and holds each account at most once.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    accounts: Mutex<BTreeSet<Address>>,
    woken: Notify,
    pending: AtomicUsize,
}

impl Notifier {
    /// Reports a message that is durable with its pending push.
    pub(crate) fn message(&self, account: &Address) {
        self.accounts.lock().insert(account.clone());
        self.woken.notify_one();
    }

    /// The number of devices that are still to be notified.
    pub(crate) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    fn take(&self) -> BTreeSet<Address> {
        std::mem::take(&mut *self.accounts.lock())
    }
}

/// The task behind a [`Notifier`].
pub(crate) struct Work {
    notifier: Arc<Notifier>,
    store: Store,
    counters: Arc<Counters>,
    client: HttpsClient,
    service: Uri,
    queue: PushQueue,
    /// The store's pending pushes by account.
    pending: BTreeMap<Address, PendingPush>,
    in_flight: JoinSet<Outcome>,
    last_complaint: Option<Instant>,
}

/// The outcome of one notification.
struct Outcome {
    device: Device,
    reception: Reception,
    /// The failure as a sentence for the log.
    trouble: Option<String>,
}

/// The end of a wait.
enum Woken {
    Messages,
    Answered(Result<Outcome, JoinError>),
    Time,
    Shutdown,
}

impl Work {
    /// Work for this service.
    pub(crate) fn new(
        notifier: Arc<Notifier>,
        store: Store,
        counters: Arc<Counters>,
        client: HttpsClient,
        service: Uri,
    ) -> Self {
        Self {
            notifier,
            store,
            counters,
            client,
            service,
            queue: PushQueue::new(CONCURRENT_REQUESTS),
            pending: BTreeMap::new(),
            in_flight: JoinSet::new(),
            last_complaint: None,
        }
    }

    /// Notifies until the server goes down. What is not done by then is pending in the store.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let left_over = self.store.pending_pushes().unwrap_or_else(|error| {
            tracing::error!(%error, "the notifications of the last run could not be read");
            Vec::new()
        });
        left_over.into_iter().for_each(|push| self.want(push));
        loop {
            self.send_what_is_due();
            self.notifier.pending.store(self.queue.len(), Ordering::Relaxed);
            match self.wait(&shutdown).await {
                Woken::Messages => self.take_messages(),
                Woken::Answered(Ok(answered)) => {
                    self.complain(answered.trouble);
                    self.settle(&answered.device, answered.reception);
                }
                Woken::Answered(Err(error)) => tracing::error!(%error, "a notification was cut off"),
                Woken::Time => {}
                Woken::Shutdown => break,
            }
        }
        // Each of them holds the store.
        self.in_flight.shutdown().await;
    }

    async fn wait(&mut self, shutdown: &CancellationToken) -> Woken {
        let wake_at = self.queue.wake_at();
        tokio::select! {
            () = shutdown.cancelled() => Woken::Shutdown,
            () = self.notifier.woken.notified() => Woken::Messages,
            Some(answered) = self.in_flight.join_next() => Woken::Answered(answered),
            () = until(wake_at) => Woken::Time,
        }
    }

    fn take_messages(&mut self) {
        for account in self.notifier.take() {
            match self.store.pending_push(&account) {
                Ok(Some(push)) => self.want(push),
                // The account has no device, or was deleted in this moment.
                Ok(None) | Err(store::Error::NoSuchAccount) => {}
                Err(error) => tracing::error!(%error, "a notification could not be read"),
            }
        }
    }

    /// Every device of the account that is still there is to be notified.
    fn want(&mut self, push: PendingPush) {
        let now = clock::now();
        let age = Duration::from_secs(clock::wall().0.saturating_sub(push.since.0));
        for token in self.tokens(&push.account, clock::wall()) {
            self.queue.want(now, Device { account: push.account.clone(), token: token.into() }, age);
        }
        let account = push.account.clone();
        self.pending.insert(account.clone(), push);
        self.finish_if_done(&account);
    }

    fn send_what_is_due(&mut self) {
        while let Some(task) = self.queue.poll(clock::now()) {
            match task {
                PushTask::Send(device) => self.send(device),
                PushTask::GiveUp(device) => {
                    self.counters.pushes.given_up.count();
                    self.finish_if_done(&device.account);
                }
            }
        }
    }

    fn send(&mut self, device: Device) {
        // Since it was wanted the device may have left, or the whole account.
        if !self.tokens(&device.account, clock::wall()).iter().any(|token| **token == *device.token) {
            self.settle(&device, Reception::Gone);
            return;
        }
        let mut request = Request::new(Full::from(device.token.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.service.clone();
        let (client, store, counters) = (self.client.clone(), self.store.clone(), Arc::clone(&self.counters));
        self.in_flight.spawn(async move {
            let (reception, trouble) =
                match client.send(request, REQUEST_LIMITS).await.map(|answer| answer.status()) {
                    Ok(StatusCode::OK) => (Reception::Taken, None),
                    Ok(StatusCode::GONE) => (Reception::Gone, None),
                    Ok(other) => (Reception::Failed, Some(format!("it answered {other}"))),
                    Err(error) => (Reception::Failed, Some(format!("{error:#}"))),
                };
            match reception {
                Reception::Taken => counters.pushes.sent.count(),
                Reception::Failed => counters.pushes.failed.count(),
                Reception::Gone => {
                    counters.pushes.gone.count();
                    forget(store, &device).await;
                }
            }
            Outcome { device, reception, trouble }
        });
    }

    fn settle(&mut self, device: &Device, reception: Reception) {
        if self.queue.settle(clock::now(), device, reception) == Settled::GivenUp {
            self.counters.pushes.given_up.count();
        }
        self.finish_if_done(&device.account);
    }

    /// A service that is away fails for every device and every try; the log need not say so each time.
    fn complain(&mut self, trouble: Option<String>) {
        let Some(trouble) = trouble else { return };
        let now = clock::now();
        if self.last_complaint.is_none_or(|last| now - last > COMPLAINT_INTERVAL) {
            self.last_complaint = Some(now);
            tracing::warn!(
                trouble,
                "the push service takes no notifications; phones that sleep hear of messages later"
            );
        } else {
            tracing::debug!(trouble, "a notification failed");
        }
    }

    fn finish_if_done(&mut self, account: &Address) {
        if self.queue.concerns(account) {
            return;
        }
        if let Some(push) = self.pending.remove(account)
            && let Err(error) = self.store.finish_push(&push)
        {
            tracing::warn!(%error, "a notification may be sent again after the next start");
        }
    }

    /// The tokens that count. They are in memory.
    fn tokens(&self, account: &Address, now: UnixTime) -> Vec<String> {
        let tokens = self.store.push_tokens(account).unwrap_or_default();
        let valid = tokens.into_iter().filter(|token| token_is_valid(token.registered, now));
        valid.map(|token| token.token).collect()
    }
}

async fn forget(store: Store, device: &Device) {
    let Device { account, token } = device.clone();
    match blocking::run(move || store.remove_push_token(&account, &token)).await {
        Ok(Ok(()) | Err(store::Error::NoSuchAccount)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a device that is gone could not be forgotten"),
        Err(error) => tracing::warn!(%error, "a device that is gone could not be forgotten"),
    }
}
