//! The measurements.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::task::JoinSet;

use crate::clients::{Account, Imap, Smtp};
use crate::message;
use crate::processes::Processes;
use crate::report::Row;
use crate::stream::Connector;

/// Bytes of a benchmark message, about.
const MESSAGE: usize = 10_000;
/// A server that takes longer than this for one step has failed.
const STEP_LIMIT: Duration = Duration::from_secs(120);

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) number: usize,
    pub(crate) concurrency: usize,
}

/// A server to measure.
#[derive(Clone)]
pub(crate) struct Bench {
    server: Arc<Server>,
}

struct Server {
    connector: Connector,
    imap: String,
    smtp: String,
    domain: String,
    processes: Processes,
    run: u64,
}

impl Bench {
    pub(crate) fn new(imap: &str, smtp: &str, domain: &str, processes: Processes) -> Result<Self> {
        // Names that no earlier run has used.
        let run = std::fs::read_to_string("/proc/uptime").context("reading /proc/uptime")?;
        let run =
            run.bytes().filter(u8::is_ascii_digit).fold(u64::from(std::process::id()), |hash, digit| {
                hash.wrapping_mul(31).wrapping_add(u64::from(digit))
            });
        let (imap, smtp, domain) = (imap.to_owned(), smtp.to_owned(), domain.to_owned());
        Ok(Self {
            server: Arc::new(Server { connector: Connector::new()?, imap, smtp, domain, processes, run }),
        })
    }

    /// First logins.
    pub(crate) async fn accounts(&self, load: Load) -> Result<Row> {
        self.measure("new account (first IMAP login)", load, |bench, number| async move {
            bench.imap(&bench.account("n", number)).await?.logout().await
        })
        .await
    }

    /// Logins to accounts that exist, as many accounts as are at once.
    pub(crate) async fn logins(&self, load: Load) -> Result<Row> {
        for number in 0..load.concurrency {
            self.imap(&self.account("l", number)).await?.logout().await?;
        }
        self.measure("IMAP login + SELECT + logout", load, |bench, number| async move {
            let mut imap = bench.imap(&bench.account("l", number % load.concurrency)).await?;
            imap.command("SELECT \"INBOX\"").await?;
            imap.logout().await
        })
        .await
    }

    /// Pairs of a sender and a receiver in IDLE, one message at a time each.
    pub(crate) async fn deliver(&self, load: Load) -> Result<Row> {
        let each = load.number.div_ceil(load.concurrency);
        let whole = Load { number: each * load.concurrency, concurrency: load.concurrency };
        let start = self.reading();
        let mut pairs = JoinSet::new();
        for pair in 0..load.concurrency {
            let bench = self.clone();
            pairs.spawn(async move { bench.pair(pair, each).await });
        }
        while let Some(pair) = pairs.join_next().await {
            pair??;
        }
        Ok(self.row("message of 10 kB, submitted and fetched by IDLE", whole, &start, &[]))
    }

    async fn pair(&self, pair: usize, messages: usize) -> Result<Vec<Duration>> {
        let (sender, receiver) = (self.account("s", pair), self.account("r", pair));
        let mut imap = self.imap(&receiver).await?;
        imap.command("SELECT \"INBOX\"").await?;
        let connector = &self.server.connector;
        let mut smtp = Smtp::login(connector, &self.server.smtp, &sender).await?;
        let mut latencies = Vec::with_capacity(messages);
        for number in 0..messages {
            imap.idle().await?;
            let number = (pair * messages + number) as u64;
            let text = message::encrypted(&sender.address, &receiver.address, MESSAGE, number);
            smtp.send(&sender.address, &receiver.address, &text).await?;
            let sent = now();
            let taken =
                tokio::time::timeout(STEP_LIMIT, imap.take_mail()).await.context("waiting for mail")??;
            if taken != 1 {
                bail!("{taken} messages where one was sent");
            }
            latencies.push(now() - sent);
        }
        Ok(latencies)
    }

    /// One pair alone.
    pub(crate) async fn latency(&self, load: Load) -> Result<Row> {
        let load = Load { concurrency: 1, ..load };
        let start = self.reading();
        let mut latencies = self.pair(1_000, load.number).await?;
        latencies.sort();
        Ok(self.row("from 250 to fetched and deleted, one at a time", load, &start, &latencies))
    }

    /// Connections that wait; memory is read while they do.
    pub(crate) async fn idle(&self, load: Load) -> Result<Row> {
        let start = self.reading();
        let mut connections = Vec::with_capacity(load.number);
        for number in 0..load.number {
            let mut imap = self.imap(&self.account("i", number % 100)).await?;
            imap.command("SELECT \"INBOX\"").await?;
            imap.idle().await?;
            connections.push(imap);
        }
        Ok(self.row("connections in IDLE", load, &start, &[]))
    }

    /// Runs `number` steps, `concurrency` at once.
    async fn measure<F, S>(&self, what: &'static str, load: Load, step: F) -> Result<Row>
    where
        F: Fn(Self, usize) -> S,
        S: Future<Output = Result<()>> + Send + 'static,
    {
        let start = self.reading();
        let mut running = JoinSet::new();
        for number in 0..load.number {
            if running.len() >= load.concurrency
                && let Some(done) = running.join_next().await
            {
                done??;
            }
            let step = step(self.clone(), number);
            running.spawn(async move {
                tokio::time::timeout(STEP_LIMIT, step).await.context("a step timed out")?
            });
        }
        while let Some(done) = running.join_next().await {
            done??;
        }
        Ok(self.row(what, load, &start, &[]))
    }

    async fn imap(&self, account: &Account) -> Result<Imap> {
        Imap::login(&self.server.connector, &self.server.imap, account).await
    }

    /// Nine letters and digits, unlike those of other runs.
    fn account(&self, group: &str, number: usize) -> Account {
        let name = format!("{group}{:04x}{number:04x}", self.server.run & 0xffff);
        Account {
            address: format!("{name}@{}", self.server.domain),
            password: format!("{name}-{name}-{name}"),
        }
    }

    fn reading(&self) -> (Instant, f64) {
        (now(), self.server.processes.cpu_milliseconds())
    }

    fn row(&self, what: &'static str, load: Load, start: &(Instant, f64), latencies: &[Duration]) -> Row {
        let (begun, cpu) = *start;
        let cpu = self.server.processes.cpu_milliseconds() - cpu;
        Row::new(what, load, now() - begun, cpu, self.server.processes.memory(), latencies)
    }
}

#[expect(clippy::disallowed_methods, reason = "measuring time is what this program is for")]
fn now() -> Instant {
    Instant::now()
}
