//! A change on its way to the disk: somebody may wait for it in a thread, or poll it as a future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use crate::error::{Error, Result};
use crate::locks::Mutex;

/// A change that was asked for. It happens whether or not anybody waits; once this gives `Ok`, it is durable and
/// every reader sees it.
#[must_use = "until this has given its result, nothing may be acknowledged"]
pub struct Pending<T>(Arc<Mutex<Slot<T>>>);

/// What the writer's thread and the caller share.
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
    /// Tells the caller, who may have stopped waiting.
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
