//! The home network of a guest of the lab, in the namespace of its test: the cable, which is a TAP interface, and the
//! program that gives addresses (dnsmasq).

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use crate::internet::Service;
use crate::namespace::ip;

/// The name of the cable's end in the namespace.
pub const CABLE: &str = "house";
/// The router's address.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
/// The box's address.
pub const BOX: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);

/// The answers that a box gets by DHCP (RFC 2132), besides its address and the router's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answers {
    /// The name server.
    pub names: Option<Ipv4Addr>,
    /// The time server.
    pub time: Option<Ipv4Addr>,
}

/// A home network; it ends when dropped.
#[derive(Debug)]
pub struct House {
    _addresses: Service,
    _folder: TempDir,
}

impl House {
    /// Lays the cable in the calling thread's namespace, and gives addresses to what is plugged in.
    pub fn build(answers: Answers) -> Result<Self> {
        for arguments in [
            &["tuntap", "add", "dev", CABLE, "mode", "tap"][..],
            &["address", "add", &format!("{ROUTER}/24"), "dev", CABLE][..],
            &["link", "set", CABLE, "up"][..],
        ] {
            ip(arguments)?;
        }
        let folder = tempfile::tempdir()?;
        let mut command = Command::new("dnsmasq");
        command.args(["--port=0"]).args(give_addresses(CABLE, (ROUTER, BOX), answers, folder.path()));
        let addresses = Service::start("dnsmasq", command, &folder.path().join("log"))?;
        Ok(Self { _addresses: addresses, _folder: folder })
    }
}

/// The arguments of dnsmasq to give the one address of a network of 256, with these answers.
#[must_use]
pub fn give_addresses(
    interface: &str,
    (router, guest): (Ipv4Addr, Ipv4Addr),
    answers: Answers,
    folder: &Path,
) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file="]
            .map(str::to_owned)
            .into();
    arguments.extend(
        ["--no-ping", "--dhcp-authoritative", "--log-facility=-", "--bind-interfaces"].map(str::to_owned),
    );
    arguments.push(format!("--interface={interface}"));
    arguments.push(format!("--dhcp-leasefile={}", folder.join("leases").display()));
    arguments.push(format!("--dhcp-range={guest},{guest},255.255.255.0,1h"));
    arguments.push(format!("--dhcp-option=option:router,{router}"));
    let named = [("dns-server", answers.names), ("ntp-server", answers.time)];
    for (option, address) in named {
        // Without a value the option is not sent; dnsmasq would name itself otherwise.
        let address = address.map(|address| format!(",{address}")).unwrap_or_default();
        arguments.push(format!("--dhcp-option=option:{option}{address}"));
    }
    arguments
}
