//! Who is still at work: every task holds a [`Life`], and whoever stops the server waits until the last is dropped.

use std::convert::Infallible;

use tokio::sync::mpsc;

/// Held as long as a task runs.
#[derive(Clone)]
pub(crate) struct Life {
    _end: mpsc::Sender<Infallible>,
}

/// Waits for the end of all of them.
pub(crate) struct Afterwards {
    end: mpsc::Receiver<Infallible>,
}

/// The first life, and the one who survives it.
pub(crate) fn begin() -> (Life, Afterwards) {
    let (sender, end) = mpsc::channel(1);
    (Life { _end: sender }, Afterwards { end })
}

impl Afterwards {
    /// Returns when every [`Life`] is dropped.
    pub(crate) async fn come(mut self) {
        // Nothing is ever sent: the only news is that all senders are gone.
        let _ = self.end.recv().await;
    }
}
