//! Reads the lines of `ipc` from an asynchronous stream.

use std::io;

use ipc::lines::{Line, LineSplitter};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// The lines of a stream, at most so many bytes each.
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    splitter: LineSplitter,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of at most `limit` bytes.
    pub(crate) fn new(reader: R, limit: usize) -> Self {
        Self { reader: BufReader::new(reader), splitter: LineSplitter::new(limit) }
    }

    /// The next line; none at the stream's end. Cancelled, it loses nothing.
    ///
    /// # Errors
    ///
    /// When the stream cannot be read.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                return Ok(self.splitter.finish());
            }
            let (taken, line) = self.splitter.push(available);
            AsyncBufReadExt::consume(&mut self.reader, taken);
            if line.is_some() {
                return Ok(line);
            }
        }
    }
}
