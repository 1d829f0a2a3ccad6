//! `hearth serve`: opens the store, binds the sockets, starts the tasks, and ends them in order.
//!
//! ```text
//! listeners ─► connection ─► driver ─► imap::Session / smtp::Session      (machines without IO)
//!                               │  questions
//!                               ▼
//!                 imap_desk / submission_desk ─► accounts, delivery ─► blocking ─► store
//! ```

#![forbid(unsafe_code)]

mod accounts;
mod connections;
mod imap;
mod mailboxes;
mod operation;
mod push;
mod router;
mod runtime;
mod submission;
#[cfg(test)]
mod tests;
mod web_backend;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::pairing::Endpoint;
use anyhow::Context;
use config::{Config, Tls};
use host::{clock, entropy};
use https_client::HttpsClient;
use mail_types::{Domain, Secret};
use store::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use accounts::Accounts;
use accounts::pairing::{self, PairingTask, Setup};
use connections::limit::Door;
use connections::listeners::{self, Ports, Service};
use connections::rejection::Porch;
use mailboxes::changes::Changes;
use mailboxes::delivery::Delivery;
use mailboxes::expiry;
use mailboxes::memory::ViewRoom;
use mailboxes::recent::Recent;
use operation::{appliance, certificate_task, control, health};
use push::Notifier;
use runtime::blocking;
use runtime::counters::Counters;
use runtime::resources::Resources;
use runtime::tasks::{self, Afterwards, Life};
use web_backend::Server;

/// The variable that says how much is logged, as `tracing-subscriber` has it.
const LOG_VARIABLE: &str = "HEARTH_LOG";
/// Where the self-signed certificate and its key lie in the store's settings.
const IDENTITY_SETTING: &str = "tls.self-signed";
/// Where the secret behind session tickets lies in the store's settings.
const TICKET_SETTING: &str = "tls.tickets";
/// How long connections get to end when the server goes down.
const FAREWELL: Duration = Duration::from_secs(3);
/// Threads for connections: a box has four cores, and more threads only cost memory.
const WORKERS_LIMIT: usize = 4;

/// Who started the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// `hearth init`, at the other end of standard input and output.
    Appliance,
    /// Anybody else, on any machine.
    Machine,
}

/// Runs the server until it is told to stop.
///
/// # Errors
///
/// When the server cannot start: the store does not open, a port is taken, the certificate cannot be used.
pub fn run(config: Config, host: Host) -> anyhow::Result<()> {
    log();
    raise_file_limit();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, WORKERS_LIMIT);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(blocking::THREADS)
        .enable_all()
        .build()
        .context("starting the threads")?;
    runtime.block_on(serve(config, host))?;
    runtime.shutdown_timeout(FAREWELL);
    Ok(())
}

