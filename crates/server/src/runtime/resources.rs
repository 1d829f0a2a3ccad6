//! The machine's memory and disk: the number of connections that it bears, and the floors below which no account is
//! created, so that those there are can go on.

use config::Config;
use store::{DiskSpace, Store};

/// The kernel's table of memory (proc(5)).
const MEMORY_FILE: &str = "/proc/meminfo";
/// The bytes that a connection holds at its worst, stuck in the middle of a message or of a long command; `bench stuck`
/// measures it. In IDLE it holds a tenth of that.
const CONNECTION_AT_WORST: u64 = 128 * 1024;
/// Connections may fill one part in this many of the machine's memory, if all are at their worst.
const PART_FOR_CONNECTIONS: u64 = 2;
/// The lists of messages of open mailboxes may fill one part in this many.
const PART_FOR_VIEWS: u64 = 8;

/// The floors, and the store whose disk is meant.
#[derive(Clone, Debug)]
pub(crate) struct Resources {
    store: Store,
    disk_floor: u64,
    memory_floor: u64,
}

impl Resources {
    /// From the configuration.
    pub(crate) fn new(config: &Config, store: Store) -> Self {
        Self {
            store,
            disk_floor: config.limits.registration_free_disk,
            memory_floor: config.limits.registration_free_memory,
        }
    }

    /// The resource that is below its floor, if any is. One that cannot be read counts as plenty.
    pub(crate) fn shortage(&self) -> Option<&'static str> {
        if self.disk().is_some_and(|disk| disk.free < self.disk_floor) {
            Some("the disk is nearly full")
        } else if memory("MemAvailable").is_some_and(|memory| memory < self.memory_floor) {
            Some("memory is short")
        } else {
            None
        }
    }

    /// The connections that may be open: those that are wanted, or fewer if the machine's memory could not bear so many
    /// at their worst. Memory that cannot be read counts as plenty.
    pub(crate) fn connections(wanted: u32) -> u32 {
        memory("MemTotal").map_or(wanted, |total| wanted.min(bearable_connections(total)))
    }

    /// The bytes that the lists of messages of all open mailboxes may take together.
    pub(crate) fn mailbox_memory() -> u64 {
        memory("MemTotal").map_or(u64::MAX, |total| total / PART_FOR_VIEWS)
    }

    /// The disk that the store lies on.
    pub(crate) fn disk(&self) -> Option<DiskSpace> {
        self.store.disk_space().ok()
    }
}

fn bearable_connections(memory: u64) -> u32 {
    u32::try_from(memory / PART_FOR_CONNECTIONS / CONNECTION_AT_WORST).unwrap_or(u32::MAX).max(1)
}

fn memory(row: &str) -> Option<u64> {
    parse(&std::fs::read_to_string(MEMORY_FILE).ok()?, row)
}

/// proc(5): `MemAvailable:    1234 kB`
fn parse(text: &str, row: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(':'))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use crate::runtime::resources::{bearable_connections, parse};

    #[test]
    fn memory_is_read_from_the_kernels_table() {
        let table = "MemTotal: 1 kB\nMemAvailable:     2 kB\n";
        assert_eq!(parse(table, "MemAvailable"), Some(2048));
        assert_eq!(parse(table, "MemTotal"), Some(1024));
        assert_eq!(parse(table, "Mem"), None);
    }

    #[test]
    fn a_small_machine_takes_fewer_connections_but_never_none() {
        assert_eq!(bearable_connections(420 << 20), 1680, "what Linux has of a Pi Zero 2 W's 512 MB");
        assert_eq!(bearable_connections(1 << 20), 4);
        assert_eq!(bearable_connections(0), 1);
    }
}
