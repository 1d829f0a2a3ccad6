//! The resident memory of server and init: logged once, when the server is ready, for measurements of boxes.

use std::fs;

use rustix::process::{Pid, getpid};

/// A sentence with the resident memory of server and init, as far as `/proc` tells.
pub(super) fn words(server: Pid) -> Option<String> {
    let of = |pid: Pid| resident(&fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?);
    Some(format!("memory: server {} kB, init {} kB", of(server)?, of(getpid())?))
}

/// proc(5): a line such as `VmRSS:      9500 kB`.
fn resident(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_set_is_found_among_the_other_lines() {
        assert_eq!(
            resident("Name:\thearth\nVmPeak:\t  20000 kB\nVmRSS:\t    9500 kB\nThreads:\t2\n"),
            Some(9500)
        );
        assert_eq!(resident("Name:\tkthreadd\n"), None, "kernel threads have none");
    }

    #[test]
    fn a_process_knows_its_own_memory() {
        assert!(words(getpid()).is_some_and(|words| words.starts_with("memory: server ")));
    }
}
