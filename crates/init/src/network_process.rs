//! The three processes that read packets from the network, apart from the first process and from each other. A bug in one of
//! them costs a line in the log and a new process, not the box.
//!
//! | process | user | rights | packets |
//! |---|---|---|---|
//! | `hearth network configuration NAME` | 1001 | `CAP_NET_ADMIN`, `CAP_NET_RAW` | DHCP, netlink, answers of name servers |
//! | `hearth network responder NAME` | 1002 | none | multicast DNS, netlink |
//! | `hearth network time NAME` | 1003 | `CAP_SYS_TIME` | SNTP, DNS, netlink; TLS and HTTP where time servers are silent |
//!
//! All are this binary, inherit `no_new_privs` and an empty environment, own no file, and report on their standard output
//! ([`ipc::network`]). The responder is started as its user, as the server is. The configuration process and
//! the time client are started as root, since capabilities survive a change of the user only if the process itself asks for
//! that; they give everything up but these before they open a socket. None can start a process or a thread, write a file, or open
//! more files than its sockets need, and all are ended before the server where memory runs out.
//!
//! This crate knows no TLS: the caller of [`run_network`], which is no part of the first process, brings the question to
//! web servers along.
//!
//! The owner's `wireguard.conf` is only read where it matters: init hands its text, unparsed, to the configuration process
//! by its standard input. The kernel's modules for it are loaded by init, which alone has the right.

use std::convert::Infallible;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use anyhow::Context;
use host::clock::UnixTime;
use host::{entropy, file};
use ipc::lines;
use ipc::network::{FromNetwork, LINE_LIMIT, Synchronised};
use ipc::owner::TEXT_LIMIT;
use network::configuration::{Report, Settings, run_configuration};
use network::mdns::run_responder;
use network::time::{DEFAULT_SERVERS, DEFAULT_WEB_SERVERS, KernelClock, TrialClock, run_time_client};
use network::wireguard::Conf;
use rustix::thread::CapabilitySet;
use time_sync::{Bounds, Server as TimeServer, WebDate, WebServer};

use super::child::{Child, HEARTH, filled_pipe};
use super::event::Event;
use super::identity::BoxName;
use super::log::Log;
use super::persistent_state::{EarliestTimes, PersistentState};
use super::restriction::restrict;
use super::role::Role;
use super::system::load_tunnel_modules;

/// The user and group of [`Role::Configuration`].
const CONFIGURATION_ID: u32 = 1001;
/// The user and group of [`Role::Responder`].
const RESPONDER_ID: u32 = 1002;
/// The user and group of [`Role::Time`].
const TIME_ID: u32 = 1003;
/// The capabilities that [`Role::Configuration`] keeps: rtnetlink's changes, and packet sockets.
const CONFIGURATION_CAPABILITIES: CapabilitySet = CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_RAW);
/// Half of the whole memory is added to a network process's own when the kernel looks for one to end (`proc(5)`,
/// `oom_score_adj`): it starts again within seconds, the server takes longer and matters more.
const OOM_SCORE_ADJUSTMENT: &str = "500";
/// The C library's list of name servers (`resolv.conf(5)`).
const RESOLVER_FILE: &str = "/etc/resolv.conf";
/// The list of the home's own time servers, one a line.
const TIME_SERVERS_FILE: &str = "/run/hearth/time-servers";

/// The parameters of [`Role::Time`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeSettings {
    /// The servers to ask beside those of the home; [`network::time::DEFAULT_SERVERS`] if there are none.
    pub servers: Vec<TimeServer>,
    /// The time at which the image was built, in seconds since 1970.
    pub built: u64,
    /// The last time that an earlier start of the box has known, in seconds since 1970.
    pub known: u64,
    /// The web servers to ask for their dates where no time server is believed; [`network::time::DEFAULT_WEB_SERVERS`] if
    /// there are none.
    pub web_servers: Vec<WebServer>,
    /// The time for which time servers are waited for before that.
    pub patience: Duration,
    /// True to leave the clock as it is, and to tell what would be done.
    pub trial: bool,
}

impl Role {
    /// Starts the process; its messages arrive as events.
    pub(super) fn start(
        self,
        name: &BoxName,
        times: EarliestTimes,
        state: Option<&PersistentState>,
        events: &SyncSender<Event>,
        log: &Log,
    ) -> io::Result<Child> {
        let tunnel = if self == Self::Configuration { tunnel_text(state, log) } else { None };
        if tunnel.is_some() {
            load_tunnel_modules(log);
        }
        let mut command = Command::new(HEARTH);
        command.args(["network", self.as_str(), name.as_str()]);
        if self == Self::Time {
            let EarliestTimes { built, known } = times;
            command.args(["--built", &built.0.to_string(), "--known", &known.0.to_string()]);
        }
        if self == Self::Responder {
            command.uid(RESPONDER_ID).gid(RESPONDER_ID);
        }
        self.start_command(command, tunnel.as_deref(), events, log)
    }

