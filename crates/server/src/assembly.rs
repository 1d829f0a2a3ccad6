//! Assembly: builds every part of the server from the configuration, and joins them. The only file that names every
//! folder.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::pairing::Endpoint;
use anyhow::Context;
use config::{Config, Tls};
use dns::Resolver;
use host::{clock, entropy};
use https_client::HttpsClient;
use mail_types::{Domain, Secret};
use rustls::RootCertStore;
use store::Store;
use tls::TlsSettings;
use tokio::signal::unix::Signal;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::accounts::pairing::{self, PairingTask, Setup};
use crate::connections::listeners::{self, Admission};
use crate::connections::places::{PlaceLimits, Places};
use crate::connections::rejection::OverloadResponder;
use crate::connections::service::{Ports, Service};
use crate::federation;
use crate::federation::inbound::{DnsKeys, KeySource, Reception, Rules};
use crate::federation::outbound::{self, Outbound, Peers};
use crate::federation::signing::Signer;
use crate::mail_services::MailServices;
use crate::mailboxes::delivery::{self, Delivery};
use crate::mailboxes::memory::MailboxMemory;
use crate::mailboxes::quota;
use crate::mailboxes::recent::Recent;
use crate::mailboxes::reports::Reports;
use crate::mailboxes::watchers::MailboxWatchers;
use crate::naming::{self, Naming, NamingTasks, OwnerSettings};
use crate::operation::certificate;
use crate::operation::control::{self, ControlServer};
use crate::operation::expiry_task::ExpiryTask;
use crate::operation::observed::Observed;
use crate::operation::queue::QueueControl;
use crate::operation::reachability::Reachability;
use crate::push::{self, Notifier};
use crate::router::Router;
use crate::runtime::blocking;
use crate::runtime::counters::Counters;
use crate::runtime::resources::Resources;
use crate::runtime::true_clock::TrueClock;
use crate::runtime::tunnel::KnownTunnel;
use crate::web_backend::WebBackend;

/// The store's setting that holds the self-signed certificate and its key.
const IDENTITY_SETTING: &str = "tls.self-signed";
/// The store's setting that holds the secret behind session tickets.
const TICKET_SETTING: &str = "tls.tickets";
/// The longest transmission of a message by another server, which holds a place among few.
const INBOUND_MESSAGE_LIMIT: Duration = Duration::from_secs(900);
/// From the order to stop until connections that have not ended are cut off.
pub(crate) const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);

/// A server at work.
pub(crate) struct Running {
    pub(crate) router: Arc<Router>,
    pub(crate) reachability: Arc<Reachability>,
    pub(crate) tasks: TaskTracker,
    config: Config,
    shutdown: CancellationToken,
    /// Files that tell other programs of this server.
    announcements: [PathBuf; 2],
}

impl Running {
    /// The parts that may be looked at.
    pub(crate) fn observed(&self) -> &Arc<Observed> {
        &self.router.observed
    }

    /// Runs a task until the server stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancellable = self.shutdown.clone().run_until_cancelled_owned(task);
        self.tasks.spawn(async move {
            cancellable.await;
        });
    }

    /// Starts what runs from time to time; `hang_up` is the signal to look at a certificate's files.
    pub(crate) fn spawn_periodic(&self, hang_up: Signal) {
        let Observed { store, counters, pairing, tls, .. } = &**self.observed();
        let expiry = ExpiryTask {
            store: store.clone(),
            rules: self.config.expiry.clone(),
            quota: quota::of(&self.config),
            counters: Arc::clone(counters),
            pairing: pairing.clone(),
        };
        self.spawn(expiry.run());
        self.spawn(Arc::clone(&self.reachability).watch_keys());
        self.spawn(certificate::run(certificate::files(&self.config.tls), tls.clone(), hang_up));
    }

    /// Stops listening, tells every connection, and waits a moment for their ends.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(SHUTDOWN_LIMIT, self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time and are cut off");
        }
        for file in self.announcements {
            // What is left over does no harm: the next start replaces it.
            let _ = std::fs::remove_file(file);
        }
    }
}

