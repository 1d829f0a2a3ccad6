//! The box's time client with real time servers (chrony), in a network of its own, and beside them one that lies; and with
//! web servers where there are none. The machine's clock stays as it is: the client only tells what it would do.
//!
//! Needs root; without it the tests say so and pass.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use hearth_tests::date_server;
use hearth_tests::internet::{Authority, CertificateKind, Service};
use hearth_tests::namespace::{alone_among, report};
use hearth_tests::network_process::NetworkProcess;
use hearth_tests::product::binary;
use hearth_tests::python::cached;
use hearth_tests::time_server;
use serde_json::Value;
use tempfile::TempDir;

/// The address of the name server.
const NAME_SERVER: &str = "127.0.0.53";
/// The bit of `<linux/capability.h>`.
const SYS_TIME: u64 = 1 << 25;
/// The seconds by which the liar is ahead: it is two hours late.
const LIE: i64 = -7200;
/// The seconds by which the web servers are ahead of this machine, as of a box that was switched off for 400 days.
const AHEAD: i64 = 400 * 86_400;

#[test]
fn three_honest_servers_bring_the_time_to_a_process_without_other_rights() {
    in_a_network("three_honest_servers_bring_the_time_to_a_process_without_other_rights", || {
        let _servers = [chrony("127.0.0.1")?, chrony("127.0.0.2")?, chrony("127.0.0.3")?];
        let client = client(&["--server", "127.0.0.1", "--server", "127.0.0.2", "--server", "127.0.0.3"])?;
        client.wait_for("the time", |message| is_right(message, 3, 3))?;
        assert_eq!(client.identity()?, ([1003; 4], [1003; 4], String::new()));
        assert_eq!(client.capabilities()?, [0, SYS_TIME, SYS_TIME, 0]);
        assert_eq!(client.status("NoNewPrivs")?, "1");
        Ok(())
    });
}

#[test]
fn a_liar_among_the_default_servers_is_outvoted() {
    in_a_network("a_liar_among_the_default_servers_is_outvoted", || {
        let _servers = [chrony("127.0.0.1")?, chrony("127.0.0.2")?];
        time_server::start(Ipv4Addr::new(127, 0, 0, 3), LIE)?;
        // The fourth name has the first one's server.
        let _names = names(&["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1"])?;
        client(&[])?.wait_for("the time", |message| is_right(message, 2, 3))
    });
}

#[test]
fn a_liar_beside_one_honest_server_brings_no_time() {
    in_a_network("a_liar_beside_one_honest_server_brings_no_time", || {
        let _server = chrony("127.0.0.1")?;
        time_server::start(Ipv4Addr::new(127, 0, 0, 2), LIE)?;
        let client = client(&["--server", "127.0.0.1", "--server", "127.0.0.2"])?;
        client.wait_for("the contradiction", |message| {
            assert_eq!(message["synchronised"], Value::Null);
            message["warning"] == "the time servers contradict each other"
        })
    });
}

#[test]
#[ignore = "three minutes: a lone server is believed after three rounds"]
fn silence_is_told_and_the_only_server_is_believed_when_it_has_come() {
    in_a_network("silence_is_told_and_the_only_server_is_believed_when_it_has_come", || {
        let client = client(&["--server", "127.0.0.1"])?;
        client.wait_for("silence", |message| message["warning"] == "no time server answers")?;
        let _server = chrony("127.0.0.1")?;
        client.wait_for("the time", |message| is_right(message, 1, 1))
    });
}

#[test]
fn a_time_that_is_past_for_the_machine_is_not_believed() {
    in_a_network("a_time_that_is_past_for_the_machine_is_not_believed", || {
        let _servers = [chrony("127.0.0.1")?, chrony("127.0.0.2")?];
        let tomorrow = (now().as_secs() + 86_400).to_string();
        let client = client(&["--server", "127.0.0.1", "--server", "127.0.0.2", "--known", &tomorrow])?;
        client.wait_for("the refusal", |message| {
            message["warning"] == "the time servers name a time that is past for this machine"
        })
    });
}

