//! A home with a router: a namespace for the box, one for the router with the network address translation of nftables
//! and, as the program that forwards ports when it is asked to, `miniupnpd`.
//!
//! ```text
//!   box 10.9.0.2, 10.9.0.3 ── home ── router 10.9.0.1, fe80::1 ── outside 5.6.7.2
//! ```
//!
//! 10.9.0.3 is another device's. miniupnpd maps nothing at an external address that is private or for documentation
//! (RFC 5737), so the one here looks public; nothing ever leaves the namespace.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use lab::Outside;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::house::{Answers, give_addresses};
use crate::internet::Service;
use crate::namespace::{ip, report};
use crate::waiting::poll;

/// The longest wait for the router's program.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);
/// The box's addresses.
pub const BOX: [&str; 2] = ["10.9.0.2", "2a0e:97c0:2::7"];
/// Another device's address.
pub const OTHER_DEVICE: &str = "10.9.0.3";
/// The router's address outside.
pub const OUTSIDE: &str = "5.6.7.2";
/// The address of the provider, at the other end of the line, where that leads anywhere.
const PROVIDER: &str = "5.6.7.1";
/// The last of the lines in its log before it answers.
const READY: &str = "Listening for NAT-PMP/PCP traffic";
/// The port of the router's descriptions and calls by HTTP.
const HTTP_PORT: u16 = 5000;

/// nftables' rules of the router: the chains that miniupnpd fills, and the translation of addresses.
const RULES: &str = "flush ruleset
table inet filter {
  chain miniupnpd {
  }
  chain prerouting_miniupnpd {
  }
  chain postrouting_miniupnpd {
  }
  chain input {
    type filter hook input priority 0; policy accept;
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    jump miniupnpd
  }
  chain prerouting {
    type nat hook prerouting priority -100; policy accept;
    jump prerouting_miniupnpd
  }
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    jump postrouting_miniupnpd
    oifname \"outside\" masquerade
  }
}
";

/// The switches of the router. miniupnpd has one for PCP and NAT-PMP together, which IPv6 does not obey; here the
/// router's rules keep their packets from it.
#[derive(Clone, Copy, Debug)]
pub struct Switches {
    /// PCP.
    pub pcp: bool,
    /// NAT-PMP.
    pub nat_pmp: bool,
    /// UPnP.
    pub upnp: bool,
    /// Further lines of its configuration.
    pub more: &'static str,
    /// The longest lifetime that it grants by PCP and NAT-PMP, in seconds.
    pub longest: u32,
}

impl Switches {
    /// Everything is on.
    pub const ALL: Self = Self {
        pcp: true,
        nat_pmp: true,
        upnp: true,
        more: "allow 1-65535 10.9.0.0/24 1-65535",
        longest: 3600,
    };
}

/// A home with a router; gone when dropped.
#[derive(Debug)]
pub struct HomeRouter {
    box_space: String,
    router_space: String,
    folder: TempDir,
    daemon: Option<Service>,
    addresses: Option<Service>,
}

impl HomeRouter {
    /// Builds the home, with a router that forwards nothing yet. `None`, and a word about the reason, where that cannot be
    /// done.
    pub fn build(outside: &str) -> Result<Option<Self>> {
        let Some(home) = Self::in_spaces("box", "router")? else { return Ok(None) };
        home.lay_cables(outside)?;
        Ok(Some(home))
    }

    /// Builds a home for a guest of the lab ([`Self::cable`]), with a router that gives it an address and answers to names
    /// as this name server does, and whose line outside ends in the network of the caller.
    pub fn build_for_guest(outside: &str, names: Ipv4Addr) -> Result<Option<Self>> {
        // The box's end of the cable is QEMU, beside the router.
        let Some(mut home) = Self::in_spaces("router", "router")? else { return Ok(None) };
        home.lay_cables_for_guest(outside)?;
        home.addresses = Some(home.give_addresses(names)?);
        Ok(Some(home))
    }

