//! As much of a submission client (RFC 6409), and of a server that sends (RFC 5321), as tests and measurements need.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::client::TlsStream;

use crate::tls::Connector;
use crate::{Lines, sasl_plain};

/// A logged-in submission connection, or one between servers. A reply that is not the one hoped for is the error.
pub struct Smtp<S> {
    lines: Lines<S>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Smtp<TlsStream<T>> {
    /// A connection as another server opens it: the greeting, STARTTLS (RFC 3207), and no login.
    pub async fn relay(stream: T, silence: Duration, connector: &Connector) -> Result<Self> {
        let mut clear = Smtp { lines: Lines::new(stream, silence) };
        clear.expect('2').await?;
        clear.command("EHLO source.test", '2').await?;
        clear.command("STARTTLS", '2').await?;
        let stream = connector.secure(clear.lines.into_stream()).await?;
        let mut smtp = Self { lines: Lines::new(stream, silence) };
        smtp.command("EHLO source.test", '2').await?;
        Ok(smtp)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Smtp<S> {
    /// Takes the greeting and logs in. The server may be silent for so long.
    pub async fn login(stream: S, silence: Duration, user: &str, password: &str) -> Result<Self> {
        let mut smtp = Self { lines: Lines::new(stream, silence) };
        smtp.expect('2').await?;
        smtp.command("EHLO [127.0.0.1]", '2').await?;
        smtp.command(&format!("AUTH PLAIN {}", sasl_plain(user, password)), '2').await?;
        Ok(smtp)
    }

    /// Begins a message, pipelined as Delta Chat does it; afterwards its text is expected.
    pub async fn begin(&mut self, from: &str, to: &[&str]) -> Result<()> {
        let recipients: String = to.iter().map(|to| format!("RCPT TO:<{to}>\r\n")).collect();
        self.lines.send(format!("MAIL FROM:<{from}>\r\n{recipients}DATA\r\n")).await?;
        for class in std::iter::repeat_n('2', 1 + to.len()).chain(['3']) {
            self.expect(class).await?;
        }
        Ok(())
    }

    /// Sends a part of the text, which holds no line that begins with a dot.
    pub async fn text(&mut self, text: &str) -> Result<()> {
        self.lines.send(text).await
    }

    /// Waits until the server has taken the message, whose end was sent.
    pub async fn taken(&mut self) -> Result<()> {
        self.expect('2').await
    }

    /// Submits a whole message, whose text ends with a line end.
    pub async fn submit(&mut self, from: &str, to: &[&str], message: &str) -> Result<()> {
        self.begin(from, to).await?;
        self.text(&format!("{message}.\r\n")).await?;
        self.taken().await
    }

    async fn command(&mut self, command: &str, class: char) -> Result<()> {
        self.lines.send(format!("{command}\r\n")).await?;
        self.expect(class).await
    }

    /// Takes one reply, which must be of this class (RFC 5321 section 4.2.1).
    async fn expect(&mut self, class: char) -> Result<()> {
        loop {
            let line = self.lines.line().await?;
            if !line.starts_with(class) {
                bail!("the server said: {line}");
            }
            if line.get(3..4) != Some("-") {
                return Ok(());
            }
        }
    }
}
