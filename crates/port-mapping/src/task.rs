//! The task that keeps the ports mapped: it asks the plan for the next step, the routers' clients for the answer, and the
//! kernel for the network.

use std::future::pending;
use std::io;
use std::time::{Duration, Instant};

use network::netlink::ChangeSubscription;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::home::Home;
use crate::plan::{LOOK, Plan, Request, Step};
use crate::router::RouterClient;
use crate::state::{MappingState, RouterState, Summary};
use crate::words::{Answer, Family, Nonce, Refusal, WantedPort, family};

/// The time for removing all mappings at shutdown.
const REMOVAL_LIMIT: Duration = Duration::from_secs(2);
/// Time for a new address to get its route, before the network is looked at.
const SETTLING: Duration = Duration::from_secs(1);
/// The second look after a change: the route came later.
const SECOND_LOOK: Duration = Duration::from_secs(5);

/// The wishes of the owner of the task.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The ports to map, the most important first; at most [`crate::plan::PORTS_LIMIT`].
    pub ports: Vec<WantedPort>,
    /// The secret of this box's mappings, kept over a restart.
    pub nonce: Nonce,
    /// The time within which a change of the router is to be noticed, usually [`LOOK`].
    pub look: Duration,
}

/// The mapping of ports, before it runs.
#[derive(Debug)]
pub struct PortMapping {
    settings: Settings,
    state: watch::Sender<MappingState>,
}

impl PortMapping {
    /// The mapping of these ports.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, state: watch::Sender::default() }
    }

    /// The state, told anew at each change.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<MappingState> {
        self.state.subscribe()
    }

    /// Maps the ports, and keeps them mapped until the shutdown, when it removes the mappings within two seconds. It
    /// follows the network: another address or router is asked as soon as it is seen.
    pub async fn run(self, shutdown: CancellationToken) {
        let now = host::clock::now();
        let mut task = Task {
            plan: Plan::new(now, self.settings.look),
            settings: self.settings,
            state: self.state,
            home: Home::default(),
            sides: [Side::new(Family::V4), Side::new(Family::V6)],
            looks: vec![now],
        };
        let changes = subscribe();
        while let Some(event) = task.next_event(&shutdown, changes.as_ref()).await {
            task.handle(event);
        }
        task.remove_all().await;
    }
}

/// The mapping of ports, while it runs.
struct Task {
    settings: Settings,
    state: watch::Sender<MappingState>,
    plan: Plan,
    home: Home,
    sides: [Side; 2],
    /// The times at which to look at the network, the next one last.
    looks: Vec<Instant>,
}

/// A family of addresses, and the router that is asked about it.
struct Side {
    family: Family,
    client: Option<RouterClient>,
    /// The last logged gist.
    told: Option<Summary>,
}

/// Something that happened.
enum Event {
    /// A router has answered.
    Answered(Request, Answer),
    /// An address or an interface has changed.
    NetworkChanged,
    /// A time has come.
    Due,
}

impl Task {
    /// The next event; none at shutdown.
    async fn next_event(
        &mut self,
        shutdown: &CancellationToken,
        changes: Option<&AsyncFd<ChangeSubscription>>,
    ) -> Option<Event> {
        let now = host::clock::now();
        let look = self.looks.last().copied().unwrap_or(now + LOOK);
        if look <= now {
            return (!shutdown.is_cancelled()).then_some(Event::Due);
        }
        match self.plan.next(now) {
            Step::Ask(request) => {
                let side = self.sides.iter_mut().find(|side| side.family == request.family);
                let asked = ask(side.and_then(|side| side.client.as_mut()), &request);
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => None,
                    answer = asked => Some(Event::Answered(request, answer)),
                }
            }
            Step::Wait(until) => {
                let wake = until.map_or(look, |until| until.min(look));
                // A change that is about to be looked at anyway need not wake anyone.
                let is_awaited = self.looks.len() <= 1;
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => None,
                    () = changed(changes), if is_awaited => Some(Event::NetworkChanged),
                    () = sleep_until(wake.into()) => Some(Event::Due),
                }
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let now = host::clock::now();
        match event {
            Event::Answered(request, answer) => {
                debug!(?request, ?answer, "the router was asked for a port");
                let [chance] = host::entropy::bytes().unwrap_or_default();
                self.plan.answered(now, &request, answer, chance);
                let is_silent = matches!(answer, Answer::Refused { refusal: Refusal::NoRouter, .. });
                if is_silent {
                    self.look(now);
                }
            }
            Event::NetworkChanged => self.looks = vec![now + LOOK, now + SECOND_LOOK, now + SETTLING],
            Event::Due => {
                if self.looks.last().is_none_or(|look| *look <= now) {
                    self.looks.pop();
                    self.look(now);
                }
            }
        }
        if self.looks.is_empty() {
            self.looks.push(now + LOOK);
        }
        self.publish();
    }

