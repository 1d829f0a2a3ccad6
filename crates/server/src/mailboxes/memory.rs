//! Room for the lists of messages that open mailboxes hold in memory. Every IMAP session that has a mailbox selected
//! keeps one; together they may not outgrow the machine, whatever is in the mailboxes.

use std::sync::Arc;

use store::MessageEntry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a message without keywords takes in a list, in bytes; a keyword takes no more.
pub(crate) const UNIT: u64 = 128;
/// What a set takes before there is a keyword in it, in units.
const SET: usize = 3;

/// What is left.
#[derive(Clone, Debug)]
pub(crate) struct ViewRoom(Arc<Semaphore>);

/// Room for one list; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Taken {
    room: Arc<Semaphore>,
    permit: OwnedSemaphorePermit,
}

/// The lists fill what they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("open mailboxes fill the memory that they may fill; close some, or empty them")]
pub(crate) struct NoRoom;

impl ViewRoom {
    /// So many bytes for all lists together.
    pub(crate) fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes / UNIT).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))))
    }

    /// Takes room for a list.
    pub(crate) fn take(&self, units: usize) -> Result<Taken, NoRoom> {
        let permit = acquire(&self.0, units)?;
        Ok(Taken { room: Arc::clone(&self.0), permit })
    }

    /// Takes all that is left.
    #[cfg(test)]
    pub(crate) fn take_all(&self) -> OwnedSemaphorePermit {
        let left = self.0.available_permits();
        Arc::clone(&self.0).try_acquire_many_owned(u32::try_from(left).unwrap()).unwrap()
    }
}

impl Taken {
    /// The list has grown or shrunk.
    pub(crate) fn resize(&mut self, units: usize) -> Result<(), NoRoom> {
        let held = self.permit.num_permits();
        if let Some(more) = units.checked_sub(held) {
            self.permit.merge(acquire(&self.room, more)?);
        } else {
            drop(self.permit.split(held - units));
        }
        Ok(())
    }
}

fn acquire(room: &Arc<Semaphore>, units: usize) -> Result<OwnedSemaphorePermit, NoRoom> {
    let units = u32::try_from(units).map_err(|_| NoRoom)?;
    Arc::clone(room).try_acquire_many_owned(units).map_err(|_| NoRoom)
}

/// What a list of these messages takes.
pub(crate) fn units(messages: &[MessageEntry]) -> usize {
    let of_one = |message: &MessageEntry| match message.flags.keywords.len() {
        0 => 1,
        keywords => 1 + SET + keywords,
    };
    messages.iter().map(of_one).sum()
}

#[cfg(test)]
mod tests {
    use crate::mailboxes::memory::{NoRoom, UNIT, ViewRoom};

    #[test]
    fn lists_share_the_room_and_give_it_back() {
        let room = ViewRoom::new(10 * UNIT);
        let mut one = room.take(4).unwrap();
        let other = room.take(5).unwrap();
        assert_eq!(one.resize(6), Err(NoRoom));
        assert_eq!(one.resize(5), Ok(()));
        assert!(room.take(1).is_err());
        assert_eq!(one.resize(2), Ok(()));
        drop(other);
        assert!(room.take(8).is_ok());
        assert!(room.take(usize::MAX).is_err());
    }
}
