//! The memory for the lists of messages of open mailboxes. Every IMAP session that has a mailbox selected keeps one; the
//! sum of all has a bound, whatever is in the mailboxes.

use std::sync::Arc;

use store::Snapshot;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit of reservations in bytes. A message takes one, whatever its flags are: [`imap::MESSAGE_BYTES`] in the session,
/// as much again while the list is handed over, and its entry in the store's list, which several sessions may share. A name
/// of a keyword takes no more.
pub(crate) const UNIT: u64 = 160;

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
pub(crate) fn units(snapshot: &Snapshot) -> usize {
    snapshot.messages.len() + snapshot.keywords.len()
}

#[cfg(test)]
mod tests {
    use crate::mailboxes::memory::{MailboxMemory, MemoryExhausted, UNIT};

    #[test]
    fn a_unit_is_enough_for_a_message_and_for_a_keyword() {
        let entry = size_of::<store::MessageEntry>();
        assert!(2 * imap::MESSAGE_BYTES + entry + entry / 8 <= usize::try_from(UNIT).unwrap());
        let keyword = "k".repeat(64).parse::<mail_types::Keyword>().unwrap();
        assert!(size_of_val(&keyword) + keyword.as_str().len() + 16 <= usize::try_from(UNIT).unwrap());
    }

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