#[test]
fn where_no_time_server_answers_web_servers_tell_the_time_and_one_liar_is_outvoted() {
    in_a_network("where_no_time_server_answers_web_servers_tell_the_time_and_one_liar_is_outvoted", || {
        let world = Web::new(&[
            ("a.test", CertificateKind::Trusted, AHEAD),
            ("b.test", CertificateKind::Trusted, AHEAD + LIE),
            ("c.test", CertificateKind::Trusted, AHEAD),
            ("d.test", CertificateKind::SelfSigned, AHEAD + LIE),
        ])?;
        let client = world.client(&["--server", "127.0.0.11", "--server", "127.0.0.12"])?;
        client.wait_for("silence", |message| message["warning"] == "no time server answers")?;
        let memory = || Ok::<_, anyhow::Error>((client.status("RssAnon")?, client.status("VmHWM")?));
        let (before, start) = (memory()?, host::clock::uptime());
        client.wait_for("the time", |message| {
            let told = &message["synchronised"];
            let offset = told["offset"].as_i64().unwrap_or_default();
            told["source"] == "web_servers"
                && told["agreeing"] == 2
                && told["servers"] == 4
                && (offset - AHEAD * 1000).abs() < 5000
        })?;
        report(&format!(
            "private memory, and the most of all, before the dates {before:?}, after {:?}; told after {:?}",
            memory()?,
            host::clock::uptime() - start
        ));
        assert_eq!((client.status("Threads")?.as_str(), client.capabilities()?[2]), ("1", SYS_TIME));

        // Now somebody in the path claims to be the time servers.
        time_server::start(Ipv4Addr::new(127, 0, 0, 11), AHEAD + LIE)?;
        time_server::start(Ipv4Addr::new(127, 0, 0, 12), AHEAD + LIE)?;
        client.wait_for("doubt", |message| {
            assert_eq!(message["synchronised"], Value::Null);
            message["warning"]
                .as_str()
                .is_some_and(|text| text.contains("contradict the dates of web servers"))
        })
    });
}

#[test]
fn time_servers_that_answer_after_all_take_over_from_web_servers() {
    in_a_network("time_servers_that_answer_after_all_take_over_from_web_servers", || {
        let world = Web::new(&[
            ("a.test", CertificateKind::Trusted, AHEAD),
            ("b.test", CertificateKind::Trusted, AHEAD),
        ])?;
        let client = world.client(&["--server", "127.0.0.11", "--server", "127.0.0.12"])?;
        client.wait_for("the time", |message| message["synchronised"]["source"] == "web_servers")?;
        time_server::start(Ipv4Addr::new(127, 0, 0, 11), AHEAD)?;
        time_server::start(Ipv4Addr::new(127, 0, 0, 12), AHEAD)?;
        client.wait_for("a better time", |message| {
            let told = &message["synchronised"];
            told["source"] == "time_servers"
                && told["offset"].as_i64().is_some_and(|offset| offset.abs() < 5000)
        })
    });
}

#[test]
fn web_servers_without_a_valid_certificate_tell_no_time() {
    in_a_network("web_servers_without_a_valid_certificate_tell_no_time", || {
        let world = Web::new(&[
            ("a.test", CertificateKind::SelfSigned, AHEAD),
            ("b.test", CertificateKind::Expired, AHEAD),
            ("c.test", CertificateKind::ForAnotherName, AHEAD),
            ("d.test", CertificateKind::Trusted, AHEAD),
        ])?;
        let client = world.client(&["--server", "127.0.0.11"])?;
        client.wait_for("the refusal", |message| {
            assert_eq!(message["synchronised"], Value::Null);
            let text = message["warning"].as_str().unwrap_or_default();
            text.starts_with(
                "too few web servers tell a date: a.test: its certificate is not valid at the date",
            ) && text.contains("b.test: ")
                && text.contains("c.test: ")
                && !text.contains("d.test")
        })
    });
}

