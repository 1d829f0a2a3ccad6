//! Load generator and measurements against any chatmail server, by host and port.
//!
//! It speaks plain IMAP and submission over full TLS 1.3 handshakes, and reads the server's CPU time and memory from
//! `/proc` when told which processes are the server. It knows nothing of our server's inside: peers are measured by
//! the same program in the same run.

mod clients;
mod message;
mod processes;
mod report;
mod runs;
mod stream;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use processes::Processes;
use runs::{Bench, Load};

/// Measures a chatmail server.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  bench --imap 127.0.0.1:9993 --smtp 127.0.0.1:9465 --domain hearth.test --process hearth all
  bench --imap 127.0.0.1:993 --smtp 127.0.0.1:465 --domain chat.test --process dovecot --process imap deliver -n 500

The server must let new accounts in, with names of nine letters or digits. Exit status: 0 measured; 1 trouble."
)]
struct Cli {
    /// Host and port of IMAP over TLS.
    #[arg(long, value_name = "HOST:PORT")]
    imap: String,
    /// Host and port of submission over TLS.
    #[arg(long, value_name = "HOST:PORT")]
    smtp: String,
    /// The mail domain.
    #[arg(long)]
    domain: String,
    /// Name of the server's processes (as in /proc/PID/comm), for CPU time and memory; may be repeated.
    #[arg(long = "process", value_name = "NAME")]
    processes: Vec<String>,
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
    /// What to measure.
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// First logins, each of which creates an account.
    Accounts(Size),
    /// Logins to accounts that exist.
    Login(Size),
    /// Messages of 10 kB: submitted by one, fetched by IDLE by the other.
    Deliver(Size),
    /// From the end of DATA to the message in the other's hands, one at a time.
    Latency(Size),
    /// Connections that wait in IDLE.
    Idle(Size),
    /// All of them, with usual sizes.
    All,
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct Size {
    /// How many.
    #[arg(short = 'n', long, default_value_t = 200)]
    number: usize,
    /// How many at once.
    #[arg(short = 'c', long, default_value_t = 8)]
    concurrency: usize,
}

impl From<Size> for Load {
    fn from(size: Size) -> Self {
        Self { number: size.number, concurrency: size.concurrency.max(1) }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match measure(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::trouble(&error);
            ExitCode::FAILURE
        }
    }
}

fn measure(cli: &Cli) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let processes = Processes::named(&cli.processes);
        let bench = Bench::new(&cli.imap, &cli.smtp, &cli.domain, processes)?;
        let load = |number| Load { number, concurrency: 8 };
        let rows = match cli.command {
            Command::Accounts(size) => vec![bench.accounts(size.into()).await?],
            Command::Login(size) => vec![bench.logins(size.into()).await?],
            Command::Deliver(size) => vec![bench.deliver(size.into()).await?],
            Command::Latency(size) => vec![bench.latency(size.into()).await?],
            Command::Idle(size) => vec![bench.idle(size.into()).await?],
            Command::All => vec![
                bench.idle(load(0)).await?,
                bench.accounts(load(200)).await?,
                bench.logins(load(400)).await?,
                bench.deliver(load(400)).await?,
                bench.latency(load(50)).await?,
                bench.idle(load(100)).await?,
                bench.idle(load(1000)).await?,
            ],
        };
        report::print(&rows, cli.json)
    })
}
