//! Counts who is inside: connections in all and from each address. Nobody is remembered after leaving.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places kept free for the machine itself, so that a crowd outside cannot make the self-check fail.
const RESERVED_FOR_LOOPBACK: u32 = 16;

/// The counters behind a lock that is held for a moment only.
#[derive(Debug)]
pub(crate) struct Door {
    limit: u32,
    limit_per_address: u32,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    total: u32,
    by_address: BTreeMap<IpAddr, u32>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The server has as many connections as it may.
    InAll,
    /// The client's address has.
    FromOneAddress,
}

/// A place inside; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    door: Arc<Door>,
    address: IpAddr,
}

impl Door {
    /// A door with these limits.
    pub(crate) fn new(limit: u32, limit_per_address: u32) -> Arc<Self> {
        Arc::new(Self { limit, limit_per_address, inside: Mutex::default() })
    }

    /// Lets a connection in, or not.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let address = address.to_canonical();
        let mut inside = self.inside();
        let here = inside.by_address.get(&address).copied().unwrap_or(0);
        // What comes from the machine itself may be a proxy for everybody: only the total counts.
        let (limit, full) = if address.is_loopback() {
            (self.limit.saturating_add(RESERVED_FOR_LOOPBACK), false)
        } else {
            (self.limit, here >= self.limit_per_address)
        };
        if inside.total >= limit {
            return Err(Full::InAll);
        }
        if full {
            return Err(Full::FromOneAddress);
        }
        inside.total += 1;
        inside.by_address.insert(address, here + 1);
        drop(inside);
        Ok(Place { door: Arc::clone(self), address })
    }

    /// How many connections may be open.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// How many connections are open.
    pub(crate) fn count(&self) -> u32 {
        self.inside().total
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.door.inside();
        inside.total = inside.total.saturating_sub(1);
        let left = inside.by_address.get(&self.address).map_or(0, |here| here.saturating_sub(1));
        if left == 0 {
            inside.by_address.remove(&self.address);
        } else {
            inside.by_address.insert(self.address, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::connections::limit::{Door, Full};

    #[test]
    fn both_limits_hold_and_places_come_back() {
        let door = Door::new(3, 2);
        let (anna, berta) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = door.enter(anna).unwrap();
        let _second = door.enter("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert_eq!(door.enter(anna).err(), Some(Full::FromOneAddress));
        let _third = door.enter(berta).unwrap();
        assert_eq!(door.enter(berta).err(), Some(Full::InAll));
        assert!(door.enter("127.0.0.1".parse().unwrap()).is_ok(), "the machine itself");
        drop(first);
        assert!(door.enter(anna).is_ok());
    }
}
