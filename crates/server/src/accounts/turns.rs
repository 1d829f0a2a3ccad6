//! The turns to hash a password: as many at once as the machine bears, but one for each network, so that a crowd from one
//! network does not keep others waiting.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use host::locks::Mutex;
use mail_types::Address;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::runtime::blocking;

/// The password hashes computed at once: each takes nine megabytes and a core.
const CONCURRENT_HASHES: usize = 2;

/// The queues of the networks that have something to hash.
#[derive(Debug)]
pub(crate) struct Turns {
    hashing: Arc<Semaphore>,
    queues: Mutex<BTreeMap<Queue, Weak<Semaphore>>>,
}

/// Those who wait for each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Queue {
    Network(IpAddr),
    /// On the machine itself, which may be a proxy for everybody.
    Account(Address),
}

/// The permission to hash one password.
#[derive(Debug)]
pub(crate) struct Turn {
    _network: OwnedSemaphorePermit,
    _core: OwnedSemaphorePermit,
}

impl Turn {
    /// Does the work on a thread that may block. The turn ends with the work, not with whoever waits for it.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, blocking::Unfinished> {
        blocking::run(move || {
            let done = work();
            drop(self);
            done
        })
        .await
    }
}

impl Turns {
    /// No queue yet.
    pub(crate) fn new() -> Self {
        Self { hashing: Arc::new(Semaphore::new(CONCURRENT_HASHES)), queues: Mutex::default() }
    }

    /// Waits for a turn.
    pub(crate) async fn take(&self, account: &Address, network: IpAddr) -> Result<Turn, AcquireError> {
        let queue = self.queue(account, network);
        let network = queue.acquire_owned().await?;
        let core = Arc::clone(&self.hashing).acquire_owned().await?;
        Ok(Turn { _network: network, _core: core })
    }

    /// The queue, which goes with the last who waits in it or has his turn.
    fn queue(&self, account: &Address, network: IpAddr) -> Arc<Semaphore> {
        let key =
            if network.is_loopback() { Queue::Account(account.clone()) } else { Queue::Network(network) };
        let mut queues = self.queues.lock();
        if let Some(queue) = queues.get(&key).and_then(Weak::upgrade) {
            return queue;
        }
        queues.retain(|_, queue| queue.strong_count() > 0);
        let queue = Arc::new(Semaphore::new(1));
        queues.insert(key, Arc::downgrade(&queue));
        queue
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::net::IpAddr;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use mail_types::Address;

    use crate::accounts::turns::Turns;

    fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_network_has_one_turn_at_a_time_and_all_together_two() {
        let turns = Turns::new();
        let (anna, berta): (Address, Address) =
            ("anna@example.org".parse().unwrap(), "berta@example.org".parse().unwrap());
        let networks: [IpAddr; 3] = ["10.0.0.1", "10.0.0.2", "127.0.0.1"].map(|text| text.parse().unwrap());
        let take = |account, number: usize| ready(turns.take(account, networks[number])).map(Result::unwrap);
        let first = take(&anna, 0).unwrap();
        assert!(take(&berta, 0).is_none(), "the same network");
        let second = take(&anna, 2).unwrap();
        assert!(take(&berta, 1).is_none(), "the machine has two");
        drop(first);
        assert!(take(&anna, 2).is_none(), "the same account");
        let third = take(&berta, 2).unwrap();
        drop((second, third));
        assert!(take(&berta, 1).is_some());
        assert_eq!(turns.queues.lock().len(), 1, "queues go with those who wait in them");
    }
}