/// The disk's part of a server. It stays open when the server starts anew with other settings.
#[derive(Clone)]
pub(crate) struct Storage {
    pub(crate) store: Store,
    watchers: MailboxWatchers,
}

impl Storage {
    /// Opens the store; its changes wake the watchers.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        make_directories(&[&config.state_directory, &config.run_directory()])?;
        let directory = config.state_directory.join("store");
        let opened = blocking::run(move || Store::open(directory)).await?;
        let (store, report) = opened.context("opening the store")?;
        for damage in &report.damage {
            tracing::error!(damage, "the store was damaged and has been repaired");
        }
        let watchers = MailboxWatchers::default();
        let changed = watchers.clone();
        store.on_change(Box::new(move |_, mailbox| changed.changed(mailbox)));
        Ok(Self { store, watchers })
    }
}

/// The settings of a server, and those that may change them.
pub(crate) struct Prepared {
    pub(crate) config: Config,
    pub(crate) storage: Storage,
    pub(crate) owner: Arc<OwnerSettings>,
    pub(crate) clock: TrueClock,
    pub(crate) tunnel: KnownTunnel,
    /// The sentence about settings that could not be taken over.
    pub(crate) owner_trouble: Option<String>,
    /// Asks for a start with other settings.
    pub(crate) restart: Arc<Notify>,
}

/// Brings a server up; when this returns every port answers.
pub(crate) async fn start(prepared: Prepared) -> anyhow::Result<Running> {
    let world = World::of(&prepared.config).await?;
    start_in_world(prepared, world).await
}

/// The rest of the world, as far as the server asks it or writes to it.
pub(crate) struct World {
    pub(crate) resolver: Resolver,
    /// The DKIM keys of other domains.
    pub(crate) keys: Arc<dyn KeySource>,
    /// The authorities that other servers' certificates are checked by.
    pub(crate) roots: RootCertStore,
    pub(crate) peers: Peers,
}

impl World {
    /// The world that the configuration names.
    pub(crate) async fn of(config: &Config) -> anyhow::Result<Self> {
        let config = config.clone();
        let open = move || {
            let roots = federation::roots(&config)?;
            anyhow::Ok((federation::resolver(&config, roots.clone())?, roots))
        };
        let (resolver, roots) = blocking::run(open).await??;
        Ok(Self { keys: Arc::new(DnsKeys(resolver.clone())), resolver, roots, peers: Peers::default() })
    }
}

