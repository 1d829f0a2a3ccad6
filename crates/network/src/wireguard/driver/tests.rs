//! The kernel's own view of routes and rules, in a network namespace.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{Driver, NAME, News, index_of, remove, replace_rules};
use crate::netlink::Netlink;
use crate::wireguard::conf::Conf;
use crate::wireguard::routing::{Everything, Family, rules};

/// A network namespace of the test's own; gone when dropped.
struct Namespace(String);

impl Namespace {
    /// Nothing where this user may not make one, or has no `ip`.
    fn new(name: &str) -> Option<Self> {
        let name = format!("hearth-tunnel-{name}-{}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        made.is_ok_and(|made| made.status.success()).then_some(Self(name))
    }

    /// The output of `ip` in it; empty when it fails.
    fn ip(&self, arguments: &str) -> String {
        let output = Command::new("ip").args(["-n", &self.0]).args(arguments.split(' ')).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Moves this thread, which is the test's own, into it.
    fn enter(&self) {
        let place = File::open(format!("/run/netns/{}", self.0)).unwrap();
        move_into_link_name_space(place.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

fn conf() -> Conf {
    let key = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
    let text = format!(
        "[Interface]\nPrivateKey={key}\nAddress=203.0.113.7/32,2001:db8:7::7/128\n\
         [Peer]\nPublicKey={key}\nAllowedIPs=0.0.0.0/0,::/0\nEndpoint=192.0.2.1:51820"
    );
    Conf::parse(&text).unwrap().0
}

/// The kernel's own choice of the way, with a pair of interfaces in the tunnel's place: the kernels that run tests often have
/// no WireGuard.
#[test]
fn packets_go_through_the_tunnel_by_the_router_or_home() {
    let Some(namespace) = Namespace::new("rules") else {
        println!("NOT RUN: it needs root and ip, for a network namespace");
        return;
    };
    for arguments in [
        "link set lo up",
        "link add eth0 type veth peer name router",
        "link add wg0 type veth peer name far",
        "link set router up",
        "link set far up",
        "link set eth0 up",
        "link set wg0 up",
        "address add 192.168.1.5/24 dev eth0",
        "address add 203.0.113.7/32 dev wg0",
        "address add 2001:db8:1::5/64 dev eth0 nodad",
        "address add 2001:db8:7::7/128 dev wg0 nodad",
        "route add default via 192.168.1.1",
        "route add default via 2001:db8:1::1",
    ] {
        namespace.ip(arguments);
    }
    namespace.enter();
    let mut netlink = Netlink::open().unwrap();
    let driver = Driver::new(conf());
    let index = index_of(&mut netlink).unwrap().unwrap();
    driver.set_routes(&mut netlink, index).unwrap();
    assert_eq!(netlink.tunnel_routes(index, Family::V6).unwrap().len(), 1);
    driver.set_routes(&mut netlink, index).unwrap();
    driver.set_addresses(&mut netlink, index).unwrap();

    let others: [IpAddr; 2] = ["192.168.1.5", "2001:db8:1::5"].map(|text| text.parse().unwrap());
    let own: Vec<IpAddr> = conf().interface.addresses.iter().map(|(address, _)| *address).collect();
    let families = [Family::V4, Family::V6];
    let way = |packet: &str| {
        let answer = namespace.ip(&format!("route get {packet}"));
        answer.split_once("dev ").map(|(_, rest)| rest.split(' ').next().unwrap_or_default().to_owned())
    };
    for (everything, elsewhere) in
        [(Everything::ByRouter, "eth0"), (Everything::ThroughTunnel, "wg0"), (Everything::ByRouter, "eth0")]
    {
        let wanted = rules(&families, &own, &others, everything);
        replace_rules(&mut netlink, &families, &wanted).unwrap();
        let mut present: Vec<_> =
            families.iter().flat_map(|family| netlink.rules(*family).unwrap()).collect();
        present.sort();
        assert_eq!(present, wanted);
        for (packet, interface) in [
            ("198.51.100.9", elsewhere),
            ("2001:db8:99::9", elsewhere),
            ("192.168.1.77", "eth0"),
            ("2001:db8:1::77", "eth0"),
            ("198.51.100.9 mark 51820", "eth0"),
            ("2001:db8:99::9 mark 51820", "eth0"),
            ("198.51.100.9 from 203.0.113.7", "wg0"),
            ("2001:db8:99::9 from 2001:db8:7::7", "wg0"),
            ("198.51.100.9 from 192.168.1.5", "eth0"),
            ("2001:db8:99::9 from 2001:db8:1::5", "eth0"),
            ("192.168.1.77 from 203.0.113.7", "eth0"),
        ] {
            assert_eq!(way(packet).as_deref(), Some(interface), "{everything:?}: {packet}");
        }
    }

    remove(&mut netlink).unwrap();
    assert_eq!(namespace.ip("link show wg0"), "");
    assert_eq!(netlink.rules(Family::V4).unwrap(), []);
}

#[test]
fn a_kernel_without_the_module_is_told_in_words_and_tried_again() {
    let Some(namespace) = Namespace::new("module") else {
        println!("NOT RUN: it needs root and ip, for a network namespace");
        return;
    };
    namespace.enter();
    let mut netlink = Netlink::open().unwrap();
    if netlink.set_wireguard_link(NAME, 1420).is_ok() {
        println!("NOT RUN: this kernel has WireGuard");
        return;
    }
    let mut driver = Driver::new(conf());
    driver.handle_addresses(&mut netlink, std::time::Duration::ZERO, &[[192, 168, 1, 5].into()]);
    let reports = driver.take_news();
    let warning = News::Warning("the kernel has no WireGuard: its module is not loaded".to_owned());
    assert!(matches!(&reports[..], [first, News::Status(_)] if *first == warning), "{reports:?}");
    let minute = std::time::Duration::from_secs(60);
    assert_eq!(driver.make_at, Some(minute));
    driver.serve(&mut netlink, minute, &mut || 0);
    assert_eq!(driver.take_news(), [warning]);
}