    /// Looks at the network. What is the same stays as it is.
    fn look(&mut self, now: Instant) {
        let home = match self.home.read_anew() {
            Ok(home) => home,
            Err(error) => {
                warn!("the routing table cannot be read, so the router is not asked anew: {error}");
                return;
            }
        };
        for side in &mut self.sides {
            let route = home.route(side.family);
            if route == self.home.route(side.family) {
                continue;
            }
            let ports = if route.is_some() { self.settings.ports.as_slice() } else { &[] };
            self.plan.set_ports(now, side.family, ports);
            side.client = route.map(|route| RouterClient::new(route, self.settings.nonce));
        }
        self.home = home;
    }

    fn publish(&mut self) {
        let method = |family| {
            let side = self.sides.iter().find(|side| side.family == family)?;
            side.client.as_ref()?.method()
        };
        let state = MappingState::new(&self.home, &self.plan, method);
        for side in &mut self.sides {
            if let Some(router) = state.routers.iter().find(|router| family(router.route.own) == side.family)
            {
                tell(router, &mut side.told);
            }
        }
        self.state.send_if_modified(|old| std::mem::replace(old, state.clone()) != state);
    }

    async fn remove_all(&mut self) {
        let [v4, v6] = &mut self.sides;
        let removed = async { tokio::join!(v4.remove_all(&self.plan), v6.remove_all(&self.plan)) };
        if timeout(REMOVAL_LIMIT, removed).await.is_err() {
            info!("the router did not answer in time to remove its port mappings; they end by themselves");
        }
    }
}

impl Side {
    fn new(family: Family) -> Self {
        Self { family, client: None, told: None }
    }

    async fn remove_all(&mut self, plan: &Plan) {
        let Some(client) = &mut self.client else { return };
        for port in plan.to_remove(self.family) {
            client.unmap(port).await;
        }
    }
}

async fn ask(client: Option<&mut RouterClient>, request: &Request) -> Answer {
    match client {
        Some(client) => client.map(request).await,
        None => Answer::Refused { refusal: Refusal::NoRouter, address: None },
    }
}

/// Logs a router's state, once for each change.
fn tell(router: &RouterState, told: &mut Option<Summary>) {
    let summary = router.summary();
    if summary.waiting > 0 || told.replace(summary) == Some(summary) {
        return;
    }
    let family = if router.route.own.is_ipv4() { "IPv4" } else { "IPv6" };
    let method = summary.method.map_or("no protocol", |method| method.name());
    match summary.refusal {
        None => info!(family, method, ports = summary.mapped, "the router forwards all ports"),
        Some(reason) => {
            info!(family, method, ports = summary.mapped, reason, "the router does not forward all ports")
        }
    }
}

/// The kernel's notifications; without them the network is looked at every minute all the same.
#[expect(
    deprecated,
    reason = "its successor is unsafe, for values whose descriptor changes; this one's is its own"
)]
fn subscribe() -> Option<AsyncFd<ChangeSubscription>> {
    let opened = ChangeSubscription::open().map_err(io::Error::other);
    let opened = opened.and_then(|changes| AsyncFd::with_interest(changes, Interest::READABLE));
    opened.inspect_err(|error| warn!("changes of the network are noticed late: {error}")).ok()
}

/// Waits for a change; for ever without notifications.
async fn changed(changes: Option<&AsyncFd<ChangeSubscription>>) {
    let Some(changes) = changes else { return pending().await };
    match changes.readable().await {
        Ok(mut ready) => {
            ready.get_inner().drain();
            ready.clear_ready();
        }
        Err(_) => pending().await,
    }
}