/// The same, in this world.
pub(crate) async fn start_in_world(prepared: Prepared, world: World) -> anyhow::Result<Running> {
    let Prepared { config, storage, owner, clock: true_clock, tunnel, owner_trouble, restart } = prepared;
    let Storage { store, watchers } = storage;
    let run_directory = config.run_directory();
    let control = control::bind(&config.control_socket())?;
    let listeners = listeners::bind(&config)?;
    let ports = listeners::ports(&listeners)?;
    let tls = tls_settings(&config, &store)?;
    let setup = pairing_setup(&config, &store, &ports, &tls)?;
    let endpoint = pairing::endpoint(&setup, &setup.addresses);
    let domains = domains(&config, &store)?;
    let site = Arc::new(site(&config, &domains, &tls, endpoint, &ports));
    let (pairing_task, pairing) = PairingTask::new(setup);
    let (naming, naming_tasks) = name(&config, &store, &tls, &ports, (&world, &true_clock, &tunnel))?;
    let counters = Arc::new(Counters::new(clock::wall()));
    let shutdown = CancellationToken::new();
    let tasks = TaskTracker::new();
    let notifier = start_notifier(&config, &store, &counters, &shutdown, &tasks)?;
    let observed = Arc::new(Observed {
        domain: config.domain.clone(),
        registration: config.registration,
        resources: Resources::new(&config, store.clone()),
        store,
        counters,
        pairing,
        tls,
        notifier,
        ports,
        connections: places(&config),
        clock: true_clock,
        tunnel,
        owner_trouble,
        naming: Arc::new(naming),
    });
    let reports = Arc::new(Reports::new(
        observed.store.clone(),
        quota::of(&config),
        observed.notifier.clone(),
        Arc::clone(&observed.counters),
    ));
    let outbound = start_outbound(&config, &observed, &reports, &world, (tasks.clone(), shutdown.clone()))?;
    let reachability = Arc::new(Reachability::new(
        config.clone(),
        Arc::clone(&observed),
        world.resolver.clone(),
        (world.roots.clone(), world.peers),
        outbound.as_ref().map(|outbound| Arc::clone(outbound.signer())),
    ));
    let delivery = (Arc::clone(&reports), outbound);
    let mail = mail_services(&config, domains.clone(), watchers, &observed, delivery)?;
    let reception = Arc::new(reception(&config, domains, &mail, Arc::clone(&world.keys)));
    let web = web_backend(&config, &mail, &observed, &reception, &reachability);
    let router = Arc::new(Router {
        imap: Arc::new(imap_settings(&mail)),
        smtp: submission_settings(&config),
        inbound: inbound_settings(&config),
        reception,
        mail,
        site,
        web,
        observed: Arc::clone(&observed),
        shutdown: shutdown.clone(),
        connections_so_far: 0.into(),
    });
    tokio::spawn(pairing_task.run());
    naming_tasks.spawn(facts(&reachability), &tasks, &shutdown);
    let control_server =
        control_server(&router, reports, Arc::clone(&reachability), &config, (owner, restart));
    tasks.spawn(control::run(control, control_server, shutdown.clone(), tasks.clone()));
    accept_on(listeners, &router, &shutdown, &tasks);
    let announcements = [config.control_socket(), announce(&observed.ports, &run_directory)?];
    Ok(Running { router, reachability, config, shutdown, tasks, announcements })
}

/// Tells other programs and the log where the server listens.
fn announce(ports: &Ports, run_directory: &Path) -> anyhow::Result<PathBuf> {
    let file = run_directory.join("ports.json");
    listeners::write_ports(ports, &file)?;
    for (service, addresses) in ports {
        tracing::info!(?service, ?addresses, "listening");
    }
    Ok(file)
}

fn name(
    config: &Config,
    store: &Store,
    tls: &TlsSettings,
    ports: &Ports,
    (world, clock, tunnel): (&World, &TrueClock, &KnownTunnel),
) -> anyhow::Result<(Naming, NamingTasks)> {
    let means = naming::Means {
        store: store.clone(),
        tls: tls.clone(),
        resolver: world.resolver.clone(),
        names_port: world.peers.names,
        bound: bound_addresses(ports),
        ports: forwarded(ports),
        clock: clock.clone(),
        tunnel: tunnel.clone(),
    };
    Naming::new(config, means)
}

/// Gathers the facts that the domain's records are made from.
fn facts(reachability: &Arc<Reachability>) -> naming::Facts {
    let reachability = Arc::clone(reachability);
    Box::new(move || {
        let reachability = Arc::clone(&reachability);
        Box::pin(async move { reachability.facts_of_domain().await })
    })
}

/// The backend of the pages.
fn web_backend(
    config: &Config,
    mail: &MailServices,
    observed: &Observed,
    reception: &Arc<Reception>,
    reachability: &Arc<Reachability>,
) -> Arc<WebBackend> {
    Arc::new(WebBackend::new(
        Arc::clone(&mail.accounts),
        observed.pairing.clone(),
        config.registration,
        Arc::clone(reception),
        Arc::clone(reachability),
        Arc::clone(&observed.naming),
    ))
}

fn control_server(
    router: &Router,
    reports: Arc<Reports>,
    reachability: Arc<Reachability>,
    config: &Config,
    (owner, restart): (Arc<OwnerSettings>, Arc<Notify>),
) -> Arc<ControlServer> {
    let queue = QueueControl {
        observed: Arc::clone(&router.observed),
        outbound: router.mail.delivery.outbound().cloned(),
        reports,
        servers: config.federation.outbound,
    };
    let (observed, site) = (Arc::clone(&router.observed), Arc::clone(&router.site));
    Arc::new(ControlServer { observed, site, queue, reachability, owner, restart })
}

