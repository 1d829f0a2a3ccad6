//! A volume on a device: its boot sector and table are read when it is opened, the rest when it is asked for.

use std::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use crate::geometry::{Geometry, Root};
use crate::table::Table;
use crate::{Entry, EntryKind, Error, LARGEST_DIRECTORY, SECTOR, directory};

/// A FAT16 or FAT32 volume at an offset of the device `D`. The places that it tells are in bytes from the device's start.
pub struct Volume<D> {
    device: D,
    start: u64,
    geometry: Geometry,
    table: Table,
}

impl<D: Read + Seek> Volume<D> {
    /// Opens the volume whose boot sector is at byte `start` of the device.
    ///
    /// # Errors
    ///
    /// [`Error::NotFat`], or an error of reading.
    pub fn open(mut device: D, start: u64) -> Result<Self, Error> {
        let mut boot = [0; SECTOR as usize];
        device.seek(SeekFrom::Start(start))?;
        device.read_exact(&mut boot)?;
        let geometry = Geometry::parse(&boot)?;
        let mut bytes = Vec::new();
        read(&mut device, &shifted(&geometry.table, start), &mut bytes)?;
        let table = Table::parse(&bytes, geometry.kind, geometry.clusters);
        Ok(Self { device, start, geometry, table })
    }

    /// The label in the boot sector, without padding.
    #[must_use]
    pub fn label(&self) -> String {
        String::from_utf8_lossy(&self.geometry.label).trim_end_matches([' ', '\0']).to_owned()
    }

    /// The entries of the root directory, in their order on the volume.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] or [`Error::TooLong`], or an error of reading.
    pub fn root(&mut self) -> Result<Vec<Entry>, Error> {
        match self.geometry.root.clone() {
            Root::Place(place) => {
                let mut bytes = Vec::new();
                read(&mut self.device, &shifted(&place, self.start), &mut bytes)?;
                Ok(directory::entries(&bytes))
            }
            Root::Chain(first) => self.entries(first, "the root directory"),
        }
    }

    /// The entries of a directory, in their order on the volume.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] or [`Error::TooLong`], or an error of reading.
    pub fn directory(&mut self, directory: &Entry) -> Result<Vec<Entry>, Error> {
        self.entries(directory.first, &directory.name)
    }

    /// The places of a file's bytes in their order, without what is left of its last cluster. A directory has none here.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if its clusters end before its size says, or belong to another chain of clusters too;
    /// [`Error::TooLong`] if it has more than `limit` bytes.
    pub fn places(&self, file: &Entry, limit: u64) -> Result<Vec<Range<u64>>, Error> {
        let mut places = self.clusters(file, limit)?;
        if let Some(last) = places.last_mut() {
            last.end -= self.unused(file);
        }
        Ok(places)
    }

    /// The bytes of a file's last cluster behind its end.
    ///
    /// # Errors
    ///
    /// As [`Self::places`].
    pub fn slack(&self, file: &Entry, limit: u64) -> Result<Option<Range<u64>>, Error> {
        let last = self.clusters(file, limit)?.pop();
        Ok(last.map(|last| last.end - self.unused(file)..last.end))
    }

