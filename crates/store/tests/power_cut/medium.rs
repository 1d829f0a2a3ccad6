//! A disk with a page cache whose power can be cut: what programs see, what is durable, and what lies between.
//!
//! | mode | at a cut |
//! |---|---|
//! | `Dropped` | all that was not synced is gone; syncing any file commits all earlier names (an ordered file system journal) |
//! | `Reordered` | a prefix of the unsynced names and any of the unsynced pages are there; pages also reach the disk early |
//! | `Torn` | as `Reordered`, and of some pages only some 512-byte sectors |
//! | `Strict` | as `Reordered`, but names are only safe when their directory was synced (POSIX to the letter) |
//!
//! No IO here; `mount` shows a medium to the kernel.

use std::collections::{BTreeMap, BTreeSet};

/// The root directory's number.
pub(crate) const ROOT: u64 = 1;
const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// The fate of unsynced data in a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Dropped,
    Reordered,
    Torn,
    Strict,
}

/// The fault that the disk is to inject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) mode: Mode,
    /// The power is cut instead of this changing operation.
    pub(crate) cut_at: Option<u64>,
    /// The first sync from this changing operation on fails, outside of the index, and as on Linux, what it should have
    /// written counts as clean afterwards.
    pub(crate) fail_sync_at: Option<u64>,
    /// Bytes that fit.
    pub(crate) capacity: Option<usize>,
    /// Whether a sync does anything.
    pub(crate) sync: Sync,
}

/// The negative control is a disk that lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    Honest,
    Lie,
}

/// The reason why an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotFound,
    NotEmpty,
    Full,
    /// Also the answer to everything once the power is cut: nobody lives to see it.
    Broken,
}

type Result<T> = std::result::Result<T, Refusal>;

/// A file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
}

#[derive(Clone, Debug, Default)]
struct Tree {
    names: BTreeMap<(u64, String), u64>,
    files: BTreeMap<u64, Vec<u8>>,
    directories: BTreeSet<u64>,
}

/// A change of metadata that is not durable yet.
#[derive(Clone, Debug)]
enum Pending {
    /// The nodes of these names from now on; a rename changes two at once.
    Names(Vec<((u64, String), Option<u64>)>),
    Size(u64, usize),
}

/// The disk.
#[derive(Debug)]
pub(crate) struct Medium {
    pub(crate) rules: Rules,
    chance: Chance,
    current: Tree,
    durable: Tree,
    pending: Vec<Pending>,
    dirty: BTreeMap<u64, BTreeSet<usize>>,
    next: u64,
    operations: u64,
    dead: bool,
    pub(crate) cost: Cost,
}

/// An operation that a program asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Bytes as they were written.
    pub(crate) bytes: usize,
    /// Bytes as the disk sees them: whole pages, once for each sync.
    pub(crate) synced_bytes: usize,
    pub(crate) syncs: usize,
}

impl Medium {
    pub(crate) fn new(seed: u64, rules: Rules) -> Self {
        let mut tree = Tree::default();
        tree.directories.insert(ROOT);
        Self {
            rules,
            chance: Chance::new(seed),
            current: tree.clone(),
            durable: tree,
            pending: Vec::new(),
            dirty: BTreeMap::new(),
            next: ROOT + 1,
            operations: 0,
            dead: false,
            cost: Cost::default(),
        }
    }