/// The way in of all connections.
pub(crate) fn admission(router: &Router) -> Admission {
    Admission {
        places: Arc::clone(&router.observed.connections),
        responder: OverloadResponder::default(),
        counters: Arc::clone(&router.observed.counters),
    }
}

/// Accepts connections on every socket.
fn accept_on(
    listeners: Vec<listeners::Listener>,
    router: &Arc<Router>,
    shutdown: &CancellationToken,
    tasks: &TaskTracker,
) {
    let admission = admission(router);
    for listener in listeners {
        let (admission, router) = (admission.clone(), Arc::clone(router));
        let handler =
            move |service, stream, peer, place| Arc::clone(&router).serve(service, stream, peer, place);
        tasks.spawn(listeners::accept(listener, admission, shutdown.clone(), tasks.clone(), handler));
    }
}

fn mail_services(
    config: &Config,
    domains: Vec<Domain>,
    watchers: MailboxWatchers,
    observed: &Observed,
    (reports, outbound): (Arc<Reports>, Option<Arc<Outbound>>),
) -> anyhow::Result<Arc<MailServices>> {
    let Observed { store, resources, pairing, notifier, counters, .. } = observed;
    let push = if notifier.is_some() { imap::PushOffer::Offered } else { imap::PushOffer::Off };
    let accounts = Accounts::new(
        config,
        domains.clone(),
        store.clone(),
        resources.clone(),
        pairing.clone(),
        Arc::clone(counters),
    )?;
    let means = delivery::Means {
        store: store.clone(),
        notifier: notifier.clone(),
        counters: Arc::clone(counters),
        reports,
        outbound,
    };
    let delivery = Delivery::new(config, domains, means);
    Ok(Arc::new(MailServices {
        store: store.clone(),
        accounts: Arc::new(accounts),
        delivery: Arc::new(delivery),
        watchers,
        recent: Recent::since_now(store).context("the mailboxes could not be listed")?,
        memory: MailboxMemory::new(Resources::mailbox_memory()),
        quota: quota::of(config),
        limits: config.limits.clone(),
        about: config.about.clone(),
        push,
        counters: Arc::clone(counters),
    }))
}

/// Starts sending mail to other servers, if the owner wants it.
fn start_outbound(
    config: &Config,
    observed: &Observed,
    reports: &Arc<Reports>,
    world: &World,
    (tasks, shutdown): (TaskTracker, CancellationToken),
) -> anyhow::Result<Option<Arc<Outbound>>> {
    if config.federation.outbound == config::Outbound::Off {
        return Ok(None);
    }
    if world.roots.is_empty() {
        tracing::warn!(
            "this machine has no root certificates, so no mail is sent to other servers; install ca-certificates"
        );
        return Ok(None);
    }
    let means = outbound::Means {
        store: observed.store.clone(),
        resolver: world.resolver.clone(),
        roots: world.roots.clone(),
        signer: Arc::new(Signer::open(&observed.store, &config.domain)?),
        reports: Arc::clone(reports),
        counters: Arc::clone(&observed.counters),
        clock: observed.clock.clone(),
        tasks,
        shutdown,
        peers: world.peers,
    };
    Outbound::start(config, means).map(Some)
}

fn places(config: &Config) -> Arc<Places> {
    let limits = &config.limits;
    let connections = Resources::connections(limits.connections);
    if connections < limits.connections {
        tracing::info!(connections, "fewer connections than configured, for the machine's memory");
    }
    Places::new(PlaceLimits {
        total: connections,
        per_network: limits.connections_per_address,
        per_account: limits.connections_per_account,
    })
}

fn imap_settings(mail: &MailServices) -> imap::Settings {
    imap::Settings { message_size: mail.limits.message_size, push: mail.push, ..imap::Settings::default() }
}

