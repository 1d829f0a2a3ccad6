//! The messages of other servers that come in at once, in total and from each network. A network is forgotten with its
//! last message.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use host::locks::Mutex;

use crate::connections::network::network;

/// The limits and the messages that are coming in, behind a lock that is held for a moment only.
#[derive(Debug)]
pub(super) struct MessagesAtOnce {
    limit: u32,
    limit_per_network: u32,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: u32,
    by_network: BTreeMap<IpAddr, u32>,
}

/// One message; dropping the guard ends its count.
#[derive(Debug)]
pub(super) struct MessageGuard {
    messages: Arc<MessagesAtOnce>,
    network: IpAddr,
}

impl MessagesAtOnce {
    /// Limits without any message yet.
    pub(super) fn new(limit: u32, limit_per_network: u32) -> Arc<Self> {
        Arc::new(Self { limit, limit_per_network, open: Mutex::default() })
    }

    /// Counts a message; none if a limit is reached.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<MessageGuard> {
        let network = network(peer);
        let mut open = self.open.lock();
        let here = open.by_network.get(&network).copied().unwrap_or(0);
        // What comes from the machine itself may be a proxy for everybody: only the total counts.
        if open.total >= self.limit || (!network.is_loopback() && here >= self.limit_per_network) {
            return None;
        }
        open.total += 1;
        open.by_network.insert(network, here + 1);
        drop(open);
        Some(MessageGuard { messages: Arc::clone(self), network })
    }
}

impl Drop for MessageGuard {
    fn drop(&mut self) {
        let mut open = self.messages.open.lock();
        open.total = open.total.saturating_sub(1);
        let left = open.by_network.get(&self.network).map_or(0, |here| here.saturating_sub(1));
        if left == 0 {
            open.by_network.remove(&self.network);
        } else {
            open.by_network.insert(self.network, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MessagesAtOnce;

    #[test]
    fn both_limits_hold_and_places_come_back() {
        let messages = MessagesAtOnce::new(3, 2);
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = messages.enter(one).unwrap();
        let _second = messages.enter("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert!(messages.enter(one).is_none(), "of one network");
        let _third = messages.enter(other).unwrap();
        assert!(messages.enter(other).is_none(), "in all");
        drop(first);
        assert!(messages.enter(one).is_some());
        let v6 = MessagesAtOnce::new(9, 1);
        let _one = v6.enter("2001:db8::1".parse().unwrap()).unwrap();
        assert!(v6.enter("2001:db8::2".parse().unwrap()).is_none(), "one host");
        assert!(v6.enter("2001:db8:0:1::1".parse().unwrap()).is_some());
    }
}
