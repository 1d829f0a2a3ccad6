//! The name servers in a `resolv.conf(5)`.

use std::net::{IpAddr, SocketAddr};

use crate::settings::NameServer;

/// The number of name servers that are used.
pub(crate) const SERVERS_LIMIT: usize = 4;
/// The port of DNS.
const PORT: u16 = 53;

/// The name servers in the text of a file, the first ones of too many. All other lines are passed over: there is no search
/// list, and the library has its own time-outs. A link-local address with its interface (`fe80::1%eth0`) is passed over
/// too, since the library cannot name an interface.
///
/// `nameserver ADDRESS`
pub(crate) fn name_servers(text: &str) -> Vec<NameServer> {
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next());
        address?.parse::<IpAddr>().ok()
    });
    let server = |address| NameServer { address: SocketAddr::new(address, PORT), tls_name: None };
    addresses.map(server).take(SERVERS_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::{SERVERS_LIMIT, name_servers};

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = name_servers(text).iter().map(|server| server.address.to_string()).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn name_servers_are_found_among_other_lines() {
        check(
            "# a comment\ndomain home.test\nsearch home.test\nnameserver 192.0.2.1\n  nameserver\t2001:db8::1 # second\noptions ndots:2\n",
            &["192.0.2.1:53", "[2001:db8::1]:53"],
        );
        check("nameserver 192.0.2.1\r\n", &["192.0.2.1:53"]);
        check("", &[]);
        check(
            "nameserver\nnameserver name.test\nnameserver fe80::1%eth0\nnameservers 192.0.2.1\n;nameserver 1.2.3.4",
            &[],
        );
        assert_eq!(name_servers(&"nameserver 192.0.2.1\n".repeat(100)).len(), SERVERS_LIMIT);
    }
}
