//! The box's network processes on a real cable, as `hearth init` starts them: the rights they keep, the messages they
//! send, and a killed one's successor. At the other end of the cable is `dnsmasq` as the router's DHCP server.
//!
//! Needs root, `ip` and `dnsmasq`; without them the tests say so and pass.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Result;
use hearth_tests::namespace::{ip, report};
use hearth_tests::network_process::NetworkProcess;
use hearth_tests::product::binary;
use serde_json::Value;

/// Bits of `<linux/capability.h>`.
const NET_ADMIN_AND_NET_RAW: u64 = 1 << 12 | 1 << 13;

#[test]
fn a_killed_configuration_process_is_replaced_by_one_that_gets_the_address_again() -> Result<()> {
    let Some(home) = Home::new("configuration")? else { return Ok(()) };
    let first = home.start("configuration")?;
    first.wait_for("an address", |message| home.is_leased(&message["addresses"]))?;
    assert_eq!(first.identity()?, ([1001; 4], [1001; 4], String::new()));
    assert_eq!(first.capabilities()?, [0, NET_ADMIN_AND_NET_RAW, NET_ADMIN_AND_NET_RAW, 0]);
    assert_eq!(first.status("NoNewPrivs")?, "1");
    drop(first);

    ip(&["-n", &home.name, "address", "flush", "dev", "eth7"])?;
    let second = home.start("configuration")?;
    second.wait_for("no address", |message| message["addresses"] == Value::Array(Vec::new()))?;
    second.wait_for("the name servers", |message| {
        message["resolvers"] == serde_json::json!(["192.168.78.1"])
    })?;
    second.wait_for("the time servers", |message| {
        message["time_servers"] == serde_json::json!(["192.168.78.2"])
    })?;
    second.wait_for("an address", |message| home.is_leased(&message["addresses"]))
}

#[test]
fn the_responder_has_no_rights() -> Result<()> {
    let Some(home) = Home::new("responder")? else { return Ok(()) };
    let responder = home.start("responder")?;
    // Its name is asked for and found in crates/network/tests; here it only has to live on with what it has left.
    let router = home.start("configuration")?;
    router.wait_for("an address", |message| home.is_leased(&message["addresses"]))?;
    assert_eq!(responder.identity()?, ([1002; 4], [1002; 4], String::new()));
    assert_eq!(responder.capabilities()?, [0; 4]);
    assert_eq!(responder.status("NoNewPrivs")?, "1");
    assert_eq!(responder.next_message(), None, "it has nothing to warn of");
    Ok(())
}

/// A box's network namespace, with a cable to a router's; gone when dropped.
struct Home {
    name: String,
    router: String,
    server: Option<Child>,
    _leases: tempfile::TempDir,
}

impl Home {
    fn new(test: &str) -> Result<Option<Self>> {
        if let Some(missing) = missing() {
            report(&format!("NOT RUN: this test needs {missing}"));
            return Ok(None);
        }
        let id = std::process::id();
        let (name, router) = (format!("hearth-{test}-{id}"), format!("hearth-{test}-router-{id}"));
        let leases = tempfile::tempdir()?;
        let mut home = Self { name, router, server: None, _leases: leases };
        for name in [&home.name, &home.router] {
            ip(&["netns", "add", name])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        let cable = ["link", "add", "cable", "type", "veth", "peer", "name", "eth7", "netns", &home.name];
        ip(&[&["-n", &home.router][..], &cable].concat())?;
        ip(&["-n", &home.router, "address", "add", "192.168.78.1/24", "dev", "cable"])?;
        ip(&["-n", &home.router, "link", "set", "cable", "up"])?;
        let server = Command::new("ip")
            .args(["netns", "exec", &home.router, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null"])
            .args(["--port=0", "--interface=cable", "--bind-interfaces", "--no-ping", "--log-facility=-"])
            .args(["--dhcp-range=192.168.78.50,192.168.78.60,255.255.255.0,2m", "--dhcp-authoritative"])
            .args([
                "--dhcp-option=option:dns-server,192.168.78.1",
                "--dhcp-option=option:ntp-server,192.168.78.2",
            ])
            .args(["--pid-file=", "--user=root"])
            .arg(format!("--dhcp-leasefile={}", home._leases.path().join("leases").display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        home.server = Some(server);
        Ok(Some(home))
    }

    /// Starts a network process in the box's namespace.
    fn start(&self, role: &str) -> Result<NetworkProcess> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(binary()?).args(["network", role, "hearth-0203"]);
        NetworkProcess::start(command)
    }

    fn is_leased(&self, addresses: &Value) -> bool {
        let addresses = addresses.as_array().into_iter().flatten().filter_map(Value::as_str);
        addresses
            .filter_map(|address| address.parse().ok())
            .any(|address| matches!(address, IpAddr::V4(address) if address.octets()[..3] == [192, 168, 78]))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
        for name in [&self.name, &self.router] {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

fn missing() -> Option<&'static str> {
    let has = |program: &str, argument: &str| Command::new(program).arg(argument).output().is_ok();
    if !rustix::process::geteuid().is_root() {
        Some("root, for network namespaces")
    } else if !Path::new("/proc/self/ns/net").exists() || !has("ip", "-V") {
        Some("ip (package iproute2)")
    } else if !has("dnsmasq", "--version") {
        Some("dnsmasq (package dnsmasq-base)")
    } else {
        None
    }
}
