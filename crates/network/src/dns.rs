//! DNS messages (RFC 1035, RFC 3596): the question for a name's addresses and its answer, and what multicast DNS shares with
//! them. Every length is checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of the longest name (RFC 1035, 3.1).
const NAME_LIMIT: usize = 255;
/// Bytes of the longest label (RFC 1035, 2.3.4).
pub(crate) const LABEL_LIMIT: usize = 63;
/// Bytes of the header (RFC 1035, 4.1.1).
pub(crate) const HEADER: usize = 12;
/// The QR bit.
pub(crate) const RESPONSE: u16 = 0x8000;
pub(crate) const TYPE_A: u16 = 1;
pub(crate) const TYPE_AAAA: u16 = 28;
pub(crate) const CLASS_IN: u16 = 1;
/// The port of name servers (RFC 1035, 4.2).
pub(crate) const PORT: u16 = 53;
/// Bytes of the longest answer over UDP without extensions (RFC 1035, 2.3.4).
pub(crate) const ANSWER_LIMIT: usize = 512;
/// The most records that are read of an answer.
const RECORDS_LIMIT: u16 = 32;
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

/// A message's header, with the counts of its sections.
pub(crate) fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(id.to_be_bytes());
    bytes.extend(flags.to_be_bytes());
    counts.iter().for_each(|count| bytes.extend(count.to_be_bytes()));
    bytes
}

/// The address in a record's data, if it is an address record; the outer `None` for one of the wrong length.
pub(crate) fn address(kind: u16, data: &[u8]) -> Option<Option<IpAddr>> {
    match kind {
        TYPE_A => Some(Some(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).into())),
        TYPE_AAAA => Some(Some(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).into())),
        _ => Some(None),
    }
}

/// The bytes of a message from some place on.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of a message.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Goes on reading here.
    pub(crate) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A name, decompressed (RFC 1035, 4.1.4). Each pointer must lead further back than the one before, so a loop is
    /// impossible and the labels are read at most once each.
    pub(crate) fn name(&mut self) -> Option<Vec<Vec<u8>>> {
        let mut labels = Vec::new();
        let mut length = 0;
        let mut end = None;
        let mut lowest = self.at;
        loop {
            let [first] = *self.take(1)?.first_chunk()?;
            match first {
                0 => break,
                1..=63 => {
                    let label = self.take(first.into())?;
                    length += label.len() + 1;
                    if length > NAME_LIMIT {
                        return None;
                    }
                    labels.push(label.to_owned());
                }
                0xc0.. => {
                    let [second] = *self.take(1)?.first_chunk()?;
                    // Reading goes on behind the first pointer, wherever it leads.
                    end.get_or_insert(self.at);
                    let target = usize::from(u16::from_be_bytes([first & 0x3f, second]));
                    if target >= lowest {
                        return None;
                    }
                    lowest = target;
                    self.at = target;
                }
                _ => return None,
            }
        }
        if let Some(end) = end {
            self.at = end;
        }
        Some(labels)
    }
}

#[cfg(test)]
pub(crate) mod tests;
