//! Messages of a name server (RFC 1035 section 4.1).

use super::codes::ResponseCode;
use super::numbers::{ANY, IN, SOA, TSIG};
use crate::name::RecordName;

/// The most records of a message that are looked at.
const RECORDS_LIMIT: usize = 1000;
/// The most pointers that a compressed name goes through.
const POINTERS_LIMIT: usize = 32;
/// The longest name on the wire.
const NAME_LIMIT: usize = 255;
/// The bit of the header that says that a message is a response.
const RESPONSE: u16 = 1 << 15;
/// The bits of the header with the operation.
const OPERATION: u16 = 0xf << 11;

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: u16,
    /// The operation, as it stands in the header.
    pub(super) operation: u16,
    pub(super) code: ResponseCode,
    /// Of all sections, but for the signature.
    records: Vec<Record>,
    pub(super) signature: Option<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    /// Lower-case; other characters than a [`RecordName`] has may be in it.
    name: Vec<u8>,
    kind: u16,
    class: u16,
    data: Vec<u8>,
}

/// A signature (RFC 8945 section 4.2): the last record of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    /// The beginning of the record: as many bytes are signed.
    pub(super) start: usize,
    /// The name of the key on the wire, lower-case.
    pub(super) key: Vec<u8>,
    /// The name of the algorithm on the wire, lower-case.
    pub(super) algorithm: Vec<u8>,
    /// Seconds since 1970.
    pub(super) time: u64,
    /// The seconds by which the times may differ.
    pub(super) fudge: u16,
    pub(super) mac: Vec<u8>,
    pub(super) original_id: u16,
    pub(super) error: u16,
    pub(super) other: Vec<u8>,
}

impl Message {
    /// Reads a response; none if it is cut off or none.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes, position: 0 };
        let (id, flags) = (reader.number()?, reader.number()?);
        if flags & RESPONSE == 0 {
            return None;
        }
        let counts = [reader.number()?, reader.number()?, reader.number()?, reader.number()?];
        let [questions, rest @ ..] = counts.map(usize::from);
        let total: usize = rest.iter().sum();
        if questions + total > RECORDS_LIMIT {
            return None;
        }
        for _ in 0..questions {
            reader.name()?;
            reader.take(4)?;
        }
        let (mut records, mut signature) = (Vec::new(), None);
        for _ in 0..total {
            let start = reader.position;
            let record = reader.record()?;
            if signature.is_some() {
                // RFC 8945 section 5.1: the signature is the last record.
                return None;
            }
            if record.kind == TSIG {
                signature = Some(Signature::parse(start, &record)?);
            } else {
                records.push(record);
            }
        }
        // RFC 8945 section 5.1: in the additional section only.
        let misplaced = signature.is_some() && counts.last() == Some(&0);
        let code = ResponseCode(flags & 0xf);
        (!misplaced).then_some(Self { id, operation: flags & OPERATION, code, records, signature })
    }

    /// The name of the first SOA record, in whichever section: of the zone that was asked about, or of the one that denies
    /// the name.
    pub(super) fn start_of_authority(&self) -> Option<RecordName> {
        let mut found = self.records.iter().filter(|record| record.kind == SOA && record.class == IN);
        let mut labels = Vec::new();
        let mut rest = found.next()?.name.as_slice();
        while let Some((length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
            let (label, after) = after.split_at_checked(usize::from(*length))?;
            labels.push(String::from_utf8(label.to_vec()).ok()?);
            rest = after;
        }
        // A dot within a label must not become one between labels.
        let is_plain = labels.iter().all(|label| !label.contains('.'));
        labels.join(".").parse().ok().filter(|_| is_plain)
    }

    /// The data of the records of a name and type.
    pub(super) fn data(&self, name: &RecordName, kind: u16) -> impl Iterator<Item = &[u8]> {
        let name = name.to_wire();
        let fits = move |record: &&Record| record.name == name && record.kind == kind && record.class == IN;
        self.records.iter().filter(fits).map(|record| record.data.as_slice())
    }
}

impl Signature {
    fn parse(start: usize, record: &Record) -> Option<Self> {
        if record.class != ANY {
            return None;
        }
        let mut reader = Reader { bytes: &record.data, position: 0 };
        let algorithm = reader.name()?;
        let (high, low) = (reader.number()?, reader.double()?);
        let fudge = reader.number()?;
        let length = reader.number()?.into();
        let mac = reader.take(length)?.to_vec();
        let (original_id, error) = (reader.number()?, reader.number()?);
        let length = reader.number()?.into();
        let other = reader.take(length)?.to_vec();
        let is_whole = reader.position == record.data.len();
        let time = u64::from(high) << 32 | u64::from(low);
        let key = record.name.clone();
        is_whole.then_some(Self { start, key, algorithm, time, fudge, mac, original_id, error, other })
    }

