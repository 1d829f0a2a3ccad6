//! A client that follows a script: it sends lines and expects lines, and panics at the caller's place otherwise.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::Lines;

/// Longer than any answer takes on a busy machine.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// A script's end of a connection.
pub struct Script<S> {
    lines: Lines<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Script<S> {
    /// A connection at its beginning.
    pub fn new(stream: S) -> Self {
        Self { lines: Lines::new(stream, SILENCE_LIMIT) }
    }

    /// Sends a line.
    pub async fn send(&mut self, line: &str) {
        self.raw(format!("{line}\r\n").as_bytes()).await;
    }

    /// Sends bytes as they are.
    pub async fn raw(&mut self, bytes: &[u8]) {
        self.lines.send(bytes).await.unwrap();
    }

    /// The next line without its end; none when the server has closed the connection.
    pub async fn next(&mut self) -> Option<String> {
        match self.lines.line().await {
            Ok(line) => Some(line),
            Err(error) if error.is::<tokio::time::error::Elapsed>() => panic!("{error:#}"),
            // A connection that breaks is closed too.
            Err(_) => None,
        }
    }

    /// The next line without its end; empty when the server has closed the connection.
    pub async fn line(&mut self) -> String {
        self.next().await.unwrap_or_default()
    }

    /// The next line, which must begin like this.
    #[track_caller]
    pub fn expect<'a>(&'a mut self, start: &'a str) -> impl Future<Output = String> + 'a {
        let caller = Location::caller();
        async move {
            let line = self.line().await;
            assert!(line.starts_with(start), "{caller}: expected {start:?}, got {line:?}");
            line
        }
    }

    /// All lines up to the one that begins like this, that one included.
    #[track_caller]
    pub fn until<'a>(&'a mut self, start: &'a str) -> impl Future<Output = Vec<String>> + 'a {
        let caller = Location::caller();
        async move {
            let mut lines = Vec::new();
            loop {
                let line = self.next().await;
                lines.push(line.unwrap_or_else(|| panic!("{caller}: closed before {start:?}: {lines:?}")));
                if lines.last().is_some_and(|line| line.starts_with(start)) {
                    return lines;
                }
            }
        }
    }

    /// The next bytes.
    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        self.lines.exactly(count).await.unwrap()
    }

    /// Sends one message by SMTP, whose text ends with a line end and holds no line that begins with a dot; gives the
    /// reply to the end of DATA.
    pub async fn submit(&mut self, from: &str, to: &[&str], message: &str) -> String {
        self.send(&format!("MAIL FROM:<{from}>")).await;
        self.expect("250 ").await;
        for recipient in to {
            self.send(&format!("RCPT TO:<{recipient}>")).await;
            self.expect("250 ").await;
        }
        self.send("DATA").await;
        self.expect("354 ").await;
        self.raw(format!("{message}.\r\n").as_bytes()).await;
        self.line().await
    }

    /// The stream below, to begin TLS on it.
    pub fn into_stream(self) -> S {
        self.lines.into_stream()
    }
}

/// The inside of a quoted string (RFC 3501 section 9, `quoted`).
#[must_use]
pub fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// The initial response of SASL PLAIN (RFC 4616) in base64.
#[must_use]
pub fn sasl_plain(user: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{user}\0{password}"))
}
