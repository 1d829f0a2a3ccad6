//! The measurements. What they need (accounts, logged-in connections, mail in mailboxes) is there before the clock
//! starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use test_support::tls::Connector;
use test_support::{Imap, Smtp};
use tokio::sync::Barrier;
use tokio::task::{AbortHandle, JoinSet};

use crate::accounts::{Account, Accounts};
use crate::message;
use crate::processes::Processes;
use crate::report::Row;
use crate::stream::{Stream, connect};

/// Bytes of a benchmark message, about.
const MESSAGE: usize = 10_000;
/// Accounts that idle connections are spread over.
const IDLE_ACCOUNTS: usize = 100;
/// Setting up goes so many steps at once.
const PREPARING: usize = 8;
/// The pause between two looks at the server's memory.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// A server that takes longer than this for one step has failed.
pub(crate) const STEP_LIMIT: Duration = Duration::from_secs(120);

/// The number of operations, in all and at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) number: usize,
    pub(crate) concurrency: usize,
}

/// Connections that do nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) number: usize,
    /// Messages in everybody's INBOX.
    pub(crate) mail: usize,
    /// The time for which they are watched.
    pub(crate) watched: Duration,
}

/// Large messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mass {
    pub(crate) number: usize,
    pub(crate) size: usize,
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
    accounts: Accounts,
    processes: Processes,
    body: String,
}

/// A client that submits, and one that waits for it in IDLE.
struct Pair {
    sender: Account,
    receiver: Account,
    smtp: Smtp<Stream>,
    imap: Imap<Stream>,
}

/// The clock and the server's CPU time at the start.
pub(crate) struct Start {
    time: Instant,
    cpu: f64,
    watch: Option<Watch>,
}

