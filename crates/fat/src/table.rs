//! The table of clusters (section 4): the chains of files and directories, and what is free.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::Error;
use crate::geometry::Kind;

/// The table of a volume, by cluster; the first two entries belong to no cluster.
#[derive(Debug)]
pub(crate) struct Table {
    entries: Vec<u32>,
    end: u32,
}

impl Table {
    /// The entries of `clusters` clusters.
    pub(crate) fn parse(bytes: &[u8], kind: Kind, clusters: u32) -> Self {
        let count = usize::try_from(clusters).unwrap_or(usize::MAX).saturating_add(2);
        match kind {
            Kind::Fat16 => {
                let (entries, _) = bytes.as_chunks();
                let entries = entries.iter().map(|entry| u16::from_le_bytes(*entry).into());
                Self { entries: entries.take(count).collect(), end: 0xfff8 }
            }
            Kind::Fat32 => {
                let (entries, _) = bytes.as_chunks();
                // The upper four bits are reserved.
                let entries = entries.iter().map(|entry| u32::from_le_bytes(*entry) & 0x0fff_ffff);
                Self { entries: entries.take(count).collect(), end: 0x0fff_fff8 }
            }
        }
    }

    /// The chain that begins with `first`, of `limit` clusters at most: a longer one, or a circle, is cut there. An error if
    /// it meets a cluster that is free, bad, or outside of the volume.
    pub(crate) fn chain(&self, first: u32, limit: u64) -> Result<Vec<u32>, Error> {
        let mut chain = Vec::new();
        let mut cluster = first;
        while (chain.len() as u64) < limit {
            let next = self.entry(cluster);
            let next = next.ok_or(Error::Damaged("a chain of clusters leads out of it"))?;
            chain.push(cluster);
            match next {
                next if next >= self.end => break,
                0 | 1 => return Err(Error::Damaged("a chain of clusters leads into free ones")),
                next if next == self.end - 1 => {
                    return Err(Error::Damaged("a chain of clusters leads into a bad one"));
                }
                next => cluster = next,
            }
        }
        Ok(chain)
    }

    /// Whether a cluster of the chain belongs to another chain too, or twice to its own.
    pub(crate) fn is_shared(&self, chain: &[u32]) -> bool {
        let own: BTreeSet<u32> = chain.iter().copied().collect();
        let (Some(lowest), Some(highest)) = (own.first(), own.last()) else { return false };
        let near = |next: &&u32| (lowest..=highest).contains(next);
        // The first has no predecessor, and each other one has one.
        let expected = chain.len().saturating_sub(1);
        let links = self.entries.iter().skip(2).filter(near).filter(|next| own.contains(next)).count();
        own.len() != chain.len() || links != expected
    }

    /// The runs of free clusters, in ascending order.
    pub(crate) fn free(&self) -> Vec<RangeInclusive<u32>> {
        let mut runs: Vec<RangeInclusive<u32>> = Vec::new();
        for (cluster, _) in (0_u32..).zip(&self.entries).skip(2).filter(|(_, next)| **next == 0) {
            match runs.last_mut() {
                Some(run) if run.end() + 1 == cluster => *run = *run.start()..=cluster,
                _ => runs.push(cluster..=cluster),
            }
        }
        runs
    }

    fn entry(&self, cluster: u32) -> Option<u32> {
        let index = usize::try_from(cluster).ok().filter(|index| *index >= 2)?;
        self.entries.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[u16]) -> Table {
        let bytes: Vec<u8> = [0xfff8, 0xffff].iter().chain(entries).flat_map(|e| e.to_le_bytes()).collect();
        Table::parse(&bytes, Kind::Fat16, u32::try_from(entries.len()).unwrap())
    }

    #[test]
    fn a_chain_ends_at_its_end_or_at_the_limit() {
        let table = table(&[3, 5, 0, 0xffff, 7, 6, 8, 0xfff7, 1]);
        assert_eq!(table.chain(2, 100).unwrap(), [2, 3, 5]);
        assert_eq!(table.chain(2, 2).unwrap(), [2, 3]);
        assert_eq!(table.chain(6, 5).unwrap(), [6, 7, 6, 7, 6]);
        assert_eq!(table.chain(8, 2).unwrap(), [8, 8]);
        for bad in [0, 1, 4, 9, 10, 11, u32::MAX] {
            assert!(matches!(table.chain(bad, 100), Err(Error::Damaged(_))), "{bad}");
        }
    }

    #[test]
    fn a_cluster_in_two_chains_is_noticed() {
        let shared = |entries: &[u16], chain: &[u32]| table(entries).is_shared(chain);
        assert!(!shared(&[3, 0xffff, 0xffff], &[2, 3]));
        assert!(shared(&[3, 0xffff, 3], &[2, 3]), "4 leads into it");
        assert!(shared(&[3, 0xffff, 2], &[2, 3]), "4 leads to its beginning");
        assert!(shared(&[3, 2, 0xffff], &[2, 3]), "a circle");
        assert!(shared(&[2, 0xffff], &[2, 2]), "a small circle");
        assert!(!shared(&[3, 4, 0xffff], &[2, 3]), "the rest of a longer chain is not looked at");
    }

    #[test]
    fn free_clusters_come_in_runs() {
        assert_eq!(table(&[0, 0, 0xffff, 0, 0xfff7, 0, 0]).free(), [2..=3, 5..=5, 7..=8]);
        assert!(table(&[]).free().is_empty());
    }
}