    /// Makes the namespaces of the box and the router, whose names have these parts: of the same, one.
    fn in_spaces(of_box: &str, of_router: &str) -> Result<Option<Self>> {
        if let Some(missing) = missing() {
            report(&format!("NOT RUN: this test needs {missing}"));
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        // Namespaces are named in one folder for all tests, also those whose process has the number of another's.
        let id =
            folder.path().file_name().map(|name| name.to_string_lossy().replace('.', "")).unwrap_or_default();
        let space = |part: &str| format!("hearth-{part}-{id}");
        let (box_space, router_space) = (space(of_box), space(of_router));
        let home = Self { box_space, router_space, folder, daemon: None, addresses: None };
        for name in home.spaces() {
            ip(&["netns", "add", name])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        Ok(Some(home))
    }

    fn spaces(&self) -> Vec<&str> {
        let mut spaces = vec![self.box_space.as_str(), self.router_space.as_str()];
        spaces.dedup();
        spaces
    }

    fn lay_cables_for_guest(&self, outside: &str) -> Result<()> {
        let router = self.router_space.as_str();
        self.run_in(router, &["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])?;
        ip(&["-n", router, "tuntap", "add", "dev", "home", "mode", "tap"])?;
        let here = std::process::id().to_string();
        let line = ["link", "add", "outside", "type", "veth", "peer", "name", "provider", "netns", &here];
        ip(&[&["-n", router][..], &line].concat())?;
        ip(&["-n", router, "address", "add", "10.9.0.1/24", "dev", "home"])?;
        ip(&["-n", router, "address", "add", &format!("{outside}/24"), "dev", "outside"])?;
        ip(&["address", "add", &format!("{PROVIDER}/24"), "dev", "provider"])?;
        ip(&["link", "set", "provider", "up"])?;
        for interface in ["home", "outside"] {
            ip(&["-n", router, "link", "set", interface, "up"])?;
        }
        ip(&["-n", router, "route", "add", "default", "dev", "outside"])?;
        self.rules(Switches::ALL)
    }

    fn give_addresses(&self, names: Ipv4Addr) -> Result<Service> {
        let (router, guest) = ("10.9.0.1".parse()?, BOX[0].parse()?);
        let answers = Answers { names: Some(router), time: None };
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &self.router_space,
            "dnsmasq",
            "--no-resolv",
            "--no-hosts",
            "--cache-size=0",
        ]);
        command.arg(format!("--server={names}"));
        command.args(give_addresses("home", (router, guest), answers, self.folder.path()));
        Service::start("dnsmasq", command, &self.folder.path().join("addresses.log"))
    }

    /// The cable for the box, to be used [`Self::inside`].
    #[must_use]
    pub fn cable() -> Outside {
        Outside::Cable("home")
    }

    fn lay_cables(&self, outside: &str) -> Result<()> {
        let (inside, router) = (self.box_space.as_str(), self.router_space.as_str());
        let pair = |name, peer, space| {
            let cable = ["-n", router, "link", "add", name, "type", "veth", "peer", "name", peer];
            ip(&[&cable[..], &["netns", space]].concat())
        };
        pair("home", "eth0", inside)?;
        // The far end of the line lies in the router's namespace, where nothing answers.
        pair("outside", "provider", router)?;
        self.trust_addresses()?;
        for interface in ["home", "outside", "provider"] {
            ip(&["-n", router, "link", "set", interface, "up"])?;
        }
        let address = |space, address: &str, interface| {
            let add = ["-n", space, "address", "add", address, "dev", interface];
            ip(&[&add[..], if address.contains(':') { &["nodad"] } else { &[] }].concat())
        };
        address(router, "10.9.0.1/24", "home")?;
        address(router, "fe80::1/64", "home")?;
        address(router, "2a0e:97c0:2::1/64", "home")?;
        address(router, &format!("{outside}/24"), "outside")?;
        address(router, "2a0e:97c0:1::2/64", "outside")?;
        ip(&["-n", inside, "link", "set", "eth0", "up"])?;
        for own in ["10.9.0.2/24", "10.9.0.3/24", "2a0e:97c0:2::7/64"] {
            address(inside, own, "eth0")?;
        }
        ip(&["-n", router, "route", "add", "default", "dev", "outside"])?;
        ip(&["-n", router, "-6", "route", "add", "default", "dev", "outside"])?;
        ip(&["-n", inside, "route", "add", "default", "via", "10.9.0.1", "dev", "eth0"])?;
        ip(&["-n", inside, "-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0"])?;
        self.rules(Switches::ALL)
    }

    /// Lays the line to this thread's network, which is the internet from then on, at this address with its prefix.
    pub fn connect_outside(&self, address: &str) -> Result<()> {
        let here = std::process::id().to_string();
        ip(&["-n", &self.router_space, "link", "set", "provider", "netns", &here])?;
        ip(&["address", "add", address, "dev", "provider"])?;
        ip(&["link", "set", "provider", "up"])?;
        self.run_in(&self.router_space, &["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]).map(drop)
    }

    /// Switches the detection of duplicates (RFC 4862, 5.4) off, so that link-local addresses come without a wait.
    fn trust_addresses(&self) -> Result<()> {
        for (space, interface) in [(&self.box_space, "eth0"), (&self.router_space, "home")] {
            let setting = format!("net.ipv6.conf.{interface}.accept_dad=0");
            self.run_in(space, &["sysctl", "-q", "-w", &setting])?;
        }
        Ok(())
    }

    /// The router's rules without any mapping, as after a power cut.
    fn rules(&self, switches: Switches) -> Result<()> {
        self.load("rules", RULES)?;
        self.switch(switches)
    }

    fn load(&self, name: &str, rules: &str) -> Result<()> {
        let file = self.folder.path().join(name);
        std::fs::write(&file, rules)?;
        self.run_in(&self.router_space, &["nft", "-f", &file.display().to_string()])?;
        Ok(())
    }

    /// Keeps packets from the protocols of datagrams that are switched off, while the mappings go on.
    pub fn switch(&self, switches: Switches) -> Result<()> {
        let mut rules = "flush chain inet filter input\n".to_owned();
        for (is_on, version) in [(switches.pcp, 2), (switches.nat_pmp, 0)] {
            if !is_on {
                // The first byte after the header of UDP is the version.
                rules += &format!("add rule inet filter input udp dport 5351 @th,64,8 {version} drop\n");
            }
        }
        self.load("switches", &rules)
    }

    /// Starts the router's program, after ending the one before and forgetting all mappings.
    pub fn start(&mut self, switches: Switches) -> Result<()> {
        self.stop()?;
        self.rules(switches)?;
        let configuration = format!(
            "ext_ifname=outside\next_ifname6=outside\nlistening_ip=home\nport={HTTP_PORT}\nipv6_disable=no\n\
             enable_natpmp=yes\nenable_upnp={}\nmin_lifetime=20\nmax_lifetime={}\nsecure_mode=yes\nsystem_uptime=no\n\
             notify_interval=900\nuuid=00000000-0000-0000-0000-000000000001\nupnp_table_name=filter\n\
             upnp_nat_table_name=filter\n{}\n",
            if switches.upnp { "yes" } else { "no" },
            switches.longest,
            switches.more,
        );
        let (file, pid) = (self.folder.path().join("miniupnpd.conf"), self.folder.path().join("pid"));
        std::fs::write(&file, configuration)?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.router_space, "miniupnpd", "-d", "-f"]).arg(&file);
        command.arg("-P").arg(&pid);
        let log = self.folder.path().join("log");
        let _ = std::fs::remove_file(&log);
        let mut daemon = Service::start("miniupnpd", command, &log)?;
        let is_ready = || std::fs::read_to_string(&log).is_ok_and(|log| log.contains(READY));
        daemon.wait_until("it listens", is_ready)?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Ends the router's program as a pulled plug would: asked to end, it sometimes takes minutes.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill();
        }
        match std::fs::remove_file(self.folder.path().join("pid")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The log of the router's program.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.as_ref().map_or(String::new(), Service::log)
    }

    /// The ports that the router's rules lead to an address inside, in order.
    pub fn forwarded(&self, to: &str) -> Result<Vec<u16>> {
        let listed = self.run_in(&self.router_space, &["nft", "list", "table", "inet", "filter"])?;
        let rules = String::from_utf8(listed.stdout)?;
        // nft shows the destination of IPv6 in the form in which miniupnpd has written it: 128 bits of the header.
        let six = to.parse().ok().map(|to: Ipv6Addr| format!("@nh,192,128 {:#034x}", u128::from(to)));
        let port = |rule: &str| -> Option<u16> {
            if rule.contains(&format!("dnat ip to {to}:")) {
                rule.rsplit(':').next()?.trim().parse().ok()
            } else if six.as_ref().is_some_and(|six| rule.contains(six)) {
                rule.split("dport ").nth(1)?.split_whitespace().next()?.parse().ok()
            } else {
                None
            }
        };
        let mut ports: Vec<u16> = rules.lines().filter_map(port).collect();
        ports.sort_unstable();
        ports.dedup();
        Ok(ports)
    }

    /// Waits until the router's rules lead these ports to an address inside, and no others.
    pub fn wait_for_forwarded(&self, to: &str, ports: &[u16]) -> Result<()> {
        poll(LIMIT, &format!("the ports {ports:?} lead to {to}"), || {
            Ok((self.forwarded(to)? == ports).then_some(()))
        })
        .with_context(|| {
            let listed = self.run_in(&self.router_space, &["nft", "list", "ruleset"]);
            let rules = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            format!("the rules: {}\nthe log: {}", rules.unwrap_or_default(), self.log())
        })
    }

    /// Gives the router another address outside.
    pub fn move_outside(&self, from: &str, to: &str) -> Result<()> {
        let router = self.router_space.as_str();
        // Routes over the interface go with its last address.
        ip(&["-n", router, "address", "delete", &format!("{from}/24"), "dev", "outside"])?;
        ip(&["-n", router, "address", "add", &format!("{to}/24"), "dev", "outside"])?;
        let _ = ip(&["-n", router, "route", "add", "default", "dev", "outside"]);
        Ok(())
    }

    /// Takes a port out of the router's table, as its owner may in its pages: by a call of UPnP from the box.
    pub fn take_out(&self, port: u16) -> Result<()> {
        const SERVICE: &str = "urn:schemas-upnp-org:service:WANIPConnection:2";
        let body = format!(
            "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
             <u:DeletePortMapping xmlns:u=\"{SERVICE}\"><NewRemoteHost></NewRemoteHost>\
             <NewExternalPort>{port}</NewExternalPort><NewProtocol>TCP</NewProtocol></u:DeletePortMapping>\
             </s:Body></s:Envelope>"
        );
        let call = format!(
            "POST /ctl/IPConn HTTP/1.0\r\nHost: 10.9.0.1:{HTTP_PORT}\r\nContent-Type: text/xml\r\n\
             SOAPAction: \"{SERVICE}#DeletePortMapping\"\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.inside(|| {
            let mut stream = TcpStream::connect(("10.9.0.1", HTTP_PORT))?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.write_all(call.as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            ensure!(answer.contains("DeletePortMappingResponse"), "{answer}");
            Ok(())
        })
    }

    /// Runs something in the box's network, or, with a guest, where its cable ends: in a thread, which its sockets belong to.
    pub fn inside<T: Send>(&self, body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(&self.box_space)?;
                body()
            });
            thread.join().map_err(|_| anyhow::anyhow!("it panicked"))?
        })
    }

    /// Moves the calling thread into the box's network.
    pub fn enter(&self) -> impl FnOnce() -> Result<()> + Send + use<> {
        let name = self.box_space.clone();
        move || enter(&name)
    }

    fn run_in(&self, space: &str, command: &[&str]) -> Result<Output> {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("ip")
            .args(["netns", "exec", space])
            .args(command)
            .env("PATH", format!("{path}:/usr/sbin:/sbin"))
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{command:?}: {said}");
        Ok(output)
    }
}

impl Drop for HomeRouter {
    fn drop(&mut self) {
        drop(self.daemon.take());
        drop(self.addresses.take());
        for name in self.spaces() {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

fn enter(space: &str) -> Result<()> {
    let namespace = File::open(Path::new("/run/netns").join(space))?;
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

fn missing() -> Option<&'static str> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = format!("{path}:/usr/sbin:/sbin");
    let has = |program: &str| folders.split(':').any(|folder| Path::new(folder).join(program).exists());
    if !rustix::process::geteuid().is_root() {
        Some("root, for network namespaces")
    } else if !Path::new("/proc/self/ns/net").exists() || !has("ip") {
        Some("ip (package iproute2)")
    } else if !has("nft") {
        Some("nft (package nftables)")
    } else if !has("miniupnpd") {
        Some("miniupnpd (package miniupnpd-nftables)")
    } else {
        None
    }
}
