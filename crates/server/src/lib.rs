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
mod operation;
mod push;
mod router;
mod runtime;
mod submission;
#[cfg(test)]
mod tests;
mod web_backend;

use std::sync::Arc;

use anyhow::Context;
use config::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use assembly::{Running, SHUTDOWN_LIMIT};
use operation::{appliance, health};
use runtime::blocking;

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
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    Ok(())
}

async fn serve(config: Config, host: Host) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let hang_up = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let running = assembly::start(config).await?;
    let (good, checks) = watch::channel(0);
    running.spawn(health::run(Arc::clone(running.observed()), good));
    running.spawn_periodic(hang_up);
    tokio::select! {
        () = speak_with(host, &running, checks) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

/// Serves the screen: init's, or this terminal. Returns when init says stop, or is gone.
async fn speak_with(host: Host, running: &Running, checks: watch::Receiver<u64>) {
    let pairing = running.observed().pairing.clone();
    match host {
        Host::Appliance => appliance::run(pairing, checks, tokio::io::stdin(), tokio::io::stdout()).await,
        Host::Machine => {
            appliance::show_on_terminal(pairing.watch()).await;
            std::future::pending().await
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