    /// The role in the events is the one that was started: no process can claim another's.
    fn start_command(
        self,
        mut command: Command,
        input: Option<&str>,
        events: &SyncSender<Event>,
        log: &Log,
    ) -> io::Result<Child> {
        command
            .env_clear()
            .stdin(input.map_or_else(|| Ok(Stdio::null()), |text| filled_pipe(text.as_bytes()))?);
        let events = events.clone();
        let deliver = move |pid, message: FromNetwork| {
            events.send(Event::Network(self, pid, message.bounded())).is_ok()
        };
        Child::start(&mut command, self.log_source(), LINE_LIMIT, log, deliver).map(|(child, _)| child)
    }
}

/// The text of the owner's `wireguard.conf`, if a tunnel is to be made.
fn tunnel_text(state: Option<&PersistentState>, log: &Log) -> Option<String> {
    state?.wireguard_text().unwrap_or_else(|error| {
        log.say(format!("there is no tunnel: the kept wireguard.conf cannot be read: {error}"));
        None
    })
}

/// Reads the tunnel's configuration from the standard input, if it is there. What is wrong with it is reported.
fn read_tunnel(send: impl Fn(&FromNetwork) -> io::Result<()>) -> anyhow::Result<Option<Conf>> {
    let mut text = String::new();
    io::stdin().take(TEXT_LIMIT as u64 + 1).read_to_string(&mut text).context("reading wireguard.conf")?;
    if text.is_empty() {
        return Ok(None);
    }
    let (conf, remarks) = match Conf::parse(&text) {
        Ok((conf, remarks)) => (Some(conf), remarks),
        Err(errors) => (None, errors),
    };
    for remark in remarks {
        send(&FromNetwork::Warning(remark.to_string()))?;
    }
    if conf.is_none() {
        send(&FromNetwork::Warning("there is no tunnel: wireguard.conf has errors".to_owned()))?;
    }
    Ok(conf)
}

/// Runs a network process in the calling thread, which must be the only one; `time` and `dates` are for [`Role::Time`].
/// `dates` asks web servers at these addresses for their dates, in the same thread; for each that has told none it returns
/// the reason, without the address.
///
/// # Errors
///
/// When the rights cannot be given up, when the kernel refuses its sockets, or when init has closed the pipe.
pub fn run_network(
    role: Role,
    name: &str,
    time: TimeSettings,
    dates: impl FnMut(&[(WebServer, IpAddr)]) -> Vec<Result<WebDate, String>>,
) -> anyhow::Result<Infallible> {
    // Before the change of the user, after which the file is root's. Without it the process is no less safe.
    let adjusted = fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJUSTMENT);
    let (id, kept) = match role {
        Role::Configuration => (CONFIGURATION_ID, CONFIGURATION_CAPABILITIES),
        Role::Responder => (RESPONDER_ID, CapabilitySet::empty()),
        Role::Time => (TIME_ID, CapabilitySet::SYS_TIME),
    };
    restrict(id, kept, 0)?;
    if let Err(error) = adjusted {
        send(&FromNetwork::Warning(format!("oom_score_adj cannot be written: {error}")))?;
    }
    // Without random bytes the numbers of transactions are poor, and a box without network would be poorer.
    let random = || entropy::bytes().map(u64::from_ne_bytes).unwrap_or_default();
    match role {
        Role::Configuration => {
            let settings = Settings { name: name.to_owned(), tunnel: read_tunnel(send)? };
            let report = |report| match report {
                Report::Addresses(addresses) => send(&FromNetwork::Addresses(addresses)),
                Report::Resolvers(resolvers) => send(&FromNetwork::Resolvers(resolvers)),
                Report::TimeServers(servers) => send(&FromNetwork::TimeServers(servers)),
                Report::Tunnel(tunnel) => send(&FromNetwork::Tunnel(tunnel)),
                Report::Warning(text) => send(&FromNetwork::Warning(text)),
            };
            Ok(run_configuration(&settings, random, report)?)
        }
        Role::Responder => Ok(run_responder(name, |text| send(&FromNetwork::Warning(text)))?),
        Role::Time => keep_time(time, random, dates),
    }
}

