//! Mail for other servers: submitted by clients, taken by the sink.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use test_support::Smtp;
use tokio::task::JoinSet;

use super::taken::Taken;
use super::{MESSAGE, SinkPlace, Way, sink};
use crate::accounts::Account;
use crate::message;
use crate::report::Row;
use crate::runs::{Bench, Load, STEP_LIMIT, in_time, now};
use crate::stream::Stream;

/// Messages that are to leave.
#[derive(Clone, Debug)]
pub(crate) struct Departures {
    pub(crate) way: Way,
    pub(crate) sink: SinkPlace,
    /// A domain whose mail host is the sink, as are those below it.
    pub(crate) domain: String,
    /// The number of domains below it that messages go to; 0 for itself alone.
    pub(crate) destinations: usize,
    pub(crate) load: Load,
    /// Messages to put into the queue before, for a server that is away.
    pub(crate) queued: usize,
    /// The domain of that server.
    pub(crate) dead: Option<String>,
}

/// A client and its account.
struct Client {
    account: Account,
    smtp: Smtp<Stream>,
}

impl Bench {
    /// Mail for other servers; ends when the sink has taken all of it.
    pub(crate) async fn outbound(&self, departures: Departures) -> Result<Vec<Row>> {
        let taken = sink::open(&departures.sink, departures.way).await?;
        let load = departures.load;
        self.prepare_crowd(load.concurrency).await?;
        let mut clients = Vec::new();
        for number in 0..load.concurrency {
            let account = self.one_of_the_crowd(number);
            clients.push(Client { smtp: self.smtp(&account).await?, account });
        }
        let mut rows = Vec::new();
        if let Some(dead) = departures.dead.as_ref().filter(|_| departures.queued > 0) {
            let number = departures.queued;
            let start = self.watch();
            clients = submit(clients, number, &|_| dead.clone()).await?;
            rows.push(self.row("4 kB queued for a server that is away", number, &start));
        }
        self.at_rest().await?;
        let start = self.watch();
        let recipients = |number: usize| departures.recipient_domain(number);
        let (clients, sent) = if load.number == 0 {
            (clients, Vec::new())
        } else if load.concurrency == 1 || departures.queued > 0 {
            self.one_by_one(clients, load.number, &recipients, &taken).await?
        } else {
            (submit(clients, load.number, &recipients).await?, Vec::new())
        };
        tokio::time::timeout(STEP_LIMIT, taken.reach(load.number))
            .await
            .with_context(|| format!("only {} of {} messages arrived", taken.count(), load.number))?;
        self.at_rest().await?;
        rows.push(self.row(&departures.what(), load.number, &start).latencies(sent));
        ensure!(
            taken.count() == load.number,
            "{} messages arrived, {} were sent",
            taken.count(),
            load.number
        );
        drop(clients);
        Ok(rows)
    }

    /// One message after the other; gives how long each took from the end of DATA to the sink.
    async fn one_by_one(
        &self,
        mut clients: Vec<Client>,
        number: usize,
        domain: &impl Fn(usize) -> String,
        taken: &Taken,
    ) -> Result<(Vec<Client>, Vec<Duration>)> {
        let mut latencies = Vec::with_capacity(number);
        let client = clients.first_mut().context("there is no client")?;
        let body = message::body(MESSAGE);
        for number in 0..number {
            client.send(&format!("ben@{}", domain(number)), &body, number).await?;
            let sent = now();
            let arrival = async {
                taken.reach(number + 1).await;
                Ok(now() - sent)
            };
            let ((), latency) = in_time(async { tokio::try_join!(client.smtp.taken(), arrival) }).await?;
            latencies.push(latency);
        }
        Ok((clients, latencies))
    }
}

/// Submits a number of messages over all connections, each as fast as the server takes them.
async fn submit(
    clients: Vec<Client>,
    number: usize,
    domain: &impl Fn(usize) -> String,
) -> Result<Vec<Client>> {
    let count = clients.len();
    let mut submitting = JoinSet::new();
    for (first, mut client) in clients.into_iter().enumerate() {
        let share: Vec<(usize, String)> =
            (first..number).step_by(count).map(|number| (number, domain(number))).collect();
        submitting.spawn(async move {
            let body = message::body(MESSAGE);
            for (number, domain) in share {
                client.send(&format!("ben@{domain}"), &body, number).await?;
                in_time(client.smtp.taken()).await?;
            }
            Ok::<_, anyhow::Error>(client)
        });
    }
    let mut clients = Vec::with_capacity(count);
    while let Some(client) = submitting.join_next().await {
        clients.push(client??);
    }
    Ok(clients)
}

impl Client {
    /// Sends a whole message, up to the end of DATA.
    async fn send(&mut self, to: &str, body: &str, number: usize) -> Result<()> {
        let from = self.account.address.as_str();
        self.smtp.begin(from, &[to]).await?;
        let text = [message::header(from, to, number).as_str(), body, message::END].concat();
        self.smtp.text(&text).await
    }
}

impl Departures {
    fn recipient_domain(&self, number: usize) -> String {
        match number.checked_rem(self.destinations) {
            Some(number) => format!("d{number}.{}", self.domain),
            None => self.domain.clone(),
        }
    }

    fn what(&self) -> String {
        let (way, clients) = (self.way.name(), self.load.concurrency);
        match (self.destinations, self.queued) {
            (0, 0) => format!("4 kB out over {way}, {clients} clients"),
            (0, _) => format!("4 kB out over {way} after them, one by one"),
            (destinations, _) => {
                format!("4 kB out over {way}, {clients} clients, {destinations} destinations")
            }
        }
    }
}
