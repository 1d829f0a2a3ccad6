//! A pending change: a caller may block on it, or poll it as a future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use host::locks::Mutex;

use crate::error::{Error, Result};

/// A queued change. It is carried out even if this is dropped; once this returns `Ok`, the change is durable and visible
/// to every reader.
#[must_use = "until this has given its result, nothing may be acknowledged"]
pub struct Pending<T>(Arc<Mutex<Slot<T>>>);

/// The state shared by the writer's thread and the caller.
struct Slot<T> {
    result: Option<Result<T>>,
    waker: Option<Waker>,
}

/// The writer's end. Dropped without a result, it tells the caller that the store is closed.
pub(crate) struct Reply<T>(Option<Arc<Mutex<Slot<T>>>>);

/// The two ends of a new one.
pub(crate) fn pending<T>() -> (Reply<T>, Pending<T>) {
    let slot = Arc::new(Mutex::new(Slot { result: None, waker: None }));
    (Reply(Some(Arc::clone(&slot))), Pending(slot))
}

impl<T> Pending<T> {
    /// Blocks the thread until the change is durable.
    ///
    /// # Errors
    ///
    /// That of the change; [`Error::Closed`] when the store was closed before it.
    pub fn wait(mut self) -> Result<T> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(result) => return result,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let mut slot = self.0.lock();
        match slot.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Reply<T> {
    /// Hands the result to the caller, or drops it if the caller has gone.
    pub(crate) fn send(mut self, result: Result<T>) {
        self.settle(result);
    }

    fn settle(&mut self, result: Result<T>) {
        let Some(slot) = self.0.take() else { return };
        let waker = {
            let mut slot = slot.lock();
            slot.result = Some(result);
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        self.settle(Err(Error::Closed));
    }
}

/// Wakes a thread that is parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::pending;
    use crate::error::Error;

    #[test]
    fn a_thread_that_waits_is_told() {
        let (reply, result) = pending();
        let waiting = std::thread::spawn(|| result.wait());
        reply.send(Ok(7));
        assert!(matches!(waiting.join(), Ok(Ok(7))));
    }

    #[test]
    fn a_reply_that_never_comes_is_a_closed_store() {
        let (reply, result) = pending::<()>();
        let waiting = std::thread::spawn(|| result.wait());
        drop(reply);
        assert!(matches!(waiting.join(), Ok(Err(Error::Closed))));
    }
}