/// Looks at the server's memory again and again; ends when it is dropped.
struct Watch {
    /// The largest proportional set size that was seen, in kB.
    most: Arc<AtomicU64>,
    task: AbortHandle,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bench {
    pub(crate) fn new(imap: &str, smtp: &str, accounts: Accounts, processes: Processes) -> Result<Self> {
        let (imap, smtp, body) = (imap.to_owned(), smtp.to_owned(), message::body(MESSAGE));
        let connector = Connector::tls13()?;
        Ok(Self { server: Arc::new(Server { connector, imap, smtp, accounts, processes, body }) })
    }

    /// Whether a first login makes an account.
    pub(crate) fn makes_accounts(&self) -> bool {
        self.server.accounts.are_made()
    }

    /// First logins.
    pub(crate) async fn accounts(&self, load: Load) -> Result<Row> {
        ensure!(self.makes_accounts(), "the server was said to have its accounts already");
        self.steps("new account (first IMAP login)", load, |bench, number| async move {
            bench.imap(&bench.server.accounts.new_one(number)).await?.logout().await
        })
        .await
    }

    /// Logins to accounts that exist, as many accounts as are at once.
    pub(crate) async fn logins(&self, load: Load) -> Result<Row> {
        self.prepare(load.concurrency, 0).await?;
        self.steps("IMAP login + SELECT + logout", load, |bench, number| async move {
            let account = bench.server.accounts.numbered(number % load.concurrency);
            let mut imap = bench.imap(&account).await?;
            imap.select().await?;
            imap.logout().await
        })
        .await
    }

    /// Pairs of a sender and a receiver, one message at a time each.
    pub(crate) async fn deliver(&self, load: Load) -> Result<Row> {
        let what = format!("10 kB: sent, fetched by IDLE, deleted; {} pairs", load.concurrency);
        self.pairs(&what, load, Self::take_turns).await
    }

    /// Pairs that do not wait for each other.
    pub(crate) async fn burst(&self, load: Load) -> Result<Row> {
        let what = format!("the same, {} senders that do not wait", load.concurrency);
        self.pairs(&what, load, Self::do_not_wait).await
    }

    /// One pair alone.
    pub(crate) async fn latency(&self, load: Load) -> Result<Row> {
        let what = "10 kB: from the end of DATA to fetched; one pair";
        self.pairs(what, Load { concurrency: 1, ..load }, Self::take_turns).await
    }

    /// Connections that wait; memory is read while they do.
    pub(crate) async fn idle(&self, waiting: Waiting) -> Result<Row> {
        self.prepare(waiting.number.min(IDLE_ACCOUNTS), waiting.mail).await?;
        let start = self.start();
        let mut connections = Vec::with_capacity(waiting.number);
        for number in 0..waiting.number {
            let mut imap = self.imap(&self.one_of_the_crowd(number)).await?;
            imap.select().await?;
            imap.idle().await?;
            connections.push(imap);
        }
        let what = match waiting.mail {
            0 => "connections in IDLE".to_owned(),
            mail => format!("connections in IDLE, {mail} messages each"),
        };
        self.at_rest().await?;
        let row = self.row(&what, waiting.number, &start);
        let resting = self.start();
        tokio::time::sleep(waiting.watched).await;
        Ok(row.idle(self.server.processes.cpu_milliseconds() - resting.cpu, waiting.watched))
    }

    /// Messages that are all half sent at one moment; gives the most memory that the server ever used meanwhile.
    pub(crate) async fn large(&self, mass: Mass) -> Result<Row> {
        self.prepare(mass.number.min(IDLE_ACCOUNTS), 0).await?;
        self.server.processes.forget_peak();
        let start = self.start();
        let body: Arc<str> = message::body(mass.size).into();
        let half_sent = Arc::new(Barrier::new(mass.number));
        let mut senders = JoinSet::new();
        for number in 0..mass.number {
            let (bench, body, half_sent) = (self.clone(), Arc::clone(&body), Arc::clone(&half_sent));
            senders.spawn(async move { bench.send_large(number, &body, &half_sent).await });
        }
        while let Some(sender) = senders.join_next().await {
            sender??;
        }
        let what = format!("messages of {} kB, all half sent at once", mass.size / 1000);
        Ok(self.row(&what, mass.number, &start).peak(self.server.processes.memory()))
    }

    async fn send_large(&self, number: usize, body: &str, half_sent: &Barrier) -> Result<()> {
        let account = self.one_of_the_crowd(number);
        let address = account.address.as_str();
        let mut smtp = self.smtp(&account).await?;
        smtp.begin(address, &[address]).await?;
        smtp.text(&message::header(address, address, number)).await?;
        let (first, second) = body.split_at_checked(body.len() / 2).context("the body is not ASCII")?;
        smtp.text(first).await?;
        half_sent.wait().await;
        smtp.text(second).await?;
        smtp.text(message::END).await?;
        smtp.taken().await
    }

    async fn pairs<F, S>(&self, what: &str, load: Load, play: F) -> Result<Row>
    where
        F: Fn(Self, Pair, usize) -> S,
        S: Future<Output = Result<Vec<Duration>>> + Send + 'static,
    {
        self.prepare(load.concurrency * 2, 0).await?;
        let mut pairs = Vec::with_capacity(load.concurrency);
        for number in 0..load.concurrency {
            pairs.push(self.pair(number).await?);
        }
        let each = load.number.div_ceil(load.concurrency);
        let start = self.start();
        let mut playing = JoinSet::new();
        for pair in pairs {
            playing.spawn(play(self.clone(), pair, each));
        }
        let mut latencies = Vec::with_capacity(load.number);
        while let Some(pair) = playing.join_next().await {
            latencies.extend(pair??);
        }
        Ok(self.row(what, each * load.concurrency, &start).latencies(latencies))
    }

    async fn pair(&self, number: usize) -> Result<Pair> {
        let account = |number| self.server.accounts.numbered(number);
        let (sender, receiver) = (account(number * 2), account(number * 2 + 1));
        let mut imap = self.imap(&receiver).await?;
        imap.select().await?;
        let smtp = self.smtp(&sender).await?;
        Ok(Pair { sender, receiver, smtp, imap })
    }

    /// Each message is sent when the last is deleted; gives how long each took from the end of DATA to fetched.
    async fn take_turns(self, mut pair: Pair, messages: usize) -> Result<Vec<Duration>> {
        let mut latencies = Vec::with_capacity(messages);
        for number in 0..messages {
            pair.imap.idle().await?;
            pair.send(&self.server.body, number).await?;
            let sent = now();
            let fetch = async {
                pair.imap.wait_for_mail().await?;
                let fetched = pair.imap.fetch_all().await?;
                Ok((fetched, now() - sent))
            };
            let both = async { tokio::try_join!(pair.smtp.taken(), fetch) };
            let ((), (fetched, latency)) = in_time(both).await?;
            ensure!(fetched.messages == 1, "{} messages where one was sent", fetched.messages);
            latencies.push(latency);
            let left = pair.imap.delete(&fetched).await?;
            ensure!(left == 0, "{left} messages are left after all were deleted");
        }
        Ok(latencies)
    }

    /// The sender sends as fast as the server takes, the receiver fetches and deletes what is there.
    async fn do_not_wait(self, pair: Pair, messages: usize) -> Result<Vec<Duration>> {
        let Pair { sender, receiver, mut smtp, mut imap } = pair;
        let send = async {
            for number in 0..messages {
                send(&mut smtp, &sender, &receiver, &self.server.body, number).await?;
                in_time(smtp.taken()).await?;
            }
            Ok::<_, anyhow::Error>(())
        };
        let receive = async {
            let (mut taken, mut there) = (0, 0);
            while taken < messages {
                if there == 0 {
                    if imap.idle().await? {
                        imap.leave_idle().await?;
                    } else {
                        in_time(imap.wait_for_mail()).await?;
                    }
                }
                let fetched = imap.fetch_all().await?;
                taken += fetched.messages;
                there = imap.delete(&fetched).await?;
            }
            Ok(())
        };
        tokio::try_join!(send, receive)?;
        Ok(Vec::new())
    }

    /// Makes the accounts that are needed, puts mail into their mailboxes, and lets the server get to know them.
    async fn prepare(&self, accounts: usize, mail: usize) -> Result<()> {
        let load = Load { number: accounts, concurrency: PREPARING };
        self.steps("preparation", load, |bench, number| async move {
            let account = bench.server.accounts.numbered(number);
            let mut imap = bench.imap(&account).await?;
            let address = account.address.as_str();
            for number in imap.select().await?..mail {
                imap.append("INBOX", &(message::header(address, address, number) + &bench.server.body))
                    .await?;
            }
            imap.logout().await
        })
        .await?;
        Ok(())
    }

    /// Runs `number` steps, `concurrency` at once.
    async fn steps<F, S>(&self, what: &str, load: Load, step: F) -> Result<Row>
    where
        F: Fn(Self, usize) -> S,
        S: Future<Output = Result<()>> + Send + 'static,
    {
        let start = self.start();
        let mut running = JoinSet::new();
        for number in 0..load.number {
            if running.len() >= load.concurrency
                && let Some(done) = running.join_next().await
            {
                done??;
            }
            running.spawn(in_time(step(self.clone(), number)));
        }
        while let Some(done) = running.join_next().await {
            done??;
        }
        Ok(self.row(what, load.number, &start))
    }

    /// The accounts of a crowd.
    pub(crate) async fn prepare_crowd(&self, number: usize) -> Result<()> {
        self.prepare(number.min(IDLE_ACCOUNTS), 0).await
    }

    /// The account of the connection of this number in a crowd.
    pub(crate) fn one_of_the_crowd(&self, number: usize) -> Account {
        self.server.accounts.numbered(number % IDLE_ACCOUNTS)
    }

    pub(crate) async fn imap(&self, account: &Account) -> Result<Imap<Stream>> {
        let stream = connect(&self.server.connector, &self.server.imap).await?;
        Imap::login(stream, STEP_LIMIT, &account.address, &account.password).await
    }

    pub(crate) async fn smtp(&self, account: &Account) -> Result<Smtp<Stream>> {
        let stream = connect(&self.server.connector, &self.server.smtp).await?;
        Smtp::login(stream, STEP_LIMIT, &account.address, &account.password).await
    }

    /// Waits until the server has taken in what was sent: memory that is read earlier is too little.
    pub(crate) async fn at_rest(&self) -> Result<()> {
        tokio::time::timeout(STEP_LIMIT, self.server.processes.rest()).await.context("the server never rests")
    }

    pub(crate) fn start(&self) -> Start {
        Start { cpu: self.server.processes.cpu_milliseconds(), time: now(), watch: None }
    }

    /// A start from which on memory is looked at all the time: servers of many short processes have no peak to ask for.
    pub(crate) fn watch(&self) -> Start {
        let (most, processes) = (Arc::new(AtomicU64::new(0)), self.server.processes.clone());
        let seen = Arc::clone(&most);
        let watching = tokio::spawn(async move {
            loop {
                seen.fetch_max(processes.memory().proportional, Ordering::Relaxed);
                tokio::time::sleep(WATCH_INTERVAL).await;
            }
        });
        Start { watch: Some(Watch { most, task: watching.abort_handle() }), ..self.start() }
    }

    pub(crate) fn row(&self, what: &str, number: usize, start: &Start) -> Row {
        let row = Row::new(what, number).time(now() - start.time);
        let memory = self.server.processes.memory();
        if memory.proportional == 0 {
            return row;
        }
        let row = row.cpu(self.server.processes.cpu_milliseconds() - start.cpu).memory(memory);
        match &start.watch {
            Some(watch) => row.most(watch.most.load(Ordering::Relaxed).max(memory.proportional)),
            None => row,
        }
    }
}

impl Pair {
    async fn send(&mut self, body: &str, number: usize) -> Result<()> {
        send(&mut self.smtp, &self.sender, &self.receiver, body, number).await
    }
}

/// Sends a whole message, up to the end of DATA.
async fn send(
    smtp: &mut Smtp<Stream>,
    from: &Account,
    to: &Account,
    body: &str,
    number: usize,
) -> Result<()> {
    let (from, to) = (from.address.as_str(), to.address.as_str());
    smtp.begin(from, &[to]).await?;
    let text = [message::header(from, to, number).as_str(), body, message::END].concat();
    smtp.text(&text).await
}

pub(crate) async fn in_time<T>(step: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(STEP_LIMIT, step).await.context("a step timed out")?
}

#[expect(clippy::disallowed_methods, reason = "measuring time is what this program is for")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
