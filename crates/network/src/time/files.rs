//! The two files that tell the process whom to ask. Both are written by others, and read anew before each round.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use time_sync::Server;

use crate::dns;

/// The most name servers, as in the C library (`MAXNS` of `<resolv.h>`).
const RESOLVERS_LIMIT: usize = 3;
/// The most bytes that are read of a file.
const FILE_LIMIT: u64 = 4096;

/// The name servers in a `resolv.conf(5)`; none if there is no such file yet.
pub(super) fn resolvers(path: &Path) -> Vec<SocketAddr> {
    let text = text(path);
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        words.next().filter(|word| *word == "nameserver")?;
        words.next()?.parse::<IpAddr>().ok()
    });
    addresses.map(|address| SocketAddr::new(address, dns::PORT)).take(RESOLVERS_LIMIT).collect()
}

/// The time servers in a list with one a line; none if there is no such file yet.
pub(super) fn servers(path: &Path) -> Vec<Server> {
    text(path).lines().filter_map(|line| line.trim().parse().ok()).collect()
}

fn text(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_LIMIT).read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8(bytes).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{resolvers, servers};

    #[test]
    fn lines_that_name_nobody_are_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        std::fs::write(
            &path,
            "# a comment\nnameserver 192.0.2.1\nnameserver nobody\nnameserver 2001:db8::1\n",
        )
        .unwrap();
        let found: Vec<String> = resolvers(&path).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1:53", "[2001:db8::1]:53"]);
        std::fs::write(&path, "192.0.2.1\na name\n\n192.0.2.2\n").unwrap();
        assert_eq!(servers(&path).len(), 2);
        assert!(resolvers(Path::new("/nowhere/at/all")).is_empty());
    }
}
