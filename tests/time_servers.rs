//! The box's time client with real time servers (chrony), in a network of its own, and beside them one that lies. The
//! machine's clock stays as it is: the client only tells what it would do.
//!
//! Needs root; without it the tests say so and pass.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use hearth_tests::internet::Service;
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

/// A name server that knows these addresses for the four default servers.
fn names(addresses: &[&str; 4]) -> Result<Server> {
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
    for (number, address) in addresses.iter().enumerate() {
        command.arg(format!("--host-record={number}.debian.pool.ntp.org,{address}"));
    }
    let process = Service::start("dnsmasq", command, &folder.path().join("log"))?;
    Ok(Server { _process: process, _folder: folder })
}

fn now() -> Duration {
    host::clock::since_1970()
}
