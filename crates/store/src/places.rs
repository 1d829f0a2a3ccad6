//! The places of the small bodies: in the current journal, the one before it, or a pack.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use crate::codec::Fields;
use crate::error::{Error, Result};
use crate::log::{HEADER, Kind};

/// A journal or a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ContainerId {
    pub(crate) kind: Kind,
    pub(crate) position: u64,
}

/// A file that holds small bodies.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) file: Arc<File>,
    pub(crate) path: PathBuf,
    /// Bodies that something refers to; they may be empty, so zero bytes do not mean that there are none.
    bodies: usize,
    /// Their bytes.
    live: u64,
    /// Bytes of all bodies that were ever counted as live.
    total: u64,
}

/// The place of a small body: container, offset, length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) container: ContainerId,
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

/// All small bodies.
#[derive(Debug, Default)]
pub(crate) struct Places {
    bodies: BTreeMap<u64, Compact>,
    /// Containers by slot. A slot is not used again.
    containers: Vec<(ContainerId, Option<Container>)>,
}

/// A place with its container as a slot: there may be a hundred thousand of these.
#[derive(Clone, Copy, Debug)]
struct Compact {
    offset: u64,
    length: u32,
    slot: u32,
}

impl Places {
    /// Makes a file known.
    pub(crate) fn add_container(&mut self, id: ContainerId, file: Arc<File>, path: PathBuf) {
        if self.slot(id).is_none() {
            self.containers.push((id, Some(Container { file, path, bodies: 0, live: 0, total: 0 })));
        }
    }

    /// Whether the file is known.
    pub(crate) fn has_container(&self, id: ContainerId) -> bool {
        self.slot(id).is_some()
    }

    /// Removes a container; no body may be in it any more.
    pub(crate) fn remove_container(&mut self, id: ContainerId) {
        if let Some((_, container)) = self.containers.iter_mut().find(|(known, _)| *known == id) {
            *container = None;
        }
    }

    /// All files.
    pub(crate) fn containers(&self) -> impl Iterator<Item = (ContainerId, &Container)> {
        self.containers.iter().filter_map(|(id, container)| Some((*id, container.as_ref()?)))
    }

    /// Sets a body's place, instead of the one before.
    pub(crate) fn insert(&mut self, body: u64, place: Place) -> Result<()> {
        self.remove(body);
        let slot = self.slot(place.container).ok_or(Error::Bug("a body lies in an unknown file"))?;
        if let Some((_, Some(container))) = self.containers.get_mut(slot) {
            container.bodies += 1;
            container.live += u64::from(place.length);
            container.total += u64::from(place.length);
        }
        let slot = u32::try_from(slot).map_err(|_| Error::Bug("too many containers"))?;
        self.bodies.insert(body, Compact { offset: place.offset, length: place.length, slot });
        Ok(())
    }

    /// Removes a body's place; returns whether it had one, and so was a small body.
    pub(crate) fn remove(&mut self, body: u64) -> bool {
        let Some(Compact { length, slot, .. }) = self.bodies.remove(&body) else { return false };
        let slot = usize::try_from(slot).unwrap_or(usize::MAX);
        if let Some((_, Some(container))) = self.containers.get_mut(slot) {
            container.bodies = container.bodies.saturating_sub(1);
            container.live = container.live.saturating_sub(u64::from(length));
        }
        true
    }

    /// A body's place, and the file to read it from.
    pub(crate) fn find(&self, body: u64) -> Option<(Place, &Container)> {
        let Compact { offset, length, slot } = *self.bodies.get(&body)?;
        let (container, file) = self.containers.get(usize::try_from(slot).ok()?)?;
        Some((Place { container: *container, offset, length }, file.as_ref()?))
    }

    /// All bodies by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, Place)> {
        self.bodies.keys().filter_map(|body| Some((*body, self.find(*body)?.0)))
    }

    fn slot(&self, id: ContainerId) -> Option<usize> {
        self.containers.iter().position(|(known, container)| *known == id && container.is_some())
    }
}

impl Container {
    /// Whether less than half of what once was in it is still wanted.
    pub(crate) fn is_sparse(&self) -> bool {
        self.live * 2 < self.total.max(self.length().saturating_sub(HEADER as u64))
    }

    /// Whether nothing in it is wanted any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.bodies == 0
    }

    fn length(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }
}

impl Place {
    /// As an export holds it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(21);
        out.push(u8::from(self.container.kind == Kind::Pack));
        out.extend_from_slice(&self.container.position.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let kind = if fields.u8()? == 0 { Kind::Journal } else { Kind::Pack };
        let container = ContainerId { kind, position: fields.u64()? };
        Some(Self { container, offset: fields.u64()?, length: fields.u32()? })
    }
}

#[cfg(test)]
mod tests {
    use super::{ContainerId, Place, Places};
    use crate::log::Kind;
    use std::sync::Arc;

    #[test]
    fn a_file_is_not_empty_while_an_empty_body_lies_in_it() {
        let mut places = Places::default();
        let container = ContainerId { kind: Kind::Pack, position: 1 };
        places.add_container(container, Arc::new(tempfile::tempfile().unwrap()), "pack".into());
        places.insert(7, Place { container, offset: 99, length: 0 }).unwrap();
        assert!(!places.containers().next().unwrap().1.is_empty());
        assert!(places.remove(7));
        assert!(places.containers().next().unwrap().1.is_empty());
    }
}
