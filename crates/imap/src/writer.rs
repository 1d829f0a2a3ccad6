//! What is said to the client, gathered until it is worth a system call, in order with everything else to do.

use std::collections::VecDeque;
use std::ops::Range;

use crate::dialogue::Output;
use crate::limits;

/// Output on its way to the driver.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    gathered: Vec<u8>,
    outputs: VecDeque<Output>,
    /// Whether anything was said since this was last asked.
    written: bool,
}

impl Writer {
    /// Says something.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Says something.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.written = true;
        self.gathered.extend_from_slice(bytes);
    }

    /// Has the driver copy a range of the open message.
    pub(crate) fn message(&mut self, range: Range<u64>) {
        self.push(Output::SendMessage(range));
    }

    /// Adds something to do after what was said so far.
    pub(crate) fn push(&mut self, output: Output) {
        self.flush();
        self.outputs.push_back(output);
    }

    /// Asks a question: what was said so far may wait for more.
    pub(crate) fn ask(&mut self, output: Output) {
        if !self.outputs.is_empty() || self.gathered.len() >= limits::OUTPUT_CHUNK {
            self.flush();
        }
        self.outputs.push_back(output);
    }

    /// Nothing more is worth waiting for.
    pub(crate) fn flush(&mut self) {
        if !self.gathered.is_empty() {
            let gathered = std::mem::take(&mut self.gathered);
            self.outputs.push_back(Output::Send(gathered));
        }
    }

    /// The next thing to do, or a good deal of text.
    pub(crate) fn next(&mut self) -> Option<Output> {
        if self.outputs.is_empty() && self.gathered.len() >= limits::OUTPUT_CHUNK {
            self.flush();
        }
        self.outputs.pop_front()
    }

    /// Whether anything was said since the last call.
    pub(crate) fn take_written(&mut self) -> bool {
        std::mem::take(&mut self.written)
    }
}
