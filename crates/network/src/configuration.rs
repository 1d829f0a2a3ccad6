//! The loop that keeps the machine on its network: every Ethernet interface that there is or that comes gets a DHCP
//! client; what the clients decide is done to the kernel's tables. What the addresses are for is the caller's business.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::Error;
use crate::clock::{now, timespec};
use crate::dhcp::{Announcement, Client, Input, Lease, Output};
use crate::netlink::{Changes, Link, LinkKind, Netlink, Usability};
use crate::packet_socket::Frames;

/// No wait is shorter: whatever a clock says, the processor is not kept busy.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);
/// No wait is longer: if a change was missed, it is found then.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Frames read from one interface before the others have their turn.
const BURST: usize = 64;
/// The port DHCP servers answer to.
const CLIENT_PORT: u16 = 68;

/// How to be on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name told to the router.
    pub name: String,
    /// The file that tells programs whom to ask for names, `/etc/resolv.conf`.
    pub resolver_file: PathBuf,
}

/// Something the caller may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The machine's addresses that others can use are now these, IPv4 first.
    Addresses(Vec<IpAddr>),
    /// Something did not work; it is tried again by itself.
    Trouble(String),
}

/// Keeps the machine on the network until `report` says that nobody listens any more.
///
/// `chance` gives numbers nobody can guess.
///
/// # Errors
///
/// When the kernel cannot be spoken with at all.
pub fn follow(
    settings: &Settings,
    chance: impl FnMut() -> u64,
    report: impl FnMut(Report) -> Listening,
) -> Result<(), Error> {
    let announcement = Announcement::of_name(&settings.name);
    let changes = Changes::listen()?;
    let mut follower = Follower {
        netlink: Netlink::open()?,
        announcement: &announcement,
        resolver_file: &settings.resolver_file,
        chance,
        report,
        wired: BTreeMap::new(),
        addresses: None,
        listening: Listening::Yes,
    };
    // The kernel would answer a DHCP server's packets with "nobody here" if nobody had the port.
    let _port = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, CLIENT_PORT));
    follower.look();
    while follower.listening == Listening::Yes {
        if wait(&changes, &mut follower.wired)? {
            changes.drain();
            follower.look();
        }
        follower.serve_clients();
    }
    Ok(())
}

/// Whether somebody still hears the reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listening {
    /// Go on.
    Yes,
    /// Stop.
    No,
}

/// An interface with its client.
struct Wired<'a> {
    link: Link,
    client: Client<'a>,
    frames: Option<Frames>,
}

struct Follower<'a, C, R> {
    netlink: Netlink,
    announcement: &'a Announcement<'a>,
    resolver_file: &'a Path,
    chance: C,
    report: R,
    wired: BTreeMap<u32, Wired<'a>>,
    addresses: Option<Vec<IpAddr>>,
    listening: Listening,
}

/// Waits for something to do; true when interfaces or addresses changed.
fn wait(changes: &Changes, wired: &mut BTreeMap<u32, Wired<'_>>) -> Result<bool, Error> {
    let now = now();
    let wake = wired.values_mut().filter_map(|wired| wired.client.wake_at(now)).min();
    let limit = wake.map_or(LONGEST_WAIT, |wake| wake.saturating_sub(now)).clamp(SHORTEST_WAIT, LONGEST_WAIT);
    let mut fds = vec![PollFd::new(changes, PollFlags::IN)];
    let sockets = wired.values().filter_map(|wired| wired.frames.as_ref());
    fds.extend(sockets.map(|frames| PollFd::from_borrowed_fd(frames.as_fd(), PollFlags::IN)));
    match poll(&mut fds, Some(&timespec(limit))) {
        Ok(0) => Ok(limit == LONGEST_WAIT),
        Ok(_) => Ok(fds.first().is_some_and(|fd| !fd.revents().is_empty())),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(Error::Socket { doing: "wait for the network", source: error.into() }),
    }
}

