//! Output to the client, gathered until it is worth a system call, in order with all other actions for the driver.

use std::collections::VecDeque;
use std::ops::Range;

use crate::dialogue::Output;
use crate::limits;

/// Queue of outputs to the driver.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    gathered: Vec<u8>,
    outputs: VecDeque<Output>,
    /// Set by every write, cleared by `take_written`.
    written: bool,
}

impl Writer {
    /// Writes text.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Writes bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.written = true;
        self.gathered.extend_from_slice(bytes);
    }

    /// Appends a range of the open message, which the driver copies.
    pub(crate) fn message(&mut self, range: Range<u64>) {
        self.push(Output::SendMessage(range));
    }

    /// Adds an action behind everything written so far.
    pub(crate) fn push(&mut self, output: Output) {
        self.flush();
        self.outputs.push_back(output);
    }

    /// Adds a question. Text below a chunk may wait behind it, because more text follows the answer.
    pub(crate) fn ask(&mut self, output: Output) {
        if !self.outputs.is_empty() || self.gathered.len() >= limits::OUTPUT_CHUNK_BYTES {
            self.flush();
        }
        self.outputs.push_back(output);
    }

    /// Queues the gathered text, however short.
    pub(crate) fn flush(&mut self) {
        if !self.gathered.is_empty() {
            let gathered = std::mem::take(&mut self.gathered);
            self.outputs.push_back(Output::Send(gathered));
        }
    }

    /// The next action, or a chunk of text.
    pub(crate) fn next(&mut self) -> Option<Output> {
        if self.outputs.is_empty() && self.gathered.len() >= limits::OUTPUT_CHUNK_BYTES {
            self.flush();
        }
        self.outputs.pop_front()
    }

    /// True if anything was written since the last call.
    pub(crate) fn take_written(&mut self) -> bool {
        std::mem::take(&mut self.written)
    }
}
