//! The addresses of the time servers' names (RFC 1035, RFC 3596): one question for each name and type to a name server
//! that does the rest. Ours, because the C library's lookup is none in a static program, and the resolver library of the
//! server would bring a runtime with threads into a process that may have none.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use host::clock::uptime;

use super::wait::wait_for;
use crate::dns::{ANSWER_LIMIT, Kind, answer, question};
use crate::udp::connect;

/// The longest wait for the answers of one name server.
const LIMIT: Duration = Duration::from_secs(2);
/// Packets that are read while waiting: a stranger's flood does not keep the process busy.
const PACKETS_LIMIT: usize = 64;

/// Asks the name servers one after the other until all names are answered for; returns the addresses of each name that
/// this machine has a way to, IPv4 first.
pub(super) fn look_up(
    names: &[String],
    resolvers: &[SocketAddr],
    mut random: impl FnMut() -> u64,
) -> BTreeMap<String, Vec<IpAddr>> {
    let mut open: Vec<(&String, Kind)> =
        [Kind::A, Kind::Aaaa].iter().flat_map(|kind| names.iter().map(move |name| (name, *kind))).collect();
    let mut found: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for resolver in resolvers {
        if open.is_empty() {
            break;
        }
        // An answer with no address or with an error is one: the next name server knows no better.
        if let Ok(answers) = ask(*resolver, &open, &mut random) {
            for (name, kind, addresses) in answers {
                open.retain(|question| *question != (name, kind));
                let usable = addresses.into_iter().filter(|address| has_route(*address));
                found.entry(name.clone()).or_default().extend(usable);
            }
        }
    }
    found.values_mut().for_each(|addresses| addresses.sort_by_key(IpAddr::is_ipv6));
    found
}

type Answer<'a> = (&'a String, Kind, Vec<IpAddr>);

/// Asks one name server all questions at once.
fn ask<'a>(
    resolver: SocketAddr,
    questions: &[(&'a String, Kind)],
    mut random: impl FnMut() -> u64,
) -> io::Result<Vec<Answer<'a>>> {
    let socket = connect(resolver)?;
    let mut open = Vec::new();
    for (name, kind) in questions {
        let [first, second, ..] = random().to_ne_bytes();
        let id = u16::from_ne_bytes([first, second]);
        if let Some(bytes) = question(id, name, *kind) {
            socket.send(&bytes)?;
            open.push((id, *name, *kind));
        }
    }
    let (mut answers, mut buffer) = (Vec::new(), [0; ANSWER_LIMIT]);
    let deadline = uptime() + LIMIT;
    for _ in 0..PACKETS_LIMIT {
        if open.is_empty() || !wait_for(&[&socket], deadline)? {
            break;
        }
        let Ok(length) = socket.recv(&mut buffer) else { break };
        let bytes = buffer.get(..length).unwrap_or_default();
        let known = |(id, name, kind): &(u16, &'a String, Kind)| answer(bytes, *id, name, *kind);
        let found = open.iter().enumerate().find_map(|(at, question)| Some((at, known(question)?)));
        if let Some((at, addresses)) = found {
            let (_, name, kind) = open.swap_remove(at);
            answers.push((name, kind, addresses));
        }
    }
    Ok(answers)
}

/// Whether there is a way to the address; no packet is sent.
fn has_route(address: IpAddr) -> bool {
    connect(SocketAddr::new(address, time_sync::packet::PORT)).is_ok()
}

#[cfg(test)]
mod tests;
