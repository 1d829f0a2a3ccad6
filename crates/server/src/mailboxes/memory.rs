//! The memory for the lists of messages of open mailboxes. Every IMAP session that has a mailbox selected keeps one; the
//! sum of all has a bound, whatever is in the mailboxes.

use std::sync::Arc;

use store::MessageEntry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit of reservations in bytes: a message without keywords takes one in a list, and a keyword no more.
pub(crate) const UNIT: u64 = 128;
/// The units of a keyword set before there is a keyword in it.
const EMPTY_SET_UNITS: usize = 3;

/// The units that are not reserved.
#[derive(Clone, Debug)]
pub(crate) struct MailboxMemory(Arc<Semaphore>);

/// The units of one list; dropping the reservation releases them.
#[derive(Debug)]
pub(crate) struct Reservation {
    units: Arc<Semaphore>,
    permit: OwnedSemaphorePermit,
}

/// The lists take all the memory that they may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("open mailboxes fill the memory that they may fill; close some, or empty them")]
pub(crate) struct MemoryExhausted;

impl MailboxMemory {
    /// Memory of so many bytes for all lists together.
    pub(crate) fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes / UNIT).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))))
    }

    /// Reserves units for a list.
    pub(crate) fn reserve(&self, units: usize) -> Result<Reservation, MemoryExhausted> {
        let permit = acquire(&self.0, units)?;
        Ok(Reservation { units: Arc::clone(&self.0), permit })
    }

    /// Reserves all units that are left.
    #[cfg(test)]
    pub(crate) fn take_all(&self) -> OwnedSemaphorePermit {
        let left = self.0.available_permits();
        Arc::clone(&self.0).try_acquire_many_owned(u32::try_from(left).unwrap()).unwrap()
    }
}

impl Reservation {
    /// Adjusts the reservation to a list that has grown or shrunk.
    pub(crate) fn resize(&mut self, units: usize) -> Result<(), MemoryExhausted> {
        let held = self.permit.num_permits();
        if let Some(more) = units.checked_sub(held) {
            self.permit.merge(acquire(&self.units, more)?);
        } else {
            drop(self.permit.split(held - units));
        }
        Ok(())
    }
}

fn acquire(semaphore: &Arc<Semaphore>, units: usize) -> Result<OwnedSemaphorePermit, MemoryExhausted> {
    let units = u32::try_from(units).map_err(|_| MemoryExhausted)?;
    Arc::clone(semaphore).try_acquire_many_owned(units).map_err(|_| MemoryExhausted)
}

/// The units of a list of these messages.
pub(crate) fn units(messages: &[MessageEntry]) -> usize {
    let of_one = |message: &MessageEntry| match message.flags.keywords.len() {
        0 => 1,
        keywords => 1 + EMPTY_SET_UNITS + keywords,
    };
    messages.iter().map(of_one).sum()
}

#[cfg(test)]
mod tests {
    use crate::mailboxes::memory::{MailboxMemory, MemoryExhausted, UNIT};

    #[test]
    fn lists_share_the_memory_and_give_it_back() {
        let memory = MailboxMemory::new(10 * UNIT);
        let mut one = memory.reserve(4).unwrap();
        let other = memory.reserve(5).unwrap();
        assert_eq!(one.resize(6), Err(MemoryExhausted));
        assert_eq!(one.resize(5), Ok(()));
        assert!(memory.reserve(1).is_err());
        assert_eq!(one.resize(2), Ok(()));
        drop(other);
        assert!(memory.reserve(8).is_ok());
        assert!(memory.reserve(usize::MAX).is_err());
    }
}
