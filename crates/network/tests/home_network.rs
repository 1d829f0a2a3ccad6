//! The real loops on a real cable: two network namespaces, at the other end `dnsmasq` as the router's DHCP server, or
//! somebody who asks for the box by name.
//!
//! Needs root, `ip` and `dnsmasq`; without them the tests say so and pass.

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io;
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};
    use std::os::fd::AsFd;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc::{Receiver, channel};
    use std::thread;
    use std::time::Duration;

    use network::configuration::{Report, Settings, run_configuration};
    use network::{Error, mdns};
    use rustix::thread::{
        CapabilitySet, CapabilitySets, LinkNameSpaceType, move_into_link_name_space, set_capabilities,
    };

    /// The kernel and dnsmasq answer within moments; a busy machine takes longer.
    const LIMIT: Duration = Duration::from_secs(60);

    /// Two namespaces with a cable between them; gone when dropped.
    struct Lab {
        home: String,
        router: String,
        server: Option<Child>,
    }

    impl Lab {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let lab = Self {
                home: format!("hearth-home-{id}"),
                router: format!("hearth-router-{id}"),
                server: None,
            };
            for name in [&lab.home, &lab.router] {
                ip(&["netns", "add", name]);
                ip(&["-n", name, "link", "set", "lo", "up"]);
            }
            ip(&[
                "-n",
                &lab.router,
                "link",
                "add",
                "cable",
                "type",
                "veth",
                "peer",
                "name",
                "eth7",
                "netns",
                &lab.home,
            ]);
            ip(&["-n", &lab.router, "address", "add", "192.168.77.1/24", "dev", "cable"]);
            ip(&["-n", &lab.router, "link", "set", "cable", "up"]);
            lab
        }

        fn start_server(&mut self, directory: &Path) {
            let leases = format!("--dhcp-leasefile={}", directory.join("leases").display());
            let child = Command::new("ip")
                .args([
                    "netns",
                    "exec",
                    &self.router,
                    "dnsmasq",
                    "--keep-in-foreground",
                    "--conf-file=/dev/null",
                ])
                .args(["--port=0", "--interface=cable", "--bind-interfaces", "--no-ping", "--log-facility=-"])
                .args(["--dhcp-range=192.168.77.50,192.168.77.60,255.255.255.0,2m", "--dhcp-authoritative"])
                .args([
                    "--dhcp-option=option:dns-server,192.168.77.1,9.9.9.9",
                    "--pid-file=",
                    "--user=root",
                    &leases,
                ])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            self.server = Some(child);
        }
    }

    impl Drop for Lab {
        fn drop(&mut self) {
            if let Some(server) = &mut self.server {
                let _ = server.kill();
                let _ = server.wait();
            }
            for name in [&self.home, &self.router] {
                let _ = Command::new("ip").args(["netns", "delete", name]).status();
            }
        }
    }

    /// Moves the calling thread into a namespace.
    fn enter(name: &str) {
        let namespace = File::open(Path::new("/run/netns").join(name)).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// Leaves the calling thread these capabilities and no others.
    fn restrict(capabilities: CapabilitySet) {
        let sets = CapabilitySets {
            effective: capabilities,
            permitted: capabilities,
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, sets).unwrap();
    }

    fn ip(arguments: &[&str]) {
        let status = Command::new("ip").args(arguments).status().unwrap();
        assert!(status.success(), "ip {arguments:?}");
    }

    fn missing() -> Option<&'static str> {
        let has = |program: &str| {
            Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok()
        };
        if !rustix::process::geteuid().is_root() {
            Some("root, for network namespaces")
        } else if !Path::new("/proc/self/ns/net").exists() || Command::new("ip").arg("-V").output().is_err() {
            Some("ip (package iproute2)")
        } else if !has("dnsmasq") {
            Some("dnsmasq (package dnsmasq-base)")
        } else {
            None
        }
    }

    /// Waits for the report of these addresses; others pass by.
    fn wait_for(reports: &Receiver<Report>, wanted: impl Fn(&[IpAddr]) -> bool) -> Vec<IpAddr> {
        let mut others = Vec::new();
        loop {
            match reports.recv_timeout(LIMIT) {
                Ok(Report::Addresses(addresses)) if wanted(&addresses) => return addresses,
                Ok(other) => others.push(other),
                Err(error) => panic!("{error}; reports so far: {others:?}"),
            }
        }
    }

    /// Waits for the report of the name servers.
    fn wait_for_resolvers(reports: &Receiver<Report>) -> Vec<String> {
        loop {
            match reports.recv_timeout(LIMIT).unwrap() {
                Report::Resolvers(resolvers) => return resolvers.iter().map(ToString::to_string).collect(),
                Report::Addresses(_) | Report::TimeServers(_) | Report::Tunnel(_) | Report::Warning(_) => {}
            }
        }
    }

    fn leased(addresses: &[IpAddr]) -> bool {
        addresses
            .iter()
            .any(|address| matches!(address, IpAddr::V4(address) if address.octets()[..3] == [192, 168, 77]))
    }

    #[test]
    fn an_address_is_leased_lost_with_the_cable_and_leased_again() {
        if let Some(missing) = missing() {
            eprintln!("SKIPPED: this test needs {missing}");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let mut lab = Lab::new();
        let settings = Settings { name: "hearth-0203".to_owned(), tunnel: None };
        let home = lab.home.clone();
        let (sender, reports) = channel();
        let follower = thread::spawn(move || {
            enter(&home);
            restrict(CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW);
            let report = |report| sender.send(report).map_err(|_| io::ErrorKind::BrokenPipe.into());
            run_configuration(&settings, || 42, report)
        });

        wait_for(&reports, |addresses| addresses.is_empty());
        lab.start_server(directory.path());
        assert_eq!(wait_for_resolvers(&reports), ["192.168.77.1", "9.9.9.9"]);
        wait_for(&reports, leased);
        let home = lab.home.clone();
        let shown = |arguments: &[&str]| {
            let output = Command::new("ip").args(["-n", &home]).args(arguments).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let route = shown(&["route", "show", "default"]);
        assert!(route.contains("via 192.168.77.1 dev eth7 proto dhcp"), "{route}");
        let interface = shown(&["address", "show", "dev", "eth7"]);
        assert!(interface.contains("/24 brd 192.168.77.255 scope global"), "{interface}");
        let leases = fs::read_to_string(directory.path().join("leases")).unwrap();
        assert!(leases.contains(" hearth-0203 "), "the router knows the name: {leases}");

        ip(&["-n", &lab.router, "link", "set", "cable", "down"]);
        assert!(wait_for_resolvers(&reports).is_empty());
        wait_for(&reports, |addresses| !leased(addresses));
        assert_eq!(shown(&["route", "show", "default"]), "");
        ip(&["-n", &lab.router, "link", "set", "cable", "up"]);
        wait_for(&reports, leased);

        // The adapter is unplugged, and nothing panics.
        ip(&["-n", &lab.router, "link", "delete", "cable"]);
        wait_for(&reports, |addresses| !leased(addresses));
        assert!(!follower.is_finished());

        drop(reports);
        ip(&["-n", &lab.home, "link", "add", "eth8", "type", "veth", "peer", "name", "eth9"]);
        ip(&["-n", &lab.home, "address", "add", "10.0.0.1/8", "dev", "eth8"]);
        ip(&["-n", &lab.home, "link", "set", "eth8", "up"]);
        assert!(matches!(follower.join().unwrap(), Err(Error::Report { .. })));
    }

    #[test]
    fn the_configuration_of_a_former_process_gives_way_to_a_lease_and_to_a_missing_cable() {
        if let Some(missing) = missing() {
            eprintln!("SKIPPED: this test needs {missing}");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let mut lab = Lab::new();
        let home = lab.home.clone();
        let shown = |arguments: &[&str]| {
            let output = Command::new("ip").args(["-n", &home]).args(arguments).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let index: u32 = shown(&["-o", "link", "show", "eth7"]).split(':').next().unwrap().parse().unwrap();
        let leave_behind = || {
            let metric = (100 + index).to_string();
            ip(&["-n", &home, "link", "set", "eth7", "up"]);
            ip(&["-n", &home, "address", "add", "192.168.66.9/24", "dev", "eth7"]);
            let route = ["default", "via", "192.168.66.1", "dev", "eth7", "proto", "dhcp", "metric", &metric];
            ip(&[&["-n", &home, "route", "add"][..], &route].concat());
        };
        let start = || {
            let home = home.clone();
            let (sender, reports) = channel();
            let follower = thread::spawn(move || {
                enter(&home);
                restrict(CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW);
                let report = |report| sender.send(report).map_err(|_| io::ErrorKind::BrokenPipe.into());
                run_configuration(&Settings { name: "hearth-0203".to_owned(), tunnel: None }, || 42, report)
            });
            (reports, follower)
        };
        let inherited = |addresses: &[IpAddr]| addresses.contains(&Ipv4Addr::new(192, 168, 66, 9).into());

        ip(&["-n", &lab.router, "link", "set", "cable", "down"]);
        leave_behind();
        let (reports, follower) = start();
        assert!(wait_for_resolvers(&reports).is_empty(), "a former process may have reported others");
        wait_for(&reports, |addresses| !inherited(addresses));
        assert_eq!(shown(&["route", "show", "default"]), "");
        drop(reports);
        ip(&["-n", &lab.router, "link", "set", "cable", "up"]);
        leave_behind();
        assert!(matches!(follower.join().unwrap(), Err(Error::Report { .. })));

        let (reports, _follower) = start();
        wait_for(&reports, inherited);
        lab.start_server(directory.path());
        wait_for(&reports, |addresses| leased(addresses) && !inherited(addresses));
        let route = shown(&["route", "show", "default"]);
        assert!(route.starts_with("default via 192.168.77.1 dev eth7 proto dhcp"), "{route}");
        assert_eq!(route.lines().count(), 1, "{route}");
    }

    /// A question for the name's address, as an ordinary resolver or another responder would ask it.
    fn ask(asker: &UdpSocket, name: &[u8]) -> Option<Vec<u8>> {
        let mut question = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        question.extend(name);
        question.extend([0, 1, 0, 1]);
        asker.send_to(&question, "224.0.0.251:5353").unwrap();
        let mut answer = vec![0; 1500];
        let (length, from) = asker.recv_from(&mut answer).ok()?;
        assert_eq!(from.to_string(), "192.168.77.50:5353");
        answer.truncate(length);
        Some(answer)
    }

    #[test]
    fn the_box_answers_for_its_name_and_for_no_other() {
        if let Some(missing) = missing() {
            eprintln!("SKIPPED: this test needs {missing}");
            return;
        }
        let lab = Lab::new();
        ip(&["-n", &lab.home, "link", "set", "eth7", "up"]);
        let home = lab.home.clone();
        let (sender, trouble) = channel();
        thread::spawn(move || {
            enter(&home);
            restrict(CapabilitySet::empty());
            let warn = |text| sender.send(text).map_err(|_| io::ErrorKind::BrokenPipe.into());
            mdns::run_responder("hearth-0203", warn)
        });
        let router = lab.router.clone();
        let asker = thread::spawn(move || {
            enter(&router);
            let asker = UdpSocket::bind("192.168.77.1:0").unwrap();
            let interface = Ipv4Addr::new(192, 168, 77, 1);
            rustix::net::sockopt::set_ip_multicast_if(&asker, &interface).unwrap();
            asker.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            asker
        })
        .join()
        .unwrap();

        // The address comes after the responder has started, as on the box.
        ip(&["-n", &lab.home, "address", "add", "192.168.77.50/24", "dev", "eth7"]);
        let answer = (0..LIMIT.as_secs() * 2)
            .find_map(|_| ask(&asker, b"\x0bHearth-0203\x05local\0"))
            .unwrap_or_else(|| panic!("no answer; trouble: {:?}", trouble.try_recv()));
        assert_eq!(answer[..2], [0x12, 0x34], "the question's number");
        assert!(answer.ends_with(&[0, 4, 192, 168, 77, 50]), "{answer:?}");
        assert_eq!(ask(&asker, b"\x0bhearth-9999\x05local\0"), None);
    }
}
