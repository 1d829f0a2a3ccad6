//! The name servers in use: listed ones, or those in a file that changes with the network.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use host::locks::Mutex;
use rustls::ClientConfig;

use crate::resolv_conf::name_servers;
use crate::settings::{NameServer, Servers};
use crate::upstream::{Recursion, Upstream};

/// The time between two looks at the file.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// The longest part of the file that is read, in bytes.
const FILE_LIMIT: u64 = 64 * 1024;

/// The name servers in use.
pub(crate) struct Source {
    servers: Servers,
    recursion: Recursion,
    tls: ClientConfig,
    current: Mutex<Current>,
}

struct Current {
    /// None without name servers.
    upstream: Option<Upstream>,
    servers: Vec<NameServer>,
    stamp: Option<Stamp>,
    looked: Option<Instant>,
}

/// The attributes that tell a file from its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

/// Whether the name servers are the same as at the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Same,
    Changed,
}

impl Source {
    /// Blocks on file IO.
    pub(crate) fn new(servers: Servers, recursion: Recursion, tls: ClientConfig) -> anyhow::Result<Self> {
        let (stamp, listed) = match &servers {
            Servers::Listed(listed) => {
                ensure!(!listed.is_empty(), "no name server is listed; name at least one");
                (None, listed.clone())
            }
            Servers::ResolvConf(path) => (stamp(path), read(path)),
        };
        let upstream = connect(&listed, recursion, &tls)?;
        let current = Mutex::new(Current { upstream, servers: listed, stamp, looked: None });
        Ok(Self { servers, recursion, tls, current })
    }

    /// The name servers to ask now; none if the file lists none.
    pub(crate) async fn upstream(&self, now: Instant) -> (Option<Upstream>, Change) {
        let change = self.look(now).await;
        (self.current.lock().upstream.clone(), change)
    }

    /// Reads the file if it is another than at the last look.
    async fn look(&self, now: Instant) -> Change {
        let Servers::ResolvConf(path) = &self.servers else { return Change::Same };
        let known = {
            let mut current = self.current.lock();
            if current.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK_PAUSE) {
                return Change::Same;
            }
            current.looked = Some(now);
            current.stamp
        };
        let path = path.clone();
        let looked = tokio::task::spawn_blocking(move || {
            // The stamp is taken before the file is read: a change in between is seen the next time.
            let stamp = stamp(&path);
            (stamp != known).then(|| (stamp, read(&path)))
        });
        let Ok(Some((stamp, listed))) = looked.await else { return Change::Same };
        let mut current = self.current.lock();
        current.stamp = stamp;
        if current.servers == listed {
            return Change::Same;
        }
        match connect(&listed, self.recursion, &self.tls) {
            Ok(upstream) => {
                current.upstream = upstream;
                current.servers = listed;
                Change::Changed
            }
            // They were prepared once with the same settings; the old ones are better than none.
            Err(_) => Change::Same,
        }
    }
}

fn connect(
    servers: &[NameServer],
    recursion: Recursion,
    tls: &ClientConfig,
) -> anyhow::Result<Option<Upstream>> {
    if servers.is_empty() {
        return Ok(None);
    }
    Upstream::new(servers, recursion, tls, None).map(Some)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    Some(Stamp { inode: file.ino(), length: file.len(), modified: (file.mtime(), file.mtime_nsec()) })
}

/// The name servers in the file; none if it cannot be read, as before the network is there.
fn read(path: &Path) -> Vec<NameServer> {
    let read = || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(FILE_LIMIT).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let text = read().unwrap_or_default();
    name_servers(&String::from_utf8_lossy(&text))
}
