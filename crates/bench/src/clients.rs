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

    /// Sends a command, or a part of one, and reads nothing.
    pub(crate) async fn begin(&mut self, command: &str) -> Result<()> {
        self.lines.send(&format!("s {command}")).await
    }

    /// Opens the INBOX; gives how many messages are in it.
    pub(crate) async fn select(&mut self) -> Result<usize> {
        let told = self.command("SELECT \"INBOX\"").await?;
        Ok(told.iter().rev().find_map(|line| exists(line)).unwrap_or(0))
    }

    /// Enters IDLE; the mailbox is selected. Gives whether mail was announced on the way.
    pub(crate) async fn idle(&mut self) -> Result<bool> {
        self.lines.send("i IDLE\r\n").await?;
        let mut announced = false;
        loop {
            let line = self.lines.line().await?;
            if line.starts_with('+') {
                return Ok(announced);
            }
            announced |= exists(&line) > Some(0);
        }
    }

    /// Waits in IDLE for mail, and leaves IDLE.
    pub(crate) async fn wait_for_mail(&mut self) -> Result<()> {
        while exists(&self.lines.line().await?).is_none() {}
        self.leave_idle().await
    }

    pub(crate) async fn leave_idle(&mut self) -> Result<()> {
        self.lines.send("DONE\r\n").await?;
        while !self.lines.line().await?.starts_with("i OK") {}
        Ok(())
    }

    /// Fetches everything.
    pub(crate) async fn fetch_all(&mut self) -> Result<Fetched> {
        let told = self.command("UID FETCH 1:* (FLAGS BODY.PEEK[])").await?;
        let messages: Vec<&String> = told.iter().filter(|line| literal(line).is_some()).collect();
        let last_uid = messages.iter().filter_map(|line| uid(line)).max().unwrap_or(0);
        Ok(Fetched { messages: messages.len(), last_uid })
    }

    /// Deletes what was fetched and opens the INBOX again; gives how many messages are in it.
    pub(crate) async fn delete(&mut self, fetched: &Fetched) -> Result<usize> {
        if fetched.messages > 0 {
            let flag = format!("UID STORE 1:{} +FLAGS.SILENT (\\Deleted)", fetched.last_uid);
            self.command(&flag).await?;
        }
        self.command("CLOSE").await?;
        self.select().await
    }

    /// Adds a message to the INBOX.
    pub(crate) async fn append(&mut self, message: &str) -> Result<()> {
        self.lines.send(&format!("p APPEND \"INBOX\" {{{}}}\r\n", message.len())).await?;
        while !self.lines.line().await?.starts_with('+') {}
        self.lines.send(&format!("{message}\r\n")).await?;
        loop {
            let line = self.lines.line().await?;
            match line.strip_prefix("p ") {
                Some(rest) if rest.starts_with("OK") => return Ok(()),
                Some(rest) => bail!("APPEND: {}", rest.trim_end()),
                None => {}
            }
        }
    }

    pub(crate) async fn logout(mut self) -> Result<()> {
        self.command("LOGOUT").await.map(drop)
    }
}

/// What was fetched at once.
pub(crate) struct Fetched {
    pub(crate) messages: usize,
    last_uid: u32,
}

/// `* 3 EXISTS`
fn exists(line: &str) -> Option<usize> {
    line.strip_prefix("* ")?.trim_end().strip_suffix(" EXISTS")?.parse().ok()
}

/// `* 1 FETCH (UID 7 ...`
fn uid(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("UID ")?;
    rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
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

    /// Begins a message, pipelined as Delta Chat does it; afterwards its text is expected.
    pub(crate) async fn begin(&mut self, from: &str, to: &str) -> Result<()> {
        self.lines.send(&format!("MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\n")).await?;
        for class in ['2', '2', '3'] {
            self.expect(class).await?;
        }
        Ok(())
    }

    /// Sends a part of the text, which holds no line that begins with a dot.
    pub(crate) async fn text(&mut self, text: &str) -> Result<()> {
        self.lines.send(text).await
    }

    /// Waits until the server has taken the message, whose end was sent.
    pub(crate) async fn taken(&mut self) -> Result<()> {
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
