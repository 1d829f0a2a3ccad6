//! Rights and resources that a child of init gives up, by itself and before it reads a byte from outside.

use anyhow::Context;
use rustix::process::{Gid, Resource, Rlimit, Uid, geteuid, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

/// Open files of a restricted process: a socket for each of a few interfaces, and a handful of its own.
const OPEN_FILES_LIMIT: u64 = 64;

/// Takes all rights but `kept` from the calling process, for good, and most resources: it becomes user and group `id`, and
/// can make no file longer than `file_size` bytes.
pub(super) fn restrict(id: u32, kept: CapabilitySet, file_size: u64) -> anyhow::Result<()> {
    set_no_new_privs(true).context("setting no_new_privs")?;
    // Not root: started as its user, or a developer's machine, where it has been given its capabilities, or a test.
    if geteuid().is_root() {
        give_up_rights(id, kept).context("giving up root's rights")?;
    }
    limit_resources(file_size).context("limiting the process's resources")
}

/// Becomes user and group `id`, with no capabilities but `kept`.
fn give_up_rights(id: u32, kept: CapabilitySet) -> rustix::io::Result<()> {
    let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    // Without this the change of the user would clear the permitted set; it clears the effective one in any case.
    set_keep_capabilities(true)?;
    set_thread_res_uid(user, user, user)?;
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )
}

/// Takes from the process what it does not need. It can make no file longer than `file_size` bytes.
fn limit_resources(file_size: u64) -> rustix::io::Result<()> {
    // The process itself is the one process of its user: it can start neither another one nor a thread.
    for (resource, limit) in
        [(Resource::Nproc, 1), (Resource::Fsize, file_size), (Resource::Nofile, OPEN_FILES_LIMIT)]
    {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::{env, fs, thread};

    use rustix::process::geteuid;

    use super::{CapabilitySet, give_up_rights, limit_resources};

    /// A user without a right on this machine.
    const SOME_ID: u32 = 1002;

    /// The limits are for a whole process and for ever: a second run of this test program takes them.
    #[test]
    fn a_restricted_process_can_start_nothing_and_write_no_file() {
        const SECOND_RUN: &str = "HEARTH_TEST_LIMITS";
        if env::var_os(SECOND_RUN).is_some() {
            limit_resources(0).unwrap();
            // Root is exempt from Nproc.
            if geteuid().is_root() {
                give_up_rights(SOME_ID, CapabilitySet::empty()).unwrap();
            }
            println!("thread started: {}", thread::Builder::new().spawn(|| ()).is_ok());
            println!("{}", fs::read_to_string("/proc/self/limits").unwrap());
            return;
        }
        let test = "restriction::tests::a_restricted_process_can_start_nothing_and_write_no_file";
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1", test])
            .env(SECOND_RUN, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("thread started: false"), "{text}");
        for (name, limit) in [("Max processes", "1"), ("Max file size", "0"), ("Max open files", "64")] {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            let limits: Vec<_> = line.split_whitespace().take(2).collect();
            assert_eq!(limits, [limit, limit], "{name}");
        }
    }
}