impl<C: FnMut() -> u64, R: FnMut(Report) -> Listening> Follower<'_, C, R> {
    /// Compares what there is with what is known.
    fn look(&mut self) {
        if let Err(error) = self.look_at_links() {
            self.trouble(&error);
        }
        self.look_at_addresses();
    }

    fn look_at_links(&mut self) -> Result<(), Error> {
        let links = self.netlink.links()?;
        let known = self.wired.len();
        self.wired.retain(|index, wired| {
            links.iter().any(|link| {
                link.index == *index && link.mac == wired.link.mac && link.name == wired.link.name
            })
        });
        if self.wired.len() != known {
            self.write_resolvers()?;
        }
        for link in links {
            if link.kind == LinkKind::Other {
                continue;
            }
            if !link.is_up {
                // A change of the interface brings us back here.
                self.netlink.set_up(link.index)?;
            }
            if link.kind == LinkKind::Ethernet {
                self.look_at_cable(link);
            }
        }
        Ok(())
    }

    fn look_at_cable(&mut self, link: Link) {
        let Some(mac) = link.mac else { return };
        let now = now();
        let input = if link.has_carrier { Input::LinkUp } else { Input::LinkDown };
        let index = link.index;
        if !self.wired.contains_key(&index) {
            let client = Client::new(mac, self.announcement, (self.chance)(), now);
            self.wired.insert(index, Wired { link, client, frames: None });
        }
        self.hand(index, now, input);
    }

    fn look_at_addresses(&mut self) {
        let mut found: Vec<IpAddr> = match self.netlink.addresses() {
            Ok(found) => found
                .into_iter()
                .filter(|found| found.usability == Usability::Global && !found.address.is_loopback())
                .map(|found| found.address)
                .collect(),
            Err(error) => return self.trouble(&error),
        };
        found.sort();
        found.dedup();
        if self.addresses.as_ref() != Some(&found) {
            self.addresses = Some(found.clone());
            self.say(Report::Addresses(found));
        }
    }

    /// Lets every client read what has come and do what is due.
    fn serve_clients(&mut self) {
        let indices: Vec<u32> = self.wired.keys().copied().collect();
        for index in indices {
            let now = now();
            for frame in self.frames_of(index) {
                self.hand(index, now, Input::Frame(&frame));
            }
            self.hand(index, now, Input::Tick);
            self.open_or_close(index, now);
        }
    }

    fn frames_of(&mut self, index: u32) -> Vec<Vec<u8>> {
        let mut read = Vec::new();
        let Some(wired) = self.wired.get_mut(&index) else { return read };
        while let (true, Some(frames)) = (read.len() < BURST, &wired.frames) {
            match frames.receive() {
                Ok(Some(frame)) => read.push(frame),
                Ok(None) => break,
                // The interface went down or away; the next look tells which.
                Err(_) => wired.frames = None,
            }
        }
        read
    }

    fn hand(&mut self, index: u32, now: Duration, input: Input<'_>) {
        let Some(wired) = self.wired.get_mut(&index) else { return };
        let before = wired.client.lease().cloned();
        wired.client.handle(now, input);
        let outputs: Vec<Output> = std::iter::from_fn(|| wired.client.poll()).collect();
        for output in outputs {
            let done = match output {
                Output::Send(frame) => self.send(index, &frame),
                Output::Bound(lease) => self.configure(index, before.as_ref(), Some(&lease)),
                Output::Lost => self.configure(index, before.as_ref(), None),
            };
            if let Err(error) = done {
                self.trouble(&error);
            }
        }
    }

    fn send(&mut self, index: u32, frame: &[u8]) -> Result<(), Error> {
        self.ensure_open(index)?;
        let Some(wired) = self.wired.get_mut(&index) else { return Ok(()) };
        let sent = wired.frames.as_ref().map_or(Ok(()), |frames| frames.send(frame));
        if sent.is_err() {
            wired.frames = None;
        }
        sent
    }

    fn ensure_open(&mut self, index: u32) -> Result<(), Error> {
        if let Some(wired) = self.wired.get_mut(&index)
            && wired.frames.is_none()
        {
            wired.frames = Some(Frames::open(&wired.link.name)?);
        }
        Ok(())
    }

    fn open_or_close(&mut self, index: u32, now: Duration) {
        let Some(wired) = self.wired.get_mut(&index) else { return };
        if !wired.client.wants_frames(now) {
            wired.frames = None;
        } else if let Err(error) = self.ensure_open(index) {
            self.trouble(&error);
        }
    }

    /// Makes the kernel's tables say what the lease says.
    fn configure(&mut self, index: u32, before: Option<&Lease>, lease: Option<&Lease>) -> Result<(), Error> {
        if let Some(old) = before.filter(|old| Some(*old) != lease) {
            // Whatever is gone already was to go.
            if let Some(router) = old.router {
                let _ = self.netlink.delete_default_route(index, router);
            }
            if lease.is_none_or(|new| (new.address, new.prefix) != (old.address, old.prefix)) {
                let _ = self.netlink.delete_address(index, old.address, old.prefix);
            }
        }
        if let Some(new) = lease {
            self.netlink.add_address(index, new.address, new.prefix)?;
            if let Some(router) = new.router {
                self.netlink.set_default_route(index, router)?;
            }
        }
        self.write_resolvers()
    }

    fn write_resolvers(&mut self) -> Result<(), Error> {
        let leases = self.wired.values().filter_map(|wired| wired.client.lease());
        let mut resolvers: Vec<Ipv4Addr> = leases.flat_map(|lease| lease.resolvers.iter().copied()).collect();
        resolvers.dedup();
        replace(self.resolver_file, &resolver_text(&resolvers))
            .map_err(|source| Error::Socket { doing: "write the list of name servers", source })
    }

    fn trouble(&mut self, error: &Error) {
        self.say(Report::Trouble(error.to_string()));
    }

    fn say(&mut self, report: Report) {
        if (self.report)(report) == Listening::No {
            self.listening = Listening::No;
        }
    }
}

fn resolver_text(resolvers: &[Ipv4Addr]) -> String {
    resolvers.iter().map(|resolver| format!("nameserver {resolver}\n")).collect()
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::Ipv4Addr;

    use super::{replace, resolver_text};

    #[test]
    fn the_resolver_file_is_replaced_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("resolv.conf");
        for (resolvers, text) in [
            (
                vec![Ipv4Addr::new(192, 168, 1, 1), Ipv4Addr::new(9, 9, 9, 9)],
                "nameserver 192.168.1.1\nnameserver 9.9.9.9\n",
            ),
            (vec![], ""),
        ] {
            replace(&path, &resolver_text(&resolvers)).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