async fn serve(config: Config, host: Host) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let hang_up = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let running = start(config).await?;
    let pairing = running.server.pairing.clone();
    let (good, checks) = watch::channel(0);
    tokio::spawn(health::run(Arc::clone(&running.server), good));
    tokio::spawn(expiry::run(Arc::clone(&running.server)));
    tokio::spawn(certificate_task::run(Arc::clone(&running.server), hang_up));
    let link = async {
        match host {
            Host::Appliance => appliance::run(pairing, checks, tokio::io::stdin(), tokio::io::stdout()).await,
            Host::Machine => {
                appliance::show_on_terminal(pairing.watch()).await;
                std::future::pending().await
            }
        }
    };
    tokio::select! {
        () = link => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

/// A server at work.
pub(crate) struct Running {
    /// What its connections share.
    pub(crate) server: Arc<Server>,
    shutdown: watch::Sender<bool>,
    afterwards: Afterwards,
}

impl Running {
    /// Tells everybody, and gives connections a moment to end.
    pub(crate) async fn stop(self) {
        // Nobody to tell is fine too.
        let _ = self.shutdown.send(true);
        if tokio::time::timeout(FAREWELL, self.afterwards.come()).await.is_err() {
            tracing::warn!("some connections did not end in time and are cut off");
        }
        for file in
            [self.server.config.control_socket(), self.server.config.run_directory().join("ports.json")]
        {
            // What is left over does no harm: the next start replaces it.
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Brings a server up; when this returns every port answers.
pub(crate) async fn start(config: Config) -> anyhow::Result<Running> {
    let run = config.run_directory();
    make_directories(&[&config.state_directory, &run])?;
    let (store, report) = open_store(&config).await?;
    for damage in &report.damage {
        tracing::error!(damage, "the store was damaged and has been repaired");
    }
    let changes = Changes::default();
    let told = changes.clone();
    store.on_change(Box::new(move |_, mailbox| told.happened(mailbox)));
    let recent = Recent::since_now(&store).context("the mailboxes could not be listed")?;
    let control = control::bind(&config.control_socket())?;
    let listeners = listeners::bind(&config)?;
    let ports = listeners::ports(&listeners)?;
    let tls = tls_settings(&config, &store)?;
    let vouched_for = tls.is_vouched_for();
    let certificate = if vouched_for { web::Certificate::Trusted } else { web::Certificate::SelfSigned };

    let setup = pairing_setup(&config, &store, &ports)?;
    let endpoint = pairing::endpoint(&setup, &setup.addresses);
    let (pairing_task, pairing) = PairingTask::new(setup);
    let resources = Resources::new(&config, store.clone());
    let connections = Resources::connections(config.limits.connections);
    if connections < config.limits.connections {
        tracing::info!(connections, "fewer connections than configured, for the machine's memory");
    }
    let domains = domains(&config, &store)?;
    let counters = Arc::new(Counters::new(clock::wall()));
    let accounts = Accounts::new(
        &config,
        domains.clone(),
        store.clone(),
        resources.clone(),
        pairing.clone(),
        Arc::clone(&counters),
    )?;
    let (shutdown, stopping) = watch::channel(false);
    let (life, afterwards) = tasks::begin();
    let notifier = start_notifier(&config, &store, &counters, stopping.clone(), life.clone())?;
    let server = Arc::new(Server {
        accounts,
        delivery: Delivery::new(&config, domains, store.clone(), notifier.clone(), Arc::clone(&counters)),
        changes,
        recent,
        views: ViewRoom::new(Resources::views()),
        pairing,
        door: Door::new(connections, config.limits.connections_per_address),
        porch: Porch::default(),
        resources,
        imap: Arc::new(::imap::Settings {
            message_size: config.limits.message_size,
            push: if notifier.is_some() { ::imap::Push::Offered } else { ::imap::Push::Off },
            ..::imap::Settings::default()
        }),
        smtp: submission_settings(&config),
        site: Arc::new(site(&config, certificate, endpoint, &ports)),
        notifier,
        counters,
        shutdown: stopping,
        guesses: Mutex::default(),
        connections_so_far: AtomicU64::new(0),
        tls,
        ports,
        store,
        config,
    });
    tokio::spawn(pairing_task.run());
    tokio::spawn(control::run(control, Arc::clone(&server), life.clone()));
    for listener in listeners {
        tokio::spawn(listeners::accept(listener, Arc::clone(&server), life.clone()));
    }
    listeners::write_ports(&server.ports, &run.join("ports.json"))?;
    for (service, addresses) in &server.ports {
        tracing::info!(?service, ?addresses, "listening");
    }
    Ok(Running { server, shutdown, afterwards })
}

fn make_directories(directories: &[&Path]) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    // Mail is nobody else's business.
    builder.recursive(true).mode(0o700);
    for directory in directories {
        builder.create(directory).with_context(|| {
            format!("making the directory {} (state_directory in the configuration)", directory.display())
        })?;
    }
    Ok(())
}

async fn open_store(config: &Config) -> anyhow::Result<(Store, store::OpenReport)> {
    let directory = config.state_directory.join("store");
    let opened = blocking::run(move || Store::open(directory)).await?;
    opened.context("opening the store")
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

fn tls_settings(config: &Config, store: &Store) -> anyhow::Result<tls::TlsSettings> {
    let fresh = Secret::new(entropy::bytes::<{ tls::SECRET_LENGTH }>()?);
    let secret = store.setting_or_insert(TICKET_SETTING, fresh).context("keeping the key of TLS tickets")?;
    let tickets = Arc::new(tls::Tickets::new(secret.expose(), clock::wall));
    if let Tls::Files { certificate, key } = &config.tls {
        return tls::from_files(certificate, key, tickets);
    }
    let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let kept = store.setting(IDENTITY_SETTING);
    let names = certificate_task::own_names(config, &host_name);
    let (settings, to_keep) = tls::self_signed(&names, kept.as_ref().map(Secret::expose), tickets)?;
    if let Some(identity) = to_keep {
        store.set_setting(IDENTITY_SETTING, Some(Secret::new(identity))).context("keeping the TLS key")?;
    }
    Ok(settings)
}

fn pairing_setup(config: &Config, store: &Store, ports: &Ports) -> anyhow::Result<Setup> {
    Ok(Setup {
        domain: config.domain.clone(),
        registration: config.registration,
        host: config.pairing.host.clone(),
        imaps_port: config.pairing.imap_port.unwrap_or(port(ports, Service::Imaps, 993)),
        submissions_port: config.pairing.smtp_port.unwrap_or(port(ports, Service::Submissions, 465)),
        accounts: store.accounts().context("counting the accounts")?.len(),
        addresses: own_addresses(ports),
    })
}

/// The port of a service, or of the one that stands in for it by ALPN, or the usual one.
fn port(ports: &Ports, service: Service, usual: u16) -> u16 {
    listened(ports, service).or_else(|| listened(ports, Service::Https)).unwrap_or(usual)
}

/// The port of a service, if it listens.
fn listened(ports: &Ports, service: Service) -> Option<u16> {
    ports.get(&service).and_then(|addresses| addresses.first()).map(SocketAddr::port)
}

/// Where clients may find this machine: what the sockets are bound to, or else the address it would use to go out.
fn own_addresses(ports: &Ports) -> Vec<IpAddr> {
    let bound = ports.get(&Service::Imaps).or_else(|| ports.get(&Service::Https));
    let bound: Vec<IpAddr> = bound.into_iter().flatten().map(SocketAddr::ip).collect();
    if bound.iter().any(|address| !address.is_unspecified()) {
        return bound.into_iter().filter(|address| !address.is_unspecified()).collect();
    }
    // Connecting a datagram socket sends nothing; it only chooses the way to an address that is nobody's (RFC 5737).
    let way_out = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    way_out.map(|address| vec![address.ip()]).unwrap_or_default()
}

/// Starts what wakes phones, if the owner wants it.
fn start_notifier(
    config: &Config,
    store: &Store,
    counters: &Arc<Counters>,
    stopping: watch::Receiver<bool>,
    life: Life,
) -> anyhow::Result<Option<Arc<Notifier>>> {
    let Some(service) = config.push.service.clone() else { return Ok(None) };
    let roots = https_client::roots(config.push.roots.as_deref()).context("trusting push.roots")?;
    if roots.is_empty() && service.scheme_str() == Some("https") {
        tracing::warn!(
            "this machine has no root certificates, so no notification will be sent; install ca-certificates"
        );
    }
    let client = HttpsClient::new(roots).context("preparing push notifications")?;
    let notifier = Arc::new(Notifier::default());
    let work = push::Work::new(Arc::clone(&notifier), store.clone(), Arc::clone(counters), client, service);
    tokio::spawn(work.run(stopping, life));
    Ok(Some(notifier))
}

fn submission_settings(config: &Config) -> smtp::Settings {
    let mut settings = smtp::Settings::new(config.domain.to_string());
    settings.message_limit = config.limits.message_size;
    settings.recipient_limit = usize::try_from(config.limits.recipients).unwrap_or(usize::MAX);
    settings
}

fn site(config: &Config, certificate: web::Certificate, endpoint: Endpoint, ports: &Ports) -> web::Site {
    web::Site {
        domain: config.domain.to_string(),
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
        sends_per_minute: config.limits.sends_per_minute,
        registration: config.registration,
        expiry: config.expiry,
        about: config.about.clone(),
        push_host: config.push.service.as_ref().and_then(|service| service.host()).map(str::to_owned),
    }
}

fn log() {
    let filter = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| "info".to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A second server in one process keeps the first one's log.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
}

/// A connection is a file: without this the usual 1024 would be less than the limits allow.
fn raise_file_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised) {
        tracing::warn!(%error, "the number of open files stays limited");
    }
}