    /// Whether the power is cut.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead
    }

    /// Changing operations so far.
    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    /// Cuts the power if it is not cut yet, and switches it on again under new rules.
    pub(crate) fn power_cycle(&mut self, rules: Rules) {
        let mode = self.rules.mode;
        let mut tree = self.durable.clone();
        if mode != Mode::Dropped {
            self.settle_some_names(&mut tree);
            self.settle_some_pages(&mut tree);
        }
        tree.remove_unreachable();
        self.current = tree.clone();
        self.durable = tree;
        self.pending.clear();
        self.dirty.clear();
        self.rules = rules;
        self.operations = 0;
        self.dead = false;
    }

    pub(crate) fn lookup(&self, directory: u64, name: &str) -> Result<u64> {
        self.alive()?;
        self.current.names.get(&(directory, name.to_owned())).copied().ok_or(Refusal::NotFound)
    }

    pub(crate) fn kind(&self, node: u64) -> Result<(Kind, usize)> {
        self.alive()?;
        if self.current.directories.contains(&node) {
            return Ok((Kind::Directory, 0));
        }
        let file = self.current.files.get(&node).ok_or(Refusal::NotFound)?;
        Ok((Kind::File, file.len()))
    }

    pub(crate) fn list(&self, directory: u64) -> Result<Vec<(String, u64)>> {
        self.alive()?;
        let names = self.current.names.iter().filter(|((parent, _), _)| *parent == directory);
        Ok(names.map(|((_, name), node)| (name.clone(), *node)).collect())
    }

    pub(crate) fn read(&self, node: u64, offset: usize, length: usize) -> Result<&[u8]> {
        self.alive()?;
        let file = self.current.files.get(&node).ok_or(Refusal::NotFound)?;
        let end = offset.saturating_add(length).min(file.len());
        Ok(file.get(offset..end).unwrap_or_default())
    }

    pub(crate) fn create(&mut self, directory: u64, name: &str, kind: Kind) -> Result<u64> {
        self.change()?;
        self.require_room(64)?;
        let node = self.next;
        self.next += 1;
        match kind {
            Kind::File => drop(self.current.files.insert(node, Vec::new())),
            Kind::Directory => drop(self.current.directories.insert(node)),
        }
        // The node exists on the disk as soon as a name of it does; which kind it is goes with it.
        if kind == Kind::Directory {
            self.durable.directories.insert(node);
        }
        self.rename_all(vec![((directory, name.to_owned()), Some(node))]);
        Ok(node)
    }

    pub(crate) fn remove(&mut self, directory: u64, name: &str) -> Result<()> {
        let node = self.lookup(directory, name)?;
        if self.current.names.keys().any(|(parent, _)| *parent == node) {
            return Err(Refusal::NotEmpty);
        }
        self.change()?;
        self.rename_all(vec![((directory, name.to_owned()), None)]);
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: (u64, &str), to: (u64, &str)) -> Result<()> {
        let node = self.lookup(from.0, from.1)?;
        self.change()?;
        self.rename_all(vec![((from.0, from.1.to_owned()), None), ((to.0, to.1.to_owned()), Some(node))]);
        Ok(())
    }

    pub(crate) fn write(&mut self, node: u64, offset: usize, bytes: &[u8]) -> Result<()> {
        self.change()?;
        let file = self.current.files.get(&node).ok_or(Refusal::NotFound)?;
        let end = offset + bytes.len();
        self.require_room(end.saturating_sub(file.len()))?;
        let file = self.current.files.get_mut(&node).ok_or(Refusal::NotFound)?;
        if file.len() < end {
            file.resize(end, 0);
        }
        file[offset..end].copy_from_slice(bytes);
        self.cost.bytes += bytes.len();
        self.dirty.entry(node).or_default().extend(offset / PAGE..=end.saturating_sub(1) / PAGE);
        Ok(())
    }

    pub(crate) fn resize(&mut self, node: u64, length: usize) -> Result<()> {
        self.change()?;
        let file = self.current.files.get_mut(&node).ok_or(Refusal::NotFound)?;
        file.resize(length, 0);
        self.pending.push(Pending::Size(node, length));
        Ok(())
    }

    pub(crate) fn sync(&mut self, node: u64) -> Result<()> {
        self.change()?;
        self.cost.syncs += 1;
        self.cost.synced_bytes += PAGE * self.dirty.get(&node).map_or(0, BTreeSet::len);
        if self.rules.sync == Sync::Lie {
            return Ok(());
        }
        if self.rules.fail_sync_at.is_some_and(|at| self.operations >= at) && !self.is_index(node) {
            self.rules.fail_sync_at = None;
            self.dirty.remove(&node);
            return Err(Refusal::Broken);
        }
        if let Some(file) = self.current.files.get(&node) {
            let pages = self.dirty.remove(&node).unwrap_or_default();
            let durable = self.durable.files.entry(node).or_default();
            for page in pages {
                write_page(durable, file, page, |_| true);
            }
            durable.resize(file.len(), 0);
            self.pending.retain(|pending| !matches!(pending, Pending::Size(other, _) if *other == node));
        }
        let strict = self.rules.mode == Mode::Strict;
        let mut left = Vec::new();
        for pending in std::mem::take(&mut self.pending) {
            let commit = match &pending {
                Pending::Names(names) => {
                    !strict || names.iter().any(|((directory, _), _)| *directory == node)
                }
                Pending::Size(..) => !strict,
            };
            if commit { self.durable.settle(&pending) } else { left.push(pending) }
        }
        self.pending = left;
        Ok(())
    }

    /// The node is neither open nor remembered.
    pub(crate) fn forget(&mut self, node: u64) {
        if !self.current.names.values().any(|named| *named == node) {
            self.current.files.remove(&node);
            self.dirty.remove(&node);
        }
    }

    /// Whether a node lies below a directory called `index`, whose loss must not matter.
    fn is_index(&self, mut node: u64) -> bool {
        while let Some(((parent, name), _)) = self.current.names.iter().find(|(_, named)| **named == node) {
            if name == "index" {
                return true;
            }
            node = *parent;
        }
        false
    }

    /// Bytes free and in all.
    pub(crate) fn space(&self) -> (usize, usize) {
        let capacity = self.rules.capacity.unwrap_or(1 << 30);
        (capacity.saturating_sub(self.used()), capacity)
    }

    fn alive(&self) -> Result<()> {
        if self.dead { Err(Refusal::Broken) } else { Ok(()) }
    }

    /// Every changing operation begins here, and the power may be cut instead.
    fn change(&mut self) -> Result<()> {
        self.alive()?;
        self.operations += 1;
        if self.rules.cut_at.is_some_and(|at| self.operations >= at) {
            self.dead = true;
            return Err(Refusal::Broken);
        }
        if self.rules.mode != Mode::Dropped && self.chance.below(16) == 0 {
            let mut durable = std::mem::take(&mut self.durable);
            self.settle_some_pages(&mut durable);
            self.durable = durable;
        }
        Ok(())
    }

    fn require_room(&self, more: usize) -> Result<()> {
        let fits = self.rules.capacity.is_none_or(|capacity| self.used() + more <= capacity);
        if fits { Ok(()) } else { Err(Refusal::Full) }
    }

    fn used(&self) -> usize {
        let nodes: BTreeSet<u64> = self.current.names.values().copied().collect();
        let size = |node: &u64| self.current.files.get(node).map_or(PAGE, |file| 64 + file.len());
        nodes.iter().map(size).sum()
    }

    fn rename_all(&mut self, names: Vec<((u64, String), Option<u64>)>) {
        let pending = Pending::Names(names);
        self.current.settle(&pending);
        self.pending.push(pending);
    }

    fn settle_some_names(&mut self, tree: &mut Tree) {
        let prefix = self.chance.below(self.pending.len() + 1);
        for (count, pending) in self.pending.iter().enumerate() {
            let there = match self.rules.mode {
                Mode::Strict => self.chance.below(2) == 0,
                _ => count < prefix,
            };
            if there {
                tree.settle(pending);
            }
        }
    }

    fn settle_some_pages(&mut self, tree: &mut Tree) {
        for (node, pages) in &self.dirty {
            let Some(file) = self.current.files.get(node) else { continue };
            let durable = tree.files.entry(*node).or_default();
            for page in pages {
                if self.chance.below(2) == 0 {
                    continue;
                }
                let torn = self.rules.mode == Mode::Torn && self.chance.below(10) < 4;
                write_page(durable, file, *page, |_| !torn || self.chance.below(2) == 0);
            }
        }
    }
}

