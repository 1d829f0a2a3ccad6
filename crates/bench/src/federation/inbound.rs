//! Mail from another server, into one mailbox.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use test_support::tls::Connector;
use test_support::{Lines, Smtp};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

use super::{Author, Way, post};
use crate::report::Row;
use crate::runs::{Bench, Load, STEP_LIMIT, in_time};
use crate::stream::connect;

/// Letters to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Letters {
    pub(crate) way: Way,
    /// Host and port of the measured server.
    pub(crate) server: String,
    pub(crate) author: Author,
    pub(crate) load: Load,
}

/// A connection of the other server.
enum Link {
    Smtp(Smtp<TlsStream<TcpStream>>),
    Https(Lines<TlsStream<TcpStream>>),
}

impl Bench {
    /// Mail from elsewhere, into one mailbox; ends when all of it lies there.
    pub(crate) async fn inbound(&self, letters: Letters) -> Result<Row> {
        let Letters { way, server, author, load } = letters;
        self.prepare_crowd(1).await?;
        let account = self.one_of_the_crowd(0);
        let there = self.imap(&account).await?.select().await?;
        let mut waiting = author.letters(&account.address, load.number)?;
        let route: Arc<(String, String)> = Arc::new((author.address(), account.address.clone()));
        let mut links = Vec::new();
        for _ in 0..load.concurrency {
            links.push(Link::open(way, &server).await?);
        }
        self.at_rest().await?;
        let start = self.watch();
        let mut sending = JoinSet::new();
        let each = load.number.div_ceil(load.concurrency);
        for mut link in links {
            let share = waiting.split_off(waiting.len().saturating_sub(each));
            let route = Arc::clone(&route);
            sending.spawn(async move {
                for letter in share {
                    in_time(link.send((&route.0, &route.1), &letter)).await?;
                }
                Ok::<_, anyhow::Error>(link)
            });
        }
        let mut links = Vec::new();
        while let Some(sent) = sending.join_next().await {
            links.push(sent??);
        }
        // Some servers deliver what they have taken a little later.
        self.at_rest().await?;
        let what = format!("4 kB in over {}, {} connections", way.name(), load.concurrency);
        let row = self.row(&what, load.number, &start);
        let arrived = self.imap(&account).await?.select().await? - there;
        ensure!(arrived == load.number, "{arrived} of {} letters arrived", load.number);
        Ok(row)
    }
}

impl Link {
    async fn open(way: Way, server: &str) -> Result<Self> {
        let connector = Connector::tls13()?;
        Ok(match way {
            Way::Smtp => {
                let stream =
                    TcpStream::connect(server).await.with_context(|| format!("connecting to {server}"))?;
                stream.set_nodelay(true)?;
                Self::Smtp(Smtp::relay(stream, STEP_LIMIT, &connector).await?)
            }
            Way::Https => Self::Https(Lines::new(connect(&connector, server).await?, STEP_LIMIT)),
        })
    }

    async fn send(&mut self, (from, to): (&str, &str), letter: &str) -> Result<()> {
        match self {
            Self::Smtp(smtp) => smtp.submit(from, &[to], letter).await,
            Self::Https(lines) => post::post(lines, "bench.test", (from, to), letter).await,
        }
    }
}
