//! As much of an IMAP client (RFC 3501) as tests and measurements need.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::Lines;

/// An untagged response. Its literals stand beside it, so that nothing in them can be taken for a line of the protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The response without its literals, of which the lengths remain.
    pub text: String,
    /// The literals, in order.
    pub literals: Vec<Vec<u8>>,
}

/// A logged-in IMAP connection.
pub struct Imap<S> {
    lines: Lines<S>,
}

/// The result of [`Imap::fetch_all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The number of messages.
    pub messages: usize,
    last_uid: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Imap<S> {
    /// Takes the greeting and logs in; neither word holds a quote or a backslash. The server may be silent for so long.
    pub async fn login(stream: S, silence: Duration, user: &str, password: &str) -> Result<Self> {
        let mut imap = Self { lines: Lines::new(stream, silence) };
        imap.lines.line().await?;
        imap.command(&format!("LOGIN \"{user}\" \"{password}\"")).await?;
        Ok(imap)
    }

    /// Sends a command and gives the untagged responses before its `OK`. Literals in it need no invitation (RFC 7888).
    pub async fn command(&mut self, command: &str) -> Result<Vec<Response>> {
        self.lines.send(format!("a {command}\r\n")).await?;
        self.finish("a ", command).await
    }

    /// Sends a command and gives the untagged responses before its `OK`, byte for byte.
    pub async fn verbatim(&mut self, command: &str) -> Result<Vec<Vec<u8>>> {
        self.lines.send(format!("a {command}\r\n")).await?;
        let (mut responses, mut response) = (Vec::new(), Vec::new());
        loop {
            let line = self.lines.verbatim().await?;
            response.extend_from_slice(&line);
            let text = String::from_utf8_lossy(&line);
            if let Some(length) = text.strip_suffix("\r\n").and_then(literal) {
                response.extend(self.lines.exactly(length).await?);
            } else if response.starts_with(b"a OK") {
                return Ok(responses);
            } else if response.starts_with(b"a ") {
                bail!("{command}: {text}");
            } else if line.ends_with(b"\n") {
                responses.push(std::mem::take(&mut response));
            }
        }
    }

    /// Sends a command, or a part of one, and reads nothing.
    pub async fn begin(&mut self, command: &str) -> Result<()> {
        self.lines.send(format!("s {command}")).await
    }

    /// Opens the INBOX; gives how many messages are in it.
    pub async fn select(&mut self) -> Result<usize> {
        let responses = self.command("SELECT \"INBOX\"").await?;
        Ok(responses.iter().rev().find_map(|response| exists(&response.text)).unwrap_or(0))
    }

    /// Enters IDLE (RFC 2177); the mailbox is selected. Gives whether mail was announced on the way.
    pub async fn idle(&mut self) -> Result<bool> {
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
    pub async fn wait_for_mail(&mut self) -> Result<()> {
        while exists(&self.lines.line().await?).is_none() {}
        self.leave_idle().await
    }

    /// Leaves IDLE.
    pub async fn leave_idle(&mut self) -> Result<()> {
        self.lines.send("DONE\r\n").await?;
        self.finish("i ", "IDLE").await.map(drop)
    }

    /// Fetches every message of the open mailbox.
    pub async fn fetch_all(&mut self) -> Result<Fetched> {
        let responses = self.command("UID FETCH 1:* (FLAGS BODY.PEEK[])").await?;
        let messages = responses.iter().filter(|response| !response.literals.is_empty());
        let last_uid = messages.clone().filter_map(|message| uid(&message.text)).max().unwrap_or(0);
        Ok(Fetched { messages: messages.count(), last_uid })
    }

    /// Deletes what was fetched and opens the INBOX again; gives how many messages are in it.
    pub async fn delete(&mut self, fetched: &Fetched) -> Result<usize> {
        if fetched.messages > 0 {
            let flag = format!("UID STORE 1:{} +FLAGS.SILENT (\\Deleted)", fetched.last_uid);
            self.command(&flag).await?;
        }
        self.command("CLOSE").await?;
        self.select().await
    }

    /// Adds a message to a mailbox.
    pub async fn append(&mut self, mailbox: &str, message: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
        let message = message.as_ref();
        let command = format!("APPEND \"{mailbox}\" {{{}}}\r\n", message.len());
        self.lines.send(format!("a {command}")).await?;
        while !self.lines.line().await?.starts_with('+') {}
        self.lines.send([message, b"\r\n"].concat()).await?;
        self.finish("a ", &command).await.map(drop)
    }

    /// Logs out.
    pub async fn logout(mut self) -> Result<()> {
        self.command("LOGOUT").await.map(drop)
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        self.lines.get_ref()
    }

    /// The untagged responses up to the tagged `OK`; any other end is an error.
    async fn finish(&mut self, tag: &str, command: &str) -> Result<Vec<Response>> {
        let mut responses = Vec::new();
        loop {
            let response = self.response().await?;
            match response.text.strip_prefix(tag) {
                Some(rest) if rest.starts_with("OK") => return Ok(responses),
                Some(rest) => bail!("{}: {rest}", command.split(' ').next().unwrap_or_default()),
                None => responses.push(response),
            }
        }
    }

    async fn response(&mut self) -> Result<Response> {
        let mut response = Response::default();
        loop {
            response.text.push_str(&self.lines.line().await?);
            let Some(length) = literal(&response.text) else { return Ok(response) };
            response.literals.push(self.lines.exactly(length).await?);
        }
    }
}

/// `* 3 EXISTS`
fn exists(line: &str) -> Option<usize> {
    line.strip_prefix("* ")?.strip_suffix(" EXISTS")?.parse().ok()
}

/// `* 1 FETCH (UID 7 ...`
fn uid(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("UID ")?;
    rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// `... {42}` at the end of a line.
fn literal(line: &str) -> Option<usize> {
    let (_, length) = line.strip_suffix('}')?.rsplit_once('{')?;
    length.parse().ok()
}
