//! How long steps tell that they are alive.

/// Hears of every step that may take longer than a blink. Steps do not overlap.
pub trait Progress {
    /// A step begins; `bytes` is its whole size where that is known.
    fn begin(&self, step: &str, bytes: Option<u64>);
    /// The step has come forward by this many bytes.
    fn advance(&self, bytes: u64);
    /// The step is over, well or not.
    fn end(&self);
    /// Something a person should know though nothing has failed.
    fn note(&self, text: &str);
}

/// Says nothing, for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _step: &str, _bytes: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
    fn note(&self, _text: &str) {}
}
