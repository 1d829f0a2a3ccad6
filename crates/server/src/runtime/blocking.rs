//! The one way from asynchronous code to work that blocks: the store, password hashing, files.

/// The work did not finish: it panicked, or the program is ending.
#[derive(Debug, thiserror::Error)]
#[error("work in the background did not finish")]
pub(crate) struct Unfinished;

/// The number of threads that may block at once; each costs a stack, and a card serves only a few at a time anyway.
pub(crate) const THREADS: usize = 16;

/// Runs `work` on a thread that may block.
pub(crate) async fn run<T, F>(work: F) -> Result<T, Unfinished>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|_| Unfinished)
}
