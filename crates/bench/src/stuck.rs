//! Clients that stop where a server holds the most for them: what a connection costs at its worst.

use anyhow::Result;
use clap::ValueEnum;

use crate::message;
use crate::report::Row;
use crate::runs::Bench;

/// Bytes of the message that is sent or fetched: more than any buffer on the way holds, the kernel's included.
const MESSAGE: usize = 12_000_000;
/// Bytes of a command that never ends: what servers take at least.
const COMMAND: usize = 60_000;

/// The point at which a client stops.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Stuck {
    /// In the middle of a message that it sends.
    Sending,
    /// In the middle of a message that it fetches.
    Fetching,
    /// In the middle of a long IMAP command.
    Command,
}

/// Clients that stop at the same point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) number: usize,
    pub(crate) stuck: Stuck,
    /// Bytes of a message that were sent when a sender stops.
    pub(crate) sent: usize,
}

impl Bench {
    /// Connections that are all stuck at one moment; memory is read then.
    pub(crate) async fn stuck(&self, crowd: Crowd) -> Result<Row> {
        match crowd.stuck {
            Stuck::Sending => self.stuck_sending(crowd).await,
            Stuck::Fetching => self.stuck_fetching(crowd).await,
            Stuck::Command => self.stuck_in_a_command(crowd).await,
        }
    }

    async fn stuck_sending(&self, crowd: Crowd) -> Result<Row> {
        self.prepare_crowd(crowd.number).await?;
        let start = self.start();
        let body = message::body(crowd.sent);
        let mut connections = Vec::with_capacity(crowd.number);
        for number in 0..crowd.number {
            let account = self.one_of_the_crowd(number);
            let address = account.address.as_str();
            let mut smtp = self.smtp(&account).await?;
            smtp.begin(address, &[address]).await?;
            smtp.text(&message::header(address, address, number)).await?;
            smtp.text(&body).await?;
            connections.push(smtp);
        }
        self.at_rest().await?;
        Ok(self.row("connections stuck while they send a message", crowd.number, &start))
    }

    /// All of them fetch the same message.
    async fn stuck_fetching(&self, crowd: Crowd) -> Result<Row> {
        self.prepare_crowd(1).await?;
        let account = self.one_of_the_crowd(0);
        let address = account.address.as_str();
        let mut imap = self.imap(&account).await?;
        if imap.select().await? == 0 {
            imap.append("INBOX", &(message::header(address, address, 0) + &message::body(MESSAGE))).await?;
        }
        let start = self.start();
        let mut connections = vec![imap];
        for _ in 0..crowd.number {
            let mut imap = self.imap(&account).await?;
            imap.select().await?;
            imap.begin("FETCH 1 BODY.PEEK[]\r\n").await?;
            connections.push(imap);
        }
        self.at_rest().await?;
        Ok(self.row("connections stuck while they fetch a message", crowd.number, &start))
    }

    async fn stuck_in_a_command(&self, crowd: Crowd) -> Result<Row> {
        self.prepare_crowd(crowd.number).await?;
        let start = self.start();
        let part = format!("SEARCH TEXT \"{}", "x".repeat(COMMAND));
        let mut connections = Vec::with_capacity(crowd.number);
        for number in 0..crowd.number {
            let mut imap = self.imap(&self.one_of_the_crowd(number)).await?;
            imap.begin(&part).await?;
            connections.push(imap);
        }
        self.at_rest().await?;
        Ok(self.row("connections stuck in a long command", crowd.number, &start))
    }
}