fn make_directories(directories: &[&Path]) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    // No other user may read mail.
    builder.recursive(true).mode(0o700);
    for directory in directories {
        builder.create(directory).with_context(|| {
            format!("making the directory {} (state_directory in the configuration)", directory.display())
        })?;
    }
    Ok(())
}

/// The domain of new accounts, then those of accounts that were made before the box was given another name.
fn domains(config: &Config, store: &Store) -> anyhow::Result<Vec<Domain>> {
    let mut domains = vec![config.domain.clone()];
    for account in store.accounts().context("reading the accounts")? {
        if !domains.contains(account.address.domain()) {
            domains.push(account.address.domain().clone());
        }
    }
    Ok(domains)
}

fn tls_settings(config: &Config, store: &Store) -> anyhow::Result<TlsSettings> {
    let fresh = Secret::new(entropy::bytes::<{ tls::SECRET_LENGTH }>()?);
    let secret = store.setting_or_insert(TICKET_SETTING, fresh).context("keeping the key of TLS tickets")?;
    let tickets = Arc::new(tls::Tickets::new(secret.expose(), clock::wall));
    if let Tls::Files { certificate, key } = &config.tls {
        return tls::from_files(certificate, key, tickets);
    }
    // One that has expired, too: clients that know its key go on with it.
    if let Some((certificate, key)) = naming::kept_certificate(config, store) {
        match tls::from_issued(&certificate, &key, Arc::clone(&tickets) as _) {
            Ok(settings) => return Ok(settings),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the kept certificate cannot be used")
            }
        }
    }
    let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let kept = store.setting(IDENTITY_SETTING);
    let names = certificate::own_names(config, &host_name);
    let (settings, to_keep) = tls::self_signed(&names, kept.as_ref().map(Secret::expose), tickets)?;
    if let Some(identity) = to_keep {
        store.set_setting(IDENTITY_SETTING, Some(Secret::new(identity))).context("keeping the TLS key")?;
    }
    Ok(settings)
}

fn pairing_setup(config: &Config, store: &Store, ports: &Ports, tls: &TlsSettings) -> anyhow::Result<Setup> {
    Ok(Setup {
        domain: config.domain.clone(),
        registration: config.registration,
        host: config.pairing.host.clone(),
        imaps_port: config.pairing.imap_port.unwrap_or(port(ports, Service::Imaps, 993)),
        submissions_port: config.pairing.smtp_port.unwrap_or(port(ports, Service::Submissions, 465)),
        accounts: store.accounts().context("counting the accounts")?.len(),
        addresses: own_addresses(ports),
        tls: tls.clone(),
        awaits_certificate: naming::wants_certificate(config),
    })
}

/// The port of a service, or of HTTPS, which stands in for it by ALPN, or the usual one.
fn port(ports: &Ports, service: Service, usual: u16) -> u16 {
    listened(ports, service).or_else(|| listened(ports, Service::Https)).unwrap_or(usual)
}

/// The port of a service, if it listens.
fn listened(ports: &Ports, service: Service) -> Option<u16> {
    ports.get(&service).and_then(|addresses| addresses.first()).map(SocketAddr::port)
}

/// The standard ports of the services that others use, the most important first, and those that are listened on.
fn forwarded(ports: &Ports) -> Vec<(u16, u16)> {
    let services = [
        (443, Service::Https),
        (993, Service::Imaps),
        (465, Service::Submissions),
        (25, Service::Smtp),
        (80, Service::Http),
    ];
    services.into_iter().filter_map(|(outside, service)| Some((outside, listened(ports, service)?))).collect()
}

/// The addresses that the sockets are bound to; empty if they are bound to all.
fn bound_addresses(ports: &Ports) -> Vec<IpAddr> {
    let bound = ports.get(&Service::Imaps).or_else(|| ports.get(&Service::Https));
    let bound = bound.into_iter().flatten().map(SocketAddr::ip);
    bound.filter(|address| !address.is_unspecified()).collect()
}

