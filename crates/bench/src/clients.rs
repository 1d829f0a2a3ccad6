//! The two clients that the load is made of: as much IMAP and submission as a phone speaks.

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::stream::{Connector, Lines};

/// Somebody with an account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) address: String,
    pub(crate) password: String,
}

/// A logged-in IMAP connection.
pub(crate) struct Imap {
    lines: Lines,
}

impl Imap {
    pub(crate) async fn login(connector: &Connector, server: &str, account: &Account) -> Result<Self> {
        let mut imap = Self { lines: connector.connect(server).await? };
        imap.lines.line().await?;
        imap.command(&format!("LOGIN \"{}\" \"{}\"", account.address, account.password)).await?;
        Ok(imap)
    }

    /// Sends a command and reads up to its tagged OK; gives the untagged lines.
    pub(crate) async fn command(&mut self, command: &str) -> Result<Vec<String>> {
        self.lines.send(&format!("a {command}\r\n")).await?;
        let mut untagged = Vec::new();
        loop {
            let line = self.lines.line().await?;
            if let Some(rest) = line.strip_prefix("a ") {
                if rest.starts_with("OK") {
                    return Ok(untagged);
                }
                bail!("{}: {}", command.split(' ').next().unwrap_or_default(), rest.trim_end());
            }
            if let Some(length) = literal(&line) {
                self.lines.skip(length).await?;
            }
            untagged.push(line);
        }
    }

    /// Enters IDLE; the mailbox is selected.
    pub(crate) async fn idle(&mut self) -> Result<()> {
        self.lines.send("i IDLE\r\n").await?;
        while !self.lines.line().await?.starts_with('+') {}
        Ok(())
    }

    /// Waits in IDLE for mail, leaves IDLE, fetches everything, deletes it; gives how many there were.
    pub(crate) async fn take_mail(&mut self) -> Result<usize> {
        while !self.lines.line().await?.trim_end().ends_with(" EXISTS") {}
        self.lines.send("DONE\r\n").await?;
        while !self.lines.line().await?.starts_with("i OK") {}
        let fetched = self.command("UID FETCH 1:* (FLAGS BODY.PEEK[])").await?;
        let messages = fetched.iter().filter(|line| literal(line).is_some()).count();
        self.command("UID STORE 1:* +FLAGS (\\Deleted)").await?;
        self.command("CLOSE").await?;
        self.command("SELECT \"INBOX\"").await?;
        Ok(messages)
    }

    pub(crate) async fn logout(mut self) -> Result<()> {
        self.command("LOGOUT").await.map(drop)
    }
}

fn literal(line: &str) -> Option<usize> {
    let (_, length) = line.trim_end().strip_suffix('}')?.rsplit_once('{')?;
    length.parse().ok()
}

/// A logged-in submission connection.
pub(crate) struct Smtp {
    lines: Lines,
}

impl Smtp {
    pub(crate) async fn login(connector: &Connector, server: &str, account: &Account) -> Result<Self> {
        let mut smtp = Self { lines: connector.connect(server).await? };
        smtp.expect('2').await?;
        smtp.lines.send("EHLO [127.0.0.1]\r\n").await?;
        smtp.expect('2').await?;
        let token = STANDARD.encode(format!("\0{}\0{}", account.address, account.password));
        smtp.lines.send(&format!("AUTH PLAIN {token}\r\n")).await?;
        smtp.expect('2').await?;
        Ok(smtp)
    }

    /// Sends one message, pipelined as Delta Chat does it; returns when the server has taken it.
    pub(crate) async fn send(&mut self, from: &str, to: &str, message: &str) -> Result<()> {
        self.lines.send(&format!("MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\n")).await?;
        for class in ['2', '2', '3'] {
            self.expect(class).await?;
        }
        self.lines.send(&format!("{message}.\r\n")).await?;
        self.expect('2').await
    }

    async fn expect(&mut self, class: char) -> Result<()> {
        loop {
            let line = self.lines.line().await?;
            if !line.starts_with(class) {
                bail!("the server said: {}", line.trim_end());
            }
            if line.get(3..4) != Some("-") {
                return Ok(());
            }
        }
    }
}