impl Tree {
    fn settle(&mut self, pending: &Pending) {
        match pending {
            Pending::Names(names) => {
                for (name, node) in names {
                    match node {
                        Some(node) => {
                            if !self.directories.contains(node) {
                                self.files.entry(*node).or_default();
                            }
                            self.names.insert(name.clone(), *node)
                        }
                        None => self.names.remove(name),
                    };
                }
            }
            Pending::Size(node, length) => {
                if let Some(file) = self.files.get_mut(node) {
                    file.resize(*length, 0);
                }
            }
        }
    }

    fn remove_unreachable(&mut self) {
        let mut reachable = BTreeSet::from([ROOT]);
        loop {
            let children = self.names.iter().filter(|((directory, _), _)| reachable.contains(directory));
            let children: BTreeSet<u64> = children.map(|(_, node)| *node).collect();
            let before = reachable.len();
            reachable.extend(children);
            if reachable.len() == before {
                break;
            }
        }
        self.names.retain(|(directory, _), _| reachable.contains(directory));
        self.files.retain(|node, _| reachable.contains(node));
        self.directories.retain(|node| reachable.contains(node));
    }
}

/// Copies a page, or those of its sectors that `reach` the disk.
fn write_page(to: &mut Vec<u8>, from: &[u8], page: usize, mut reach: impl FnMut(usize) -> bool) {
    let start = page * PAGE;
    let end = (start + PAGE).min(from.len());
    if start >= end {
        return;
    }
    if to.len() < end {
        to.resize(end, 0);
    }
    for sector in (start..end).step_by(SECTOR) {
        if reach(sector) {
            let end = (sector + SECTOR).min(end);
            to[sector..end].copy_from_slice(&from[sector..end]);
        }
    }
}

/// A deterministic source of numbers (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let number = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}
