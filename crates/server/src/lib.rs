//! The mail server: opens the store, binds the sockets, starts the tasks, and ends them in order.
//!
//! ```text
//! connections ─► router ─► imap / submission / federation ─► mail_services ─► accounts, mailboxes, push ─► runtime, store
//!                   └────► web_backend                              operation looks at all of it, by `Observed`
//! ```
//!
//! `assembly.rs` is the only file that names every folder; arrows between folders point down only.
#![forbid(unsafe_code)]

mod accounts;
mod assembly;
mod connections;
mod federation;
mod imap;
mod mail_services;
mod mailboxes;
mod naming;
mod operation;
mod push;
mod router;
mod runtime;
mod submission;
#[cfg(test)]
mod tests;
mod web_backend;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use config::{Base, Config, Finding};
use ipc::appliance::ToInit;
use tokio::io::Stdin;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};

use assembly::{Prepared, Running, SHUTDOWN_LIMIT, Storage};
use naming::{OwnerSettings, Taken};
use operation::appliance::{self, InitLink};
use operation::health;
use runtime::blocking;
use runtime::true_clock::TrueClock;
use runtime::tunnel::KnownTunnel;

/// The variable that says how much is logged, as `tracing-subscriber` has it.
const LOG_VARIABLE: &str = "HEARTH_LOG";
/// The parts of the resolver library: their warnings have names of others' domains. The variable can ask for them by name.
const SILENT: &str = "hickory_net=off,hickory_proto=off,hickory_resolver=off";
/// Threads for connections: a box has four cores, and more threads only cost memory.
const WORKERS_LIMIT: usize = 4;

/// The process at the other end of standard input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// `hearth init`, which speaks the messages of `ipc::appliance`.
    Appliance,
    /// None: the server runs on an ordinary machine.
    Machine,
}

/// Runs the server until it is told to stop. `config` is `base` alone, and says where the store is; the owner's settings lie
/// over `base`, and those of the card are read from the file that `hearth init` writes.
///
/// # Errors
///
/// When the server cannot start: the store does not open, a port is taken, the certificate cannot be used.
pub fn run(base: Base, config: &Config, host: Host, owner_file: Option<PathBuf>) -> anyhow::Result<()> {
    log();
    raise_file_limit();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, WORKERS_LIMIT);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(blocking::THREADS)
        .enable_all()
        .build()
        .context("starting the threads")?;
    runtime.block_on(serve(base, config, host, owner_file))?;
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    Ok(())
}

async fn serve(base: Base, config: &Config, host: Host, owner_file: Option<PathBuf>) -> anyhow::Result<()> {
    let mut signals = StopSignals::listen()?;
    let storage = Storage::open(config).await?;
    let owner = Arc::new(OwnerSettings::new(base, storage.store.clone()));
    let restart = Arc::new(Notify::new());
    let clock = match host {
        Host::Appliance => TrueClock::of_box(),
        Host::Machine => TrueClock::of_machine(),
    };
    let tunnel = KnownTunnel::default();
    let mut link = Link::open(host, clock.clone(), tunnel.clone());
    let owner_trouble = take_owner_file(&owner, owner_file, &link).await?;
    loop {
        let (config, trouble) = resolve(&owner)?;
        let (owner, storage, restart) = (Arc::clone(&owner), storage.clone(), Arc::clone(&restart));
        let owner_trouble = owner_trouble.clone().or(trouble);
        let (clock, tunnel, restart_by_owner) = (clock.clone(), tunnel.clone(), Arc::clone(&restart));
        let prepared =
            Prepared { config, storage, owner, clock, tunnel, owner_trouble, restart: restart_by_owner };
        let running = assembly::start(prepared).await?;
        let (good, checks) = watch::channel(0);
        running.spawn(health::run(Arc::clone(running.observed()), good));
        running.spawn_periodic(signal(SignalKind::hangup()).context("listening for SIGHUP")?);
        let stop = tokio::select! {
            () = link.speak(&running, checks) => true,
            () = signals.next() => true,
            () = restart.notified() => false,
        };
        tracing::info!("{}", if stop { "stopping" } else { "starting anew with other settings" });
        running.stop().await;
        if stop {
            return Ok(());
        }
    }
}

/// The configuration with the owner's settings, and the sentence about those that cannot be used.
fn resolve(owner: &OwnerSettings) -> anyhow::Result<(Config, Option<String>)> {
    let (config, findings) = owner.resolve().map_err(in_words)?;
    for finding in &findings {
        tracing::warn!(%finding, "the owner's settings");
    }
    Ok((config, OwnerSettings::trouble(&findings)))
}

/// Takes over the card's file and tells init; returns the sentence for the screen.
async fn take_owner_file(
    owner: &Arc<OwnerSettings>,
    file: Option<PathBuf>,
    link: &Link,
) -> anyhow::Result<Option<String>> {
    let Some(path) = file else { return Ok(None) };
    let owner = Arc::clone(owner);
    let taken = blocking::run(move || {
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let file = serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        owner.take_file(&file)
    })
    .await?;
    match taken {
        Ok(Taken { result, trouble }) => {
            link.say(ToInit::OwnerFile(result.bounded())).await;
            Ok(trouble)
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the card's settings cannot be taken over");
            Ok(None)
        }
    }
}

fn in_words(findings: Vec<Finding>) -> anyhow::Error {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    anyhow::anyhow!("{}", lines.join("\n"))
}

/// The signals that end the server.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        Ok(Self { terminate, interrupt })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The screen's side: init's, or this terminal.
enum Link {
    Init(InitLink<Stdin>),
    Terminal,
}

impl Link {
    fn open(host: Host, clock: TrueClock, tunnel: KnownTunnel) -> Self {
        match host {
            Host::Appliance => {
                Self::Init(InitLink::new(tokio::io::stdin(), tokio::io::stdout(), clock, tunnel))
            }
            Host::Machine => Self::Terminal,
        }
    }

    async fn say(&self, message: ToInit) {
        if let Self::Init(link) = self {
            link.say(message).await;
        }
    }

    /// Serves the screen. Returns when init says stop, or is gone.
    async fn speak(&mut self, running: &Running, checks: watch::Receiver<u64>) {
        let pairing = running.observed().pairing.clone();
        match self {
            Self::Init(link) => link.run(pairing, checks).await,
            Self::Terminal => {
                appliance::show_on_terminal(pairing.watch()).await;
                std::future::pending().await
            }
        }
    }
}

fn log() {
    let filter = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| "info".to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(format!("{SILENT},{filter}"))
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(format!("{SILENT},info")));
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
