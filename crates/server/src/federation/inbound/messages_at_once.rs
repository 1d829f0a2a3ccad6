//! The limits on open connections, in total and from each network. A network is forgotten with its last connection.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use host::locks::Mutex;

use crate::connections::network::network;

/// Connections from the machine itself beyond the total, so that no crowd of clients makes the self-check fail.
const RESERVED_FOR_LOOPBACK: u32 = 16;

/// The limits and the open connections, behind a lock that is held for a moment only.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    limit: u32,
    limit_per_address: u32,
    open: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    total: u32,
    by_address: BTreeMap<IpAddr, u32>,
}

/// The limit that a connection would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitReached {
    /// The server's.
    Total,
    /// That of the client's address, or of its network.
    PerAddress,
}

/// One open connection; dropping the guard ends its count.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    limit: Arc<ConnectionLimit>,
    address: IpAddr,
}

impl ConnectionLimit {
    /// Limits without any connection yet.
    pub(crate) fn new(limit: u32, limit_per_address: u32) -> Arc<Self> {
        Arc::new(Self { limit, limit_per_address, open: Mutex::default() })
    }

    /// Counts a connection, unless a limit is reached.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<ConnectionGuard, LimitReached> {
        let address = network(address);
        let mut open = self.open.lock();
        let here = open.by_address.get(&address).copied().unwrap_or(0);
        // What comes from the machine itself may be a proxy for everybody: only the total counts.
        let (total, exceeded) = if address.is_loopback() {
            (self.limit.saturating_add(RESERVED_FOR_LOOPBACK), false)
        } else {
            (self.limit, here >= self.limit_per_address)
        };
        if open.total >= total {
            return Err(LimitReached::Total);
        }
        if exceeded {
            return Err(LimitReached::PerAddress);
        }
        open.total += 1;
        open.by_address.insert(address, here + 1);
        drop(open);
        Ok(ConnectionGuard { limit: Arc::clone(self), address })
    }

    /// The connections that may be open in total.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// The connections that are open.
    pub(crate) fn count(&self) -> u32 {
        self.open.lock().total
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let mut open = self.limit.open.lock();
        open.total = open.total.saturating_sub(1);
        let left = open.by_address.get(&self.address).map_or(0, |here| here.saturating_sub(1));
        if left == 0 {
            open.by_address.remove(&self.address);
        } else {
            open.by_address.insert(self.address, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::connections::limit::{ConnectionLimit, LimitReached};

    #[test]
    fn both_limits_hold_and_places_come_back() {
        let limit = ConnectionLimit::new(3, 2);
        let (anna, berta) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = limit.enter(anna).unwrap();
        let _second = limit.enter("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert_eq!(limit.enter(anna).err(), Some(LimitReached::PerAddress));
        let _third = limit.enter(berta).unwrap();
        assert_eq!(limit.enter(berta).err(), Some(LimitReached::Total));
        assert!(limit.enter("127.0.0.1".parse().unwrap()).is_ok(), "the machine itself");
        let v6 = ConnectionLimit::new(9, 1);
        let _one = v6.enter("2001:db8::1".parse().unwrap()).unwrap();
        assert_eq!(
            v6.enter("2001:db8::2".parse().unwrap()).err(),
            Some(LimitReached::PerAddress),
            "one host"
        );
        assert!(v6.enter("2001:db8:0:1::1".parse().unwrap()).is_ok());
        drop(first);
        assert!(limit.enter(anna).is_ok());
    }
}
