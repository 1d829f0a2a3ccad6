//! The addresses of the time servers' names (RFC 1035, RFC 3596): one question for each name and type to a name server
//! that does the rest. Ours, because the C library's lookup is none in a static program, and the resolver library of the
//! server would bring a runtime with threads into a process that may have none.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use host::clock::uptime;

use super::wait::wait_for;
use crate::dns::{CLASS_IN, HEADER, LABEL_LIMIT, RESPONSE, Reader, TYPE_A, TYPE_AAAA, address, header};

/// The longest wait for the answers of one name server.
const LIMIT: Duration = Duration::from_secs(2);
/// Bytes of the longest answer over UDP without extensions (RFC 1035, 2.3.4).
pub(crate) const ANSWER_LIMIT: usize = 512;
/// The most records that are read of an answer.
const RECORDS_LIMIT: u16 = 32;
/// Packets that are read while waiting: a stranger's flood does not keep the process busy.
const PACKETS_LIMIT: usize = 64;
/// Recursion desired.
const RECURSION: u16 = 0x0100;
/// The response code's bits.
const CODE: u16 = 0x000f;

/// A question's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

impl Kind {
    fn number(self) -> u16 {
        match self {
            Self::A => TYPE_A,
            Self::Aaaa => TYPE_AAAA,
        }
    }
}

/// The question for a name's addresses; none for a name that DNS cannot have.
#[must_use]
pub fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut bytes = header(id, RECURSION, [1, 0, 0, 0]);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|_| (1..=LABEL_LIMIT).contains(&label.len()))?;
        bytes.push(length);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.number().to_be_bytes());
    bytes.extend(CLASS_IN.to_be_bytes());
    Some(bytes)
}

/// The addresses in the answer to a question, whatever aliases lead to them; empty for a name without any. None for bytes
/// that do not answer it.
#[must_use]
pub fn answer(bytes: &[u8], id: u16, name: &str, kind: Kind) -> Option<Vec<IpAddr>> {
    let mut reader = Reader::new(bytes);
    let (answered, flags) = (reader.u16()?, reader.u16()?);
    let (questions, answers) = (reader.u16()?, reader.u16()?);
    reader.skip_to(HEADER);
    if answered != id || flags & RESPONSE == 0 || questions != 1 {
        return None;
    }
    let labels = reader.name()?;
    let same = labels.len() == name.split('.').count()
        && labels.iter().zip(name.split('.')).all(|(one, other)| one.eq_ignore_ascii_case(other.as_bytes()));
    if !same || reader.u16()? != kind.number() || reader.u16()? != CLASS_IN {
        return None;
    }
    let mut found = Vec::new();
    let count = if flags & CODE == 0 { answers.min(RECORDS_LIMIT) } else { 0 };
    for _ in 0..count {
        let _owner = reader.name()?;
        let (number, class, _ttl) = (reader.u16()?, reader.u16()?, reader.u32()?);
        let length = usize::from(reader.u16()?);
        let data = reader.take(length)?;
        if number == kind.number() && class == CLASS_IN {
            found.extend(address(number, data)?);
        }
    }
    Some(found)
}

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

/// A socket for one partner, with a random port that the kernel chooses.
pub(crate) fn connect(partner: SocketAddr) -> io::Result<UdpSocket> {
    let any = match partner {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(partner)?;
    Ok(socket)
}

/// Whether there is a way to the address; no packet is sent.
fn has_route(address: IpAddr) -> bool {
    connect(SocketAddr::new(address, time_sync::packet::PORT)).is_ok()
}

#[cfg(test)]
mod tests;
