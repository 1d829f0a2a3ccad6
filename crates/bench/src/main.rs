//! Load generator and measurements against any chatmail server, by host and port.
//!
//! It speaks plain IMAP and submission over full TLS 1.3 handshakes, and reads the server's CPU time and memory from
//! `/proc` when told which processes are the server. It knows nothing of our server's inside: peers are measured by
//! the same program in the same run.

mod accounts;
mod compare;
mod federation;
mod message;
mod processes;
mod report;
mod runs;
mod stream;
mod stuck;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use accounts::Accounts;
use federation::{Author, Departures, Letters, SinkPlace, Way};
use processes::Processes;
use report::Row;
use runs::{Bench, Load, Mass, Waiting};
use stuck::{Crowd, Stuck};

/// Measures a chatmail server.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  bench measure --imap 127.0.0.1:9993 --smtp 127.0.0.1:9465 --domain hearth.test --process hearth all
  bench measure --imap 127.0.0.1:993 --smtp 127.0.0.1:465 --domain chat.test --tree $(cat master.pid) \\
      --prefix bench --password secret --json deliver -n 500 > reference.json
  bench compare hearth=hearth.json reference=reference.json

Exit status: 0 measured; 1 trouble."
)]
enum Cli {
    /// Puts load on a server and prints what it cost.
    Measure(Box<Measure>),
    /// Prints the results of several servers side by side.
    Compare {
        /// A column's heading and what `measure --json` printed.
        #[arg(value_name = "NAME=FILE", required = true, value_parser = named_file)]
        results: Vec<(String, PathBuf)>,
    },
}

#[derive(Debug, Args)]
struct Measure {
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
    /// A process of the server, which counts with all its descendants; may be repeated.
    #[arg(long = "tree", value_name = "PID")]
    trees: Vec<u32>,
    /// Accounts that exist: this, then four digits from 0000 on (100 of them for usual sizes). Without it, the server
    /// must let new accounts in, with names of nine letters and digits.
    #[arg(long, value_name = "NAME", requires = "password")]
    prefix: Option<String>,
    /// The password of all of them.
    #[arg(long, requires = "prefix")]
    password: Option<String>,
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
    /// The measurement.
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Clone, Debug, Subcommand)]
enum Measurement {
    /// First logins, each of which creates an account.
    Accounts(Size),
    /// Logins to accounts that exist.
    Login(Size),
    /// Messages of 10 kB: submitted by one, fetched by IDLE by the other, deleted; the next when the last is gone.
    Deliver(Size),
    /// The same without waiting for the other: how much goes through.
    Burst(Size),
    /// From the end of DATA to the message in the other's hands, one at a time.
    Latency(Size),
    /// Connections that wait in IDLE.
    Idle(Idle),
    /// Large messages, all of them half sent at the same moment.
    Large(Large),
    /// Clients that stop in the middle of something: what a connection costs at its worst.
    Stuck(StuckClients),
    /// Messages of 4 kB for other servers, all of which are a sink that this program opens.
    Outbound(Outbound),
    /// Messages of 4 kB from another server, signed, into one mailbox.
    Inbound(Inbound),
    /// The three about messages, with usual sizes.
    Messages,
    /// All of them but the large and the stuck ones, with usual sizes.
    All,
}

#[derive(Clone, Copy, Debug, Args)]
struct Size {
    /// The number of operations.
    #[arg(short = 'n', long, default_value_t = 200)]
    number: usize,
    /// The number of operations at once.
    #[arg(short = 'c', long, default_value_t = 8)]
    concurrency: usize,
}

#[derive(Clone, Copy, Debug, Args)]
struct Idle {
    /// The number of connections.
    #[arg(short = 'n', long, default_value_t = 100)]
    number: usize,
    /// Messages in everybody's INBOX.
    #[arg(long, default_value_t = 0)]
    mail: usize,
    /// Seconds to watch them do nothing.
    #[arg(long, default_value_t = 0)]
    seconds: u64,
}

#[derive(Clone, Copy, Debug, Args)]
struct Large {
    /// The number of messages.
    #[arg(short = 'n', long, default_value_t = 50)]
    number: usize,
    /// Bytes of each, about.
    #[arg(long, default_value_t = 30_000_000)]
    size: usize,
}

#[derive(Clone, Copy, Debug, Args)]
struct StuckClients {
    /// The point at which they stop.
    #[arg(value_enum)]
    stuck: Stuck,
    /// The number of clients.
    #[arg(short = 'n', long, default_value_t = 200)]
    number: usize,
    /// Bytes of a message that senders sent before they stop.
    #[arg(long, default_value_t = 90_000)]
    sent: usize,
}

