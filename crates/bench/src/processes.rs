//! The server's CPU time and memory, from `/proc` (proc(5)).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The pause between two looks at what the server does.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The server's processes, found anew at every reading: some servers start one for each connection.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    names: Vec<String>,
    trees: Vec<u32>,
}

/// Memory of all the processes, in kB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Proportional set size: shared pages are counted once.
    pub(crate) proportional: u64,
    /// Pages that belong to nobody else and to no file.
    pub(crate) anonymous: u64,
    /// The most that was ever resident since [`Processes::forget_peak`].
    pub(crate) peak: u64,
}

impl Processes {
    /// Those of these names, and these with all their descendants.
    pub(crate) fn new(names: &[String], trees: &[u32]) -> Self {
        Self { names: names.to_vec(), trees: trees.to_vec() }
    }

    /// CPU milliseconds used so far, ended children included.
    pub(crate) fn cpu_milliseconds(&self) -> f64 {
        // The kernel's USER_HZ is 100 on every architecture that Rust's std knows.
        self.found().into_iter().filter_map(cpu_ticks).sum::<u64>() as f64 * 10.0
    }

    pub(crate) fn memory(&self) -> Memory {
        self.found().into_iter().filter_map(memory_of).fold(Memory::default(), |sum, one| Memory {
            proportional: sum.proportional + one.proportional,
            anonymous: sum.anonymous + one.anonymous,
            peak: sum.peak + one.peak,
        })
    }

    /// Returns once the server has done all that it was asked for: every thread sleeps, and none has run between two
    /// looks. At once when no process was named.
    pub(crate) async fn rest(&self) {
        let mut before = None;
        loop {
            let switches: Option<Vec<_>> = self.found().into_iter().map(switches_asleep).collect();
            if switches.is_some() && switches == before {
                return;
            }
            before = switches;
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// From now on the peak is a new one, where the kernel permits it.
    pub(crate) fn forget_peak(&self) {
        for id in self.found() {
            let _ = fs::write(format!("/proc/{id}/clear_refs"), "5");
        }
    }

    fn found(&self) -> Vec<u32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let parents: BTreeMap<u32, u32> = ids.filter_map(|id| Some((id, parent(id)?))).collect();
        parents.keys().copied().filter(|&id| self.is_named(id) || self.descends(id, &parents)).collect()
    }

    fn is_named(&self, id: u32) -> bool {
        let name = || fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        !self.names.is_empty() && self.names.iter().any(|wanted| wanted == name().trim_end())
    }

    fn descends(&self, id: u32, parents: &BTreeMap<u32, u32>) -> bool {
        std::iter::successors(Some(id), |id| parents.get(id).copied()).any(|id| self.trees.contains(&id))
    }
}

/// The fields of /proc/PID/stat behind the command's parenthesis, from the third on.
fn stat(id: u32) -> Option<Vec<u64>> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect())
}

fn parent(id: u32) -> Option<u32> {
    u32::try_from(*stat(id)?.get(1)?).ok()
}

/// utime, stime, cutime, cstime.
fn cpu_ticks(id: u32) -> Option<u64> {
    Some(stat(id)?.get(11..15)?.iter().sum())
}

/// The number of times that each thread has given up its processor so far; none if one of them runs or waits for a disk.
fn switches_asleep(id: u32) -> Option<Vec<(PathBuf, u64)>> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).ok()?;
    let one = |thread: PathBuf| {
        let status = fs::read_to_string(thread.join("status")).ok()?;
        let value = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let count = |name| value(name)?.parse::<u64>().ok();
        let switches = count("voluntary_ctxt_switches:")? + count("nonvoluntary_ctxt_switches:")?;
        value("State:")?.starts_with('S').then_some((thread, switches))
    };
    threads.map(|thread| one(thread.ok()?.path())).collect()
}

fn memory_of(id: u32) -> Option<Memory> {
    let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    Some(Memory {
        proportional: kilobytes(&rollup, "Pss:")?,
        anonymous: kilobytes(&rollup, "Pss_Anon:")?,
        peak: kilobytes(&status, "VmHWM:")?,
    })
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}