fn in_a_network(test: &str, body: impl FnOnce() -> Result<()>) {
    if rustix::process::geteuid().is_root() {
        alone_among(test, &[("HEARTH_NAME_SERVER", NAME_SERVER)], body);
    } else {
        report(&format!("{test}: NOT RUN: it needs root, for the process's own user"));
    }
}

/// Whether a message says that so many servers agree that the machine's clock is right.
fn is_right(message: &Value, agreeing: u64, servers: u64) -> bool {
    let synchronised = &message["synchronised"];
    synchronised["agreeing"] == agreeing
        && synchronised["servers"] == servers
        && synchronised["offset"].as_i64().is_some_and(|offset| offset.abs() < 500)
}

/// The time client, which leaves the clock as it is.
fn client(arguments: &[&str]) -> Result<NetworkProcess> {
    let mut command = Command::new(binary()?);
    command.args(["network", "time", "hearth-0203", "--trial"]).args(arguments);
    NetworkProcess::start(command)
}

/// A running server, with its folder.
struct Server {
    _process: Service,
    _folder: TempDir,
}

/// A time server at the standard port of an address. It follows no other clock, and leaves this machine's alone.
fn chrony(address: &str) -> Result<Server> {
    let program = cached("chrony/usr/sbin/chronyd").context("no chrony: scripts/prepare test fetches it")?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let configuration = format!(
        "local stratum 1\nallow 127.0.0.0/8\nbindaddress {address}\ncmdport 0\nbindcmdaddress /\n\
         pidfile {}\ndriftfile {}\n",
        path("pid").display(),
        path("drift").display()
    );
    fs::write(path("chrony.conf"), configuration)?;
    let mut command = Command::new(program);
    command.args(["-d", "-x", "-u", "root", "-f"]).arg(path("chrony.conf"));
    let process = Service::start("chronyd", command, &path("log"))?;
    Ok(Server { _process: process, _folder: folder })
}

/// Web servers with these names, certificates and clocks (seconds ahead of this machine's), and the name server that knows
/// them.
struct Web {
    names: Vec<&'static str>,
    folder: TempDir,
    _name_server: Server,
}

impl Web {
    fn new(servers: &[(&'static str, CertificateKind, i64)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // The client reads the roots as its own user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let authority = Authority::new(folder.path())?;
        let mut records = Vec::new();
        for (number, (name, kind, ahead)) in (1..).zip(servers) {
            let address = Ipv4Addr::new(127, 0, 1, number);
            date_server::start(address, &authority.issue(*kind, &[name], folder.path())?, *ahead)?;
            records.push(format!("{name},{address}"));
        }
        let names = servers.iter().map(|(name, ..)| *name).collect();
        Ok(Self { names, _name_server: name_server(&records)?, folder })
    }

    /// The time client, which asks these web servers after a second without a time.
    fn client(&self, arguments: &[&str]) -> Result<NetworkProcess> {
        let roots = self.folder.path().join("roots.pem");
        let roots = roots.to_str().context("a path in UTF-8")?;
        let mut all = vec!["--date-patience", "1", "--date-roots", roots];
        all.extend(self.names.iter().flat_map(|name| ["--date-host", name]));
        all.extend(arguments);
        client(&all)
    }
}

/// A name server that knows these addresses for the four default servers.
fn names(addresses: &[&str; 4]) -> Result<Server> {
    let record = |(number, address)| format!("{number}.debian.pool.ntp.org,{address}");
    name_server(&addresses.iter().enumerate().map(record).collect::<Vec<_>>())
}

/// A name server with these records, each a name and an address.
fn name_server(records: &[String]) -> Result<Server> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new("dnsmasq");
    command.args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--pid-file=",
    ]);
    command
        .args(["--user=root", "--bind-interfaces", "--log-facility=-"])
        .arg(format!("--listen-address={NAME_SERVER}"));
    command.args(records.iter().map(|record| format!("--host-record={record}")));
    let process = Service::start("dnsmasq", command, &folder.path().join("log"))?;
    Ok(Server { _process: process, _folder: folder })
}

fn now() -> Duration {
    host::clock::since_1970()
}