/// Sends init a message.
fn send(message: &FromNetwork) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(&lines::encode(message).map_err(io::Error::other)?)?;
    out.flush()
}

fn keep_time(
    settings: TimeSettings,
    random: impl FnMut() -> u64,
    dates: impl FnMut(&[(WebServer, IpAddr)]) -> Vec<Result<WebDate, String>>,
) -> anyhow::Result<Infallible> {
    let TimeSettings { mut servers, built, known, mut web_servers, patience, trial } = settings;
    if servers.is_empty() {
        servers = DEFAULT_SERVERS.iter().filter_map(|name| name.parse().ok()).collect();
    }
    if web_servers.is_empty() {
        web_servers = DEFAULT_WEB_SERVERS.iter().filter_map(|name| name.parse().ok()).collect();
    }
    let settings = network::time::Settings {
        servers,
        list: TIME_SERVERS_FILE.into(),
        resolvers: RESOLVER_FILE.into(),
        bounds: Bounds::new(UnixTime(built), UnixTime(known)),
        web_servers,
        patience,
    };
    let report = |report| match report {
        network::time::Report::Synchronised { source, offset, agreeing, servers } => {
            let offset = offset.as_milliseconds();
            send(&FromNetwork::Synchronised(Synchronised { source, offset, agreeing, servers }))
        }
        network::time::Report::Refused(reason) => send(&FromNetwork::Warning(reason)),
    };
    Ok(if trial {
        run_time_client(&settings, TrialClock::default(), random, dates, report)
    } else {
        run_time_client(&settings, KernelClock, random, dates, report)
    }?)
}

/// Writes the list of name servers for the C library.
pub(super) fn write_resolvers(resolvers: &[Ipv4Addr]) -> io::Result<()> {
    file::replace(Path::new(RESOLVER_FILE), resolver_text(resolvers).as_bytes())
}

/// Writes the list of the home's own time servers, for [`Role::Time`].
pub(super) fn write_time_servers(servers: &[Ipv4Addr]) -> io::Result<()> {
    let text: String = servers.iter().map(|server| format!("{server}\n")).collect();
    file::replace(Path::new(TIME_SERVERS_FILE), text.as_bytes())
}

fn resolver_text(resolvers: &[Ipv4Addr]) -> String {
    resolvers.iter().map(|resolver| format!("nameserver {resolver}\n")).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::mpsc::sync_channel;

    use ipc::network::FromNetwork;
    use rustix::process::{WaitOptions, waitpid};

    use super::{Ipv4Addr, Role, resolver_text};
    use crate::console::Consoles;
    use crate::event::Event;
    use crate::log::Log;

    #[test]
    fn a_role_is_read_as_it_is_written() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("root".parse::<Role>(), Err(crate::UnknownRole));
    }

    #[test]
    fn a_message_comes_with_the_role_and_the_id_of_its_process() {
        let log = Log::new(Consoles::none(), None);
        for role in Role::ALL {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", r#"echo '{"addresses":["192.0.2.7","127.0.0.1"]}'"#]);
            let (events, received) = sync_channel(1);
            let child = role.start_command(command, None, &events, &log).unwrap();
            let Event::Network(claimed, pid, message) = received.recv().unwrap() else { panic!("a message") };
            assert_eq!((claimed, pid), (role, child.pid()));
            assert_eq!(message, FromNetwork::Addresses(vec![Ipv4Addr::new(192, 0, 2, 7).into()]));
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }

    #[test]
    fn a_process_reads_the_tunnels_text_to_its_end() {
        let log = Log::new(Consoles::none(), None);
        let text = "x".repeat(16 * 1024 + 1);
        for (input, length) in [(Some(text.as_str()), 16 * 1024 + 1), (None, 0)] {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", r#"echo "{\"warning\":\"$(/usr/bin/wc -c)\"}""#]);
            let (events, received) = sync_channel(1);
            let child = Role::Configuration.start_command(command, input, &events, &log).unwrap();
            let Event::Network(_, _, message) = received.recv().unwrap() else { panic!("a message") };
            assert_eq!(message, FromNetwork::Warning(length.to_string()));
            let _ = waitpid(Some(child.pid()), WaitOptions::empty());
        }
    }

    #[test]
    fn the_resolver_file_has_a_line_for_each_name_server() {
        let resolvers = [Ipv4Addr::new(192, 168, 1, 1), Ipv4Addr::new(9, 9, 9, 9)];
        assert_eq!(resolver_text(&resolvers), "nameserver 192.168.1.1\nnameserver 9.9.9.9\n");
        assert_eq!(resolver_text(&[]), "");
    }
}
