//! The question to web servers: their addresses, and the claims in their answers. Who asks over TLS is the caller's choice.

use std::net::{IpAddr, SocketAddr};

use time_sync::{Sample, WebDate, WebServer};

use super::lookup;

/// The most web servers that are asked.
const SERVERS_LIMIT: usize = 8;
/// The fewest that can agree.
const LEAST: usize = 2;

/// The results of a question.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// The servers' claims.
    pub(super) samples: Vec<Sample>,
    /// The number of servers that have an address.
    pub(super) servers: usize,
    /// The reasons why others have told no date.
    pub(super) failures: Vec<String>,
}

/// Looks up the servers' names and lets them be asked. Where most of them have no address nobody is asked: there is no
/// network.
pub(super) fn ask<D>(
    servers: &[WebServer],
    resolvers: &[SocketAddr],
    random: impl FnMut() -> u64,
    dates: &mut D,
) -> Results
where
    D: FnMut(&[(WebServer, IpAddr)]) -> Vec<Result<WebDate, String>>,
{
    let mut results = Results::default();
    let found = with_addresses(servers, resolvers, random);
    results.servers = found.len();
    if found.len() < LEAST {
        results.failures.push("their names have no addresses".to_owned());
        return results;
    }
    for ((server, _), answer) in found.iter().zip(dates(&found)) {
        match answer.and_then(|date| date.sample().map_err(|error| format!("{server}: {error}"))) {
            Ok(sample) => results.samples.push(sample),
            Err(failure) => results.failures.push(failure),
        }
    }
    results
}

/// The servers with an address each. Two names with one address would be two votes for one clock.
fn with_addresses(
    servers: &[WebServer],
    resolvers: &[SocketAddr],
    random: impl FnMut() -> u64,
) -> Vec<(WebServer, IpAddr)> {
    let servers = servers.get(..SERVERS_LIMIT).unwrap_or(servers);
    let names: Vec<String> = servers.iter().map(ToString::to_string).collect();
    let addresses = lookup::look_up(&names, resolvers, random);
    let mut found: Vec<(WebServer, IpAddr)> = Vec::new();
    for server in servers {
        let of_server = addresses.get(server.as_str()).into_iter().flatten();
        let free = of_server.copied().find(|address| found.iter().all(|(_, taken)| taken != address));
        if let Some(address) = free
            && found.iter().all(|(taken, _)| taken != server)
        {
            found.push((server.clone(), address));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::thread;
    use std::time::Duration;

    use time_sync::{SampleError, WebDate};

    use super::{IpAddr, SERVERS_LIMIT, SocketAddr, WebServer, ask};

    /// A name server for which a name of the letters `aN…` has the address 127.0.0.N, and others have none. Ends after so
    /// many questions.
    fn name_server(questions: usize) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 512];
            for _ in 0..questions {
                let (length, client) = socket.recv_from(&mut buffer).unwrap();
                let mut reply = buffer[..length].to_vec();
                reply[2..4].copy_from_slice(&0x8180_u16.to_be_bytes());
                let (letter, digit, is_ipv4) = (reply[13], reply[14], reply[length - 3] == 1);
                if letter == b'a' && is_ipv4 {
                    reply[7] = 1;
                    reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 127, 0, 0, digit - b'0']);
                }
                socket.send_to(&reply, client).unwrap();
            }
        });
        address
    }

    /// The servers that are asked of these, which all answer with this.
    fn asked(names: &[&str], answer: Result<WebDate, String>) -> (Vec<(String, IpAddr)>, super::Results) {
        let servers: Vec<WebServer> = names.iter().map(|name| name.parse().unwrap()).collect();
        let resolver = name_server(2 * names.len().min(SERVERS_LIMIT));
        let (mut asked, mut seed) = (Vec::new(), 0);
        let random = || {
            seed += 1;
            seed
        };
        let results = ask(&servers, &[resolver], random, &mut |servers: &[(WebServer, IpAddr)]| {
            asked.extend(servers.iter().map(|(server, address)| (server.to_string(), *address)));
            vec![answer.clone(); servers.len()]
        });
        (asked, results)
    }

    const DATE: WebDate = WebDate {
        date: mail_types::UnixTime(1_800_000_000),
        sent: Duration::from_secs(1),
        received: Duration::from_secs(1),
    };

    #[test]
    fn each_clock_has_one_vote_and_not_many_are_asked() {
        let (servers, results) = asked(&["a1.test", "a2.test", "a1.elsewhere.test", "b.test"], Ok(DATE));
        let expected = [("a1.test", "127.0.0.1"), ("a2.test", "127.0.0.2")];
        assert_eq!(servers, expected.map(|(name, address)| (name.to_owned(), address.parse().unwrap())));
        assert_eq!((results.samples.len(), results.servers, results.failures.len()), (2, 2, 0));

        let many: Vec<String> = (1..=9).map(|number| format!("a{number}.test")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(asked(&many, Ok(DATE)).0.len(), SERVERS_LIMIT);
    }

    #[test]
    fn where_no_two_have_an_address_nobody_is_asked() {
        let (servers, results) = asked(&["a1.test", "b.test", "c.test"], Ok(DATE));
        assert_eq!((servers.len(), results.samples.len()), (0, 0));
        assert_eq!(results.failures, ["their names have no addresses"]);
    }

    #[test]
    fn the_reasons_of_those_who_tell_no_date_are_kept() {
        let (_, results) = asked(&["a1.test", "a2.test"], Err("a: refused".to_owned()));
        assert_eq!(results.failures, ["a: refused", "a: refused"]);
        let late = WebDate { received: Duration::from_secs(60), ..DATE };
        let (_, results) = asked(&["a1.test", "a2.test"], Ok(late));
        let expected = ["a1.test", "a2.test"].map(|name| format!("{name}: {}", SampleError::Uncertain));
        assert_eq!(results.failures, expected);
    }
}
