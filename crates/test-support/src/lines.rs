//! A connection that speaks in lines, with a limit on how long the other side may be silent.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// The longest line that is read, in bytes.
const LINE_LIMIT: u64 = 64 * 1024;

/// Lines over any stream.
pub struct Lines<S> {
    stream: BufReader<S>,
    silence: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lines<S> {
    /// A connection at its beginning, on which the other side may be silent for so long.
    pub fn new(stream: S, silence: Duration) -> Self {
        Self { stream: BufReader::new(stream), silence }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref()).await?;
        Ok(self.stream.get_mut().flush().await?)
    }

    /// The next line without its end; an error when the connection is over.
    pub async fn line(&mut self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.verbatim().await?).trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The next line with its end, byte for byte; the beginning of one that is too long.
    pub async fn verbatim(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(LINE_LIMIT);
        let read = tokio::time::timeout(self.silence, limited.read_until(b'\n', &mut line));
        if read.await.context("no line in time")?? == 0 {
            bail!("the server closed the connection");
        }
        Ok(line)
    }

    /// The next bytes.
    pub async fn exactly(&mut self, count: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        let read = tokio::time::timeout(self.silence, self.stream.read_exact(&mut bytes));
        read.await.context("too few bytes in time")??;
        Ok(bytes)
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        self.stream.get_ref()
    }

    /// The stream below, to speak something else on it; what was read ahead is lost.
    pub fn into_stream(self) -> S {
        self.stream.into_inner()
    }
}