    /// The content of a file.
    ///
    /// # Errors
    ///
    /// As [`Self::places`], or an error of reading.
    pub fn content(&mut self, file: &Entry, limit: u64) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        for place in self.places(file, limit)? {
            read(&mut self.device, &place, &mut content)?;
        }
        Ok(content)
    }

    /// Whether a cluster of a file belongs to the root directory, or is the first one of another of `others`: on a damaged
    /// volume, [`Self::places`] notices neither.
    ///
    /// # Errors
    ///
    /// As [`Self::places`].
    pub fn is_shared(&self, file: &Entry, others: &[Entry], limit: u64) -> Result<bool, Error> {
        let places = self.places(file, limit)?;
        let root = match self.geometry.root {
            Root::Place(_) => Vec::new(),
            Root::Chain(first) => self.table.chain(first, LARGEST_DIRECTORY / self.geometry.cluster)?,
        };
        let others = others.iter().filter(|other| *other != file).map(|other| other.first);
        // 0 stands for no cluster, and must not be taken for one.
        let mut starts =
            root.into_iter().chain(others).filter(|first| *first >= 2).map(|first| self.cluster(first).start);
        Ok(starts.any(|start| places.iter().any(|place| place.contains(&start))))
    }

    /// The places that belong to no file and no directory.
    #[must_use]
    pub fn free(&self) -> Vec<Range<u64>> {
        let place = |run: std::ops::RangeInclusive<u32>| {
            self.cluster(*run.start()).start..self.cluster(*run.end()).end
        };
        self.table.free().into_iter().map(place).collect()
    }

    /// The device, which may be read anywhere.
    pub fn device(&mut self) -> &mut D {
        &mut self.device
    }

    fn entries(&mut self, first: u32, name: &str) -> Result<Vec<Entry>, Error> {
        let limit = LARGEST_DIRECTORY / self.geometry.cluster;
        let chain = self.table.chain(first, limit + 1)?;
        if chain.len() as u64 > limit {
            return Err(Error::TooLong { what: name.to_owned(), limit: LARGEST_DIRECTORY });
        }
        let mut bytes = Vec::new();
        for place in self.joined(&chain) {
            read(&mut self.device, &place, &mut bytes)?;
        }
        Ok(directory::entries(&bytes))
    }

    /// The number of bytes of a file's last cluster behind its end.
    fn unused(&self, file: &Entry) -> u64 {
        match file.kind {
            EntryKind::File { size } => {
                u64::from(size).next_multiple_of(self.geometry.cluster) - u64::from(size)
            }
            EntryKind::Directory => 0,
        }
    }

    /// The places of a file's whole clusters.
    fn clusters(&self, file: &Entry, limit: u64) -> Result<Vec<Range<u64>>, Error> {
        let EntryKind::File { size } = file.kind else { return Ok(Vec::new()) };
        let size = u64::from(size);
        if size > limit {
            return Err(Error::TooLong { what: file.name.clone(), limit });
        }
        if size == 0 {
            return Ok(Vec::new());
        }
        let count = size.div_ceil(self.geometry.cluster);
        let chain = self.table.chain(file.first, count)?;
        if chain.len() as u64 != count {
            return Err(Error::Damaged("a file ends before its size says"));
        }
        if self.table.is_shared(&chain) {
            return Err(Error::Damaged("two files share a cluster"));
        }
        Ok(self.joined(&chain))
    }

    /// The places of clusters, neighbours joined.
    fn joined(&self, chain: &[u32]) -> Vec<Range<u64>> {
        let mut places: Vec<Range<u64>> = Vec::new();
        for place in chain.iter().map(|cluster| self.cluster(*cluster)) {
            match places.last_mut() {
                Some(last) if last.end == place.start => last.end = place.end,
                _ => places.push(place),
            }
        }
        places
    }

    fn cluster(&self, number: u32) -> Range<u64> {
        shifted(&self.geometry.cluster(number), self.start)
    }
}

impl<D> fmt::Debug for Volume<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume")
            .field("start", &self.start)
            .field("geometry", &self.geometry)
            .finish_non_exhaustive()
    }
}

fn shifted(place: &Range<u64>, by: u64) -> Range<u64> {
    place.start.saturating_add(by)..place.end.saturating_add(by)
}

/// Appends the bytes of a place, all of them or an error. Memory grows with what there is, not with what a volume claims.
fn read<D: Read + Seek>(device: &mut D, place: &Range<u64>, bytes: &mut Vec<u8>) -> Result<(), Error> {
    device.seek(SeekFrom::Start(place.start))?;
    let length = place.end - place.start;
    let count = device.take(length).read_to_end(bytes)?;
    if count as u64 != length {
        return Err(Error::Damaged("it ends too early"));
    }
    Ok(())
}