    /// The server's time in the signed answer to one with another time (RFC 8945 section 5.2.3).
    pub(super) fn server_time(&self) -> Option<u64> {
        let mut reader = Reader { bytes: &self.other, position: 0 };
        let (high, low) = (reader.number()?, reader.double()?);
        Some(u64::from(high) << 32 | u64::from(low))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.position.checked_add(length)?;
        let taken = self.bytes.get(self.position..end)?;
        self.position = end;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn double(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// name type class ttl rdlength rdata (RFC 1035 section 4.1.3)
    fn record(&mut self) -> Option<Record> {
        let name = self.name()?;
        let (kind, class) = (self.number()?, self.number()?);
        self.double()?;
        let length = self.number()?.into();
        Some(Record { name, kind, class, data: self.take(length)?.to_vec() })
    }

    /// A name, decompressed (RFC 1035 section 4.1.4) and in lower case, with its lengths and the root's empty label. The
    /// reader goes on behind it.
    fn name(&mut self) -> Option<Vec<u8>> {
        let (mut name, mut pointers, mut behind) = (Vec::new(), 0, None);
        loop {
            let length = *self.take(1)?.first()?;
            match length >> 6 {
                0 => {
                    name.push(length);
                    name.extend(self.take(length.into())?.to_ascii_lowercase());
                    if name.len() > NAME_LIMIT {
                        return None;
                    }
                    if length == 0 {
                        self.position = behind.unwrap_or(self.position);
                        return Some(name);
                    }
                }
                3 => {
                    let low = *self.take(1)?.first()?;
                    behind.get_or_insert(self.position);
                    pointers += 1;
                    if pointers > POINTERS_LIMIT {
                        return None;
                    }
                    self.position = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                }
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, Reader};
    use crate::rfc2136::codes::ResponseCode;

    /// A response with a question for `a.bc` and these records.
    fn response(counts: [u16; 3], records: &[u8]) -> Vec<u8> {
        let counts = counts.map(u16::to_be_bytes).concat();
        [b"\0\x07\x80\x05\0\x01", &counts[..], b"\x01A\x02bc\0\0\x06\0\x01", records].concat()
    }

    #[test]
    fn the_zone_is_found_through_a_compressed_name() {
        let soa = b"\xc0\x0e\0\x06\0\x01\0\0\0\0\0\0";
        let message = Message::parse(&response([0, 1, 0], soa)).unwrap();
        assert_eq!((message.id, message.code), (7, ResponseCode(5)));
        // `bc` alone is no name of a zone that could be updated.
        assert_eq!(message.start_of_authority(), None);
        let soa = b"\xc0\x0c\0\x06\0\x01\0\0\0\0\0\0";
        let message = Message::parse(&response([0, 1, 0], soa)).unwrap();
        assert_eq!(message.start_of_authority(), Some("a.bc".parse().unwrap()));
    }

    #[test]
    fn what_is_cut_off_or_goes_in_circles_is_refused() {
        let whole = response([0, 1, 0], b"\xc0\x0c\0\x06\0\x01\0\0\0\0\0\x02ab");
        assert!(Message::parse(&whole).is_some());
        for length in 0..whole.len() {
            assert_eq!(Message::parse(&whole[..length]), None, "{length}");
        }
        let mut reader = Reader { bytes: b"\xc0\0", position: 0 };
        assert_eq!(reader.name(), None);
        let mut reader = Reader { bytes: b"\x01a\xc0\0", position: 0 };
        assert_eq!(reader.name(), None);
        assert_eq!(Message::parse(&response([0, u16::MAX, 0], b"")), None);
    }

    #[test]
    fn a_signature_is_the_last_record_and_a_further_one() {
        let signature = b"\x01k\0\0\xfa\0\xff\0\0\0\0\0\x11\0\0\0\0\0\0\x01\0\x05\0\0\0\x07\0\0\0\0";
        let mut whole = signature.to_vec();
        whole[12] = u8::try_from(signature.len() - 13).unwrap();
        let message = Message::parse(&response([0, 0, 1], &whole)).unwrap();
        let found = message.signature.unwrap();
        assert_eq!((found.time, found.fudge, found.original_id), (1, 5, 7));
        assert_eq!(Message::parse(&response([0, 1, 0], &whole)), None);
        let twice = [&whole[..], &whole].concat();
        assert_eq!(Message::parse(&response([0, 0, 2], &twice)), None);
    }
}
