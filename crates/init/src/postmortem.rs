//! The records of a kernel panic (`pstore`): moved from the reserved memory to the logs, where they can be read, so that
//! the memory is free for the next panic.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::log::Log;

/// The most bytes kept of a record.
const RECORD_SIZE_LIMIT: u64 = 256 * 1024;
/// The most records kept of one panic; a broken memory must not fill the card.
const RECORDS_LIMIT: usize = 16;

/// Moves the records from `store` (`/sys/fs/pstore`) to `logs`, over those of an earlier death.
pub(super) fn collect(store: &Path, logs: &Path, log: &Log) {
    let Ok(entries) = fs::read_dir(store) else { return };
    for entry in entries.filter_map(Result::ok).take(RECORDS_LIMIT) {
        let name = entry.file_name();
        let place = logs.join(format!("kernel-{}", name.to_string_lossy()));
        match copy(&entry.path(), &place).and_then(|()| fs::remove_file(entry.path())) {
            Ok(()) => log.say(format!("the kernel died before this start; {} tells why", place.display())),
            Err(error) => log.say(format!("the kernel's last words cannot be kept: {error}")),
        }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?.take(RECORD_SIZE_LIMIT);
    let mut target = File::create(to)?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::collect;
    use crate::console::Consoles;
    use crate::log::Log;

    #[test]
    fn the_kernels_last_words_are_moved_once() {
        let (store, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(store.path().join("dmesg-ramoops-0"), "Oops#1").unwrap();
        let log = Log::new(Consoles::none(), None);
        collect(store.path(), logs.path(), &log);
        assert_eq!(fs::read_to_string(logs.path().join("kernel-dmesg-ramoops-0")).unwrap(), "Oops#1");
        assert_eq!(fs::read_dir(store.path()).unwrap().count(), 0);
        collect(&store.path().join("missing"), logs.path(), &log);
    }
}
