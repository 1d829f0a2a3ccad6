//! Reports of the progress of long steps.

/// A receiver of progress reports. Steps do not overlap.
pub trait Progress {
    /// A step begins; `bytes` is its total, if known.
    fn begin(&self, step: &str, bytes: Option<u64>);
    /// The step has processed `bytes` more.
    fn advance(&self, bytes: u64);
    /// The step ends, successfully or not.
    fn end(&self);
    /// A message that concerns no failure.
    fn note(&self, text: &str);
}

/// Ignores all reports, for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _step: &str, _bytes: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
    fn note(&self, _text: &str) {}
}
