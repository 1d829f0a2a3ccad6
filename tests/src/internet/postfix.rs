//! Postfix with a configuration and a queue of its own for each host.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::{Host, Service, open_to_all};

/// Debian's place for Postfix's first process.
const MASTER: &str = "/usr/lib/postfix/sbin/master";
/// The folders of a queue.
const QUEUE: [&str; 13] = [
    "queue/active",
    "queue/bounce",
    "queue/corrupt",
    "queue/defer",
    "queue/deferred",
    "queue/flush",
    "queue/hold",
    "queue/incoming",
    "queue/maildrop",
    "queue/private",
    "queue/public",
    "queue/saved",
    "queue/trace",
];
/// The settings that all servers here share: their own addresses, no local users, no reverse look-ups, and a queue that
/// is looked at every few seconds, since a test does not wait for hours.
const COMMON: &str = "compatibility_level = 3.6
inet_protocols = ipv4
mydestination =
mynetworks =
alias_maps =
alias_database =
smtpd_peername_lookup = no
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 4s
message_size_limit = 31457280
virtual_mailbox_limit = 0
mailbox_size_limit = 0
";

/// The services of `master.cf` besides those that listen.
const SERVICES: &str = "cleanup unix n - n - 0 cleanup
qmgr    unix n - n 300 1 qmgr
tlsmgr  unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce  unix - - n - 0 bounce
defer   unix - - n - 0 bounce
trace   unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp    unix - - n - - smtp
relay   unix - - n - - smtp
error   unix - - n - - error
retry   unix - - n - - error
lmtp    unix - - n - - lmtp
virtual unix - n n - - virtual
anvil   unix - - n - 1 anvil
scache  unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

/// A running Postfix.
pub struct Postfix {
    folder: PathBuf,
    host: Host,
    service: Service,
}

impl Postfix {
    /// Starts it for a host with these lines of `main.cf` and `master.cf`; it listens on port 25 at least.
    pub fn start(host: &Host, main: &str, listeners: &str) -> Result<Self> {
        let folder = host.folder.join("postfix");
        make_folders(&folder)?;
        let (at, address, domain) = (folder.display(), host.address, &host.domain);
        let own = format!(
            "maillog_file = {at}/log\nmaillog_file_prefixes = {at}\nqueue_directory = {at}/queue\ndata_directory = {at}/data\nmyhostname = {domain}\nmyorigin = {domain}\n\
             inet_interfaces = {address}\nsmtp_bind_address = {address}\n"
        );
        std::fs::write(folder.join("main.cf"), format!("{COMMON}{own}{main}\n"))?;
        std::fs::write(folder.join("master.cf"), format!("{listeners}\n{SERVICES}"))?;
        let service = Self::run(host, &folder)?;
        Ok(Self { folder, host: host.clone(), service })
    }

    fn run(host: &Host, folder: &Path) -> Result<Service> {
        // Not by `postfix start-fg`, whose checks of all files take seconds.
        let mut command = Command::new(MASTER);
        command.arg("-s").arg("-c").arg(folder);
        let mut service = Service::start("postfix", command, &folder.join("log"))?;
        service.wait_for((host.address, 25).into())?;
        Ok(service)
    }

    /// Ends it.
    pub fn stop(&mut self) -> Result<()> {
        self.service.stop()
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.service.kill();
    }

    /// Starts it again.
    pub fn start_again(&mut self) -> Result<()> {
        self.service = Self::run(&self.host, &self.folder)?;
        Ok(())
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> String {
        self.service.log()
    }

    /// The number of messages in its queue.
    #[must_use]
    pub fn queued(&self) -> usize {
        let queue = self.folder.join("queue");
        ["incoming", "active", "deferred"].iter().map(|part| count_files(&queue.join(part))).sum()
    }
}

/// Makes the queue's folders and those of the processes, which belong to Postfix's user.
fn make_folders(folder: &Path) -> Result<()> {
    for name in ["queue/pid", "data"].into_iter().chain(QUEUE) {
        std::fs::create_dir_all(folder.join(name))?;
    }
    open_to_all(folder)?;
    let mut chown = Command::new("chown");
    chown.arg("postfix").current_dir(folder).arg("data").args(QUEUE);
    ensure!(chown.status()?.success(), "there is no user `postfix`; scripts/prepare test installs Postfix");
    Ok(())
}

fn count_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count_files(&entry.path()) } else { 1 }).sum()
}