/// The addresses at which clients reach this machine: those that the sockets are bound to, or else the source address
/// of its way out.
fn own_addresses(ports: &Ports) -> Vec<IpAddr> {
    let bound = bound_addresses(ports);
    if !bound.is_empty() {
        return bound;
    }
    // Connecting a datagram socket sends nothing; it only chooses the way to an address that is nobody's (RFC 5737).
    let way_out = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    way_out.map(|address| vec![address.ip()]).unwrap_or_default()
}

/// Starts the task that wakes phones, if the owner wants it.
fn start_notifier(
    config: &Config,
    store: &Store,
    counters: &Arc<Counters>,
    shutdown: &CancellationToken,
    tasks: &TaskTracker,
) -> anyhow::Result<Option<Arc<Notifier>>> {
    let Some(service) = config.push.service.clone() else { return Ok(None) };
    let roots = https_client::roots(config.push.roots.as_ref()).context("trusting push.roots")?;
    if roots.is_empty() && service.scheme_str() == Some("https") {
        tracing::warn!(
            "this machine has no root certificates, so no notification will be sent; install ca-certificates"
        );
    }
    let client = HttpsClient::new(roots).context("preparing push notifications")?;
    let notifier = Arc::new(Notifier::default());
    let work = push::Work::new(Arc::clone(&notifier), store.clone(), Arc::clone(counters), client, service);
    tasks.spawn(work.run(shutdown.clone()));
    Ok(Some(notifier))
}

fn submission_settings(config: &Config) -> smtp::Settings {
    let mut settings = smtp::Settings::new(config.domain.to_string());
    settings.message_limit = config.limits.message_size;
    settings.recipient_limit = usize::try_from(config.limits.recipients).unwrap_or(usize::MAX);
    settings
}

/// Other servers have less time than phones on a bad line, and wait behind a router of their own.
fn inbound_settings(config: &Config) -> smtp::Settings {
    smtp::Settings { message_timeout: INBOUND_MESSAGE_LIMIT, ..submission_settings(config) }
}

fn reception(
    config: &Config,
    domains: Vec<Domain>,
    mail: &MailServices,
    keys: Arc<dyn KeySource>,
) -> Reception {
    let rules = Rules {
        domains,
        blocked: config.federation.blocked.clone(),
        rate: config.limits.inbound_rate,
        message_size: config.limits.message_size,
    };
    let (store, delivery) = (mail.store.clone(), Arc::clone(&mail.delivery));
    Reception::new(rules, store, delivery, keys, Arc::clone(&mail.counters))
}

fn site(
    config: &Config,
    domains: &[Domain],
    tls: &TlsSettings,
    endpoint: Endpoint,
    ports: &Ports,
) -> web::Site {
    let tls = tls.clone();
    let certificate = web::CertificateInUse::new(move || {
        if tls.is_vouched_for() { web::Certificate::Trusted } else { web::Certificate::SelfSigned }
    });
    web::Site {
        domain: config.domain.to_string(),
        former_domains: domains.iter().skip(1).map(ToString::to_string).collect(),
        certificate,
        ports: web::Ports {
            imaps: endpoint.imaps_port,
            imap: port(ports, Service::Imap, 143),
            submissions: endpoint.submissions_port,
            submission: port(ports, Service::Submission, 587),
            https: config.pairing.https_port.unwrap_or(port(ports, Service::Https, 443)),
        },
        web: web::WebPorts {
            http: listened(ports, Service::Http).map(|port| config.pairing.http_port.unwrap_or(port)),
            https: listened(ports, Service::Https).map(|port| config.pairing.https_port.unwrap_or(port)),
        },
        endpoint,
        message_size: config.limits.message_size,
        quota: config.limits.quota,
        sends_per_minute: config.limits.send_rate.per_minute,
        registration: config.registration,
        expiry: config.expiry.clone(),
        about: config.about.clone(),
        push_host: config.push.service.as_ref().and_then(|service| service.host()).map(str::to_owned),
    }
}
