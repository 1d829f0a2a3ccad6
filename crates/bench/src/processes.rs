//! The server's CPU time and memory, from `/proc` (proc(5)).

use std::fs;

/// The server's processes, found anew at every reading: some servers start one for each connection.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    names: Vec<String>,
}

/// Memory of all the processes, in kB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Proportional set size: shared pages are counted once.
    pub(crate) proportional: u64,
    /// Pages that belong to nobody else and to no file.
    pub(crate) anonymous: u64,
}

impl Processes {
    pub(crate) fn named(names: &[String]) -> Self {
        Self { names: names.to_vec() }
    }

    /// CPU milliseconds used so far, ended children included.
    pub(crate) fn cpu_milliseconds(&self) -> f64 {
        // The kernel's USER_HZ is 100 on every architecture that Rust's std knows.
        self.each(cpu_ticks).sum::<u64>() as f64 * 10.0
    }

    pub(crate) fn memory(&self) -> Memory {
        self.each(memory_of).fold(Memory::default(), |sum, one| Memory {
            proportional: sum.proportional + one.proportional,
            anonymous: sum.anonymous + one.anonymous,
        })
    }

    fn each<T>(&self, read: impl Fn(&str) -> Option<T>) -> impl Iterator<Item = T> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().into_string().ok());
        ids.filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))
            .filter(|id| {
                let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
                self.names.iter().any(|wanted| wanted == name.trim_end())
            })
            .filter_map(move |id| read(&id))
    }
}

/// utime, stime, cutime, cstime: fields 14 to 17 of /proc/PID/stat, counted behind the command's parenthesis.
fn cpu_ticks(id: &str) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum())
}

fn memory_of(id: &str) -> Option<Memory> {
    let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
    let field = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Memory { proportional: field("Pss:")?, anonymous: field("Pss_Anon:")? })
}
