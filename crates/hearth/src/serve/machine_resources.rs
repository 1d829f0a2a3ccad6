//! What the machine has left: below the floors nobody new gets in, so that those who are here can go on.

use store::{DiskSpace, Store};

use crate::config::Config;

/// Where Linux tells its memory.
const MEMORY_FILE: &str = "/proc/meminfo";

/// The floors, and where to look.
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

    /// What is short, if anything. What cannot be read counts as plenty.
    pub(crate) fn shortage(&self) -> Option<&'static str> {
        if self.disk().is_some_and(|disk| disk.free < self.disk_floor) {
            Some("the disk is nearly full")
        } else if available_memory().is_some_and(|memory| memory < self.memory_floor) {
            Some("memory is short")
        } else {
            None
        }
    }

    /// The disk that the store lies on.
    pub(crate) fn disk(&self) -> Option<DiskSpace> {
        self.store.disk_space().ok()
    }
}

fn available_memory() -> Option<u64> {
    parse_available(&std::fs::read_to_string(MEMORY_FILE).ok()?)
}

/// proc(5): `MemAvailable:    1234 kB`
fn parse_available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::parse_available;

    #[test]
    fn memory_is_read_from_the_kernels_table() {
        assert_eq!(parse_available("MemTotal: 1 kB\nMemAvailable:     2 kB\n"), Some(2048));
        assert_eq!(parse_available("MemTotal: 1 kB\n"), None);
    }
}