#[derive(Clone, Debug, Args)]
struct Outbound {
    #[command(flatten)]
    size: Size,
    /// The protocol that the sink speaks.
    #[arg(value_enum)]
    way: Way,
    /// The sink's address and port.
    #[arg(long, value_name = "ADDRESS:PORT")]
    sink: SocketAddr,
    /// The sink's certificate chain (PEM).
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The domain whose mail host is the sink.
    #[arg(long, value_name = "DOMAIN")]
    to: String,
    /// Spread the messages over so many domains below it: d0, d1 and so on.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    destinations: usize,
    /// Put so many messages into the queue first, for a domain whose server is away.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "dead")]
    queued: usize,
    /// That domain.
    #[arg(long, value_name = "DOMAIN")]
    dead: Option<String>,
}

#[derive(Clone, Debug, Args)]
struct Inbound {
    #[command(flatten)]
    size: Size,
    /// The protocol that the messages come by.
    #[arg(value_enum)]
    way: Way,
    /// Host and port of the server for it.
    #[arg(long, value_name = "HOST:PORT")]
    server: String,
    /// The domain of the authors.
    #[arg(long, value_name = "DOMAIN")]
    from: String,
    /// The selector of its DKIM key, whose record the server finds in the DNS.
    #[arg(long, value_name = "NAME", default_value = "bench")]
    selector: String,
    /// The key (PKCS#1 or PKCS#8, DER).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

impl From<Outbound> for Departures {
    fn from(order: Outbound) -> Self {
        let Outbound { size, way, sink: address, certificate, key, to, destinations, queued, dead } = order;
        let sink = SinkPlace { address, certificate, key };
        Self { way, sink, domain: to, destinations, load: size.into(), queued, dead }
    }
}

impl From<Inbound> for Letters {
    fn from(order: Inbound) -> Self {
        let Inbound { size, way, server, from: domain, selector, key } = order;
        Self { way, server, author: Author { domain, selector, key }, load: size.into() }
    }
}

impl From<Size> for Load {
    fn from(size: Size) -> Self {
        Self { number: size.number, concurrency: size.concurrency.max(1) }
    }
}

impl From<Idle> for Waiting {
    fn from(idle: Idle) -> Self {
        Self { number: idle.number, mail: idle.mail, watched: Duration::from_secs(idle.seconds) }
    }
}

fn main() -> ExitCode {
    let outcome = match Cli::parse() {
        Cli::Measure(order) => measure(&order),
        Cli::Compare { results } => compare::print(&results),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::trouble(&error);
            ExitCode::FAILURE
        }
    }
}

fn measure(order: &Measure) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(async {
        let processes = Processes::new(&order.processes, &order.trees);
        let accounts = match (&order.prefix, &order.password) {
            (Some(prefix), Some(password)) => Accounts::existing(prefix, password, &order.domain),
            _ => Accounts::fresh(&order.domain)?,
        };
        let bench = Bench::new(&order.imap, &order.smtp, accounts, processes)?;
        Ok::<_, anyhow::Error>(match order.measurement.clone() {
            Measurement::Accounts(size) => vec![bench.accounts(size.into()).await?],
            Measurement::Login(size) => vec![bench.logins(size.into()).await?],
            Measurement::Deliver(size) => vec![bench.deliver(size.into()).await?],
            Measurement::Burst(size) => vec![bench.burst(size.into()).await?],
            Measurement::Latency(size) => vec![bench.latency(size.into()).await?],
            Measurement::Idle(idle) => vec![bench.idle(idle.into()).await?],
            Measurement::Large(large) => {
                vec![bench.large(Mass { number: large.number, size: large.size }).await?]
            }
            Measurement::Stuck(StuckClients { stuck, number, sent }) => {
                vec![bench.stuck(Crowd { number, stuck, sent }).await?]
            }
            Measurement::Outbound(outbound) => bench.outbound(outbound.into()).await?,
            Measurement::Inbound(inbound) => vec![bench.inbound(inbound.into()).await?],
            Measurement::Messages => messages(&bench).await?,
            Measurement::All => all(&bench).await?,
        })
    })?;
    report::print(&rows, order.json)
}

async fn all(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let waiting = |number, seconds| Waiting { number, mail: 0, watched: Duration::from_secs(seconds) };
    let mut rows = vec![bench.idle(waiting(0, 0)).await?];
    if bench.makes_accounts() {
        rows.push(bench.accounts(usual(100)).await?);
    }
    rows.push(bench.logins(usual(1000)).await?);
    rows.extend(messages(bench).await?);
    rows.push(bench.idle(waiting(100, 0)).await?);
    rows.push(bench.idle(waiting(1000, 20)).await?);
    Ok(rows)
}

async fn messages(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    Ok(vec![
        bench.deliver(usual(1000)).await?,
        bench.burst(usual(2000)).await?,
        bench.latency(usual(100)).await?,
    ])
}

fn usual(number: usize) -> Load {
    Load { number, concurrency: 8 }
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.rsplit_once('=').ok_or("expected NAME=FILE")?;
    Ok((name.to_owned(), PathBuf::from(file)))
}
