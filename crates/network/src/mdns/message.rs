//! The part of DNS messages (RFC 1035, RFC 6762) that a responder for one name needs, as bytes. Every length is checked
//! and every count is bounded; a message that breaks a rule is ignored as a whole.

use std::net::IpAddr;

use crate::dns::{CLASS_IN, HEADER, LABEL_LIMIT, RESPONSE, Reader, TYPE_A, TYPE_AAAA, address, header};

/// Bytes of the longest message (RFC 6762, 17).
pub(super) const MESSAGE_LIMIT: usize = 9000;
/// Questions, and answer records, in one message; more make it invalid.
const ENTRY_LIMIT: u16 = 128;

/// QR and AA.
const RESPONSE_FLAGS: u16 = 0x8400;
const OPCODE_AND_RCODE: u16 = 0x780f;

const TYPE_NSEC: u16 = 47;
const TYPE_ANY: u16 = 255;
const CLASS_ANY: u16 = 255;
/// Of the class field: in a question QU, unicast response wanted (RFC 6762, 5.4); in a record cache-flush (10.2).
const TOP_BIT: u16 = 0x8000;

/// A received message, reduced to the entries of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: u16,
    pub(super) kind: Kind,
    /// Questions about the name.
    pub(super) questions: Vec<Question>,
    /// Address records of the name in the answer section.
    pub(super) answers: Vec<KnownAddress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Query,
    Response,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) kind: QuestionType,
    pub(super) reply: Reply,
}

/// The QTYPE of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuestionType {
    A,
    Aaaa,
    Any,
    /// A type of record that the name does not have.
    Other,
}

/// The destination that a question asks its response to be sent to (RFC 6762, 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Multicast,
    Unicast,
}

/// An address record of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownAddress {
    pub(super) address: IpAddr,
    /// The remaining life, in seconds.
    pub(super) ttl: u32,
}

/// The cache-flush bit: the record replaces all others of its type (RFC 6762, 10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CacheFlush {
    Set,
    Clear,
}

/// The first label of the host name, in lower case; the rest is `local`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label(Vec<u8>);

impl Label {
    /// A host label: 1 to 63 ASCII letters, digits and hyphens; `None` for another text.
    pub(super) fn new(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let good = !text.is_empty() && text.len() <= LABEL_LIMIT && text.bytes().all(allowed);
        good.then(|| Self(text.as_bytes().to_ascii_lowercase()))
    }

    fn matches(&self, labels: &[Vec<u8>]) -> bool {
        matches!(labels, [first, second] if first.eq_ignore_ascii_case(&self.0) && second.eq_ignore_ascii_case(b"local"))
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::try_from(self.0.len()).unwrap_or(0));
        bytes.extend(&self.0);
        bytes.extend(b"\x05local\x00");
    }
}

/// Reads a message; `None` when it is malformed, or has an opcode or a response code other than 0 (RFC 6762, 18.3, 18.11).
pub(super) fn parse(bytes: &[u8], name: &Label) -> Option<Message> {
    let mut reader = Reader::new(bytes);
    let (id, flags) = (reader.u16()?, reader.u16()?);
    let counts = [reader.u16()?, reader.u16()?];
    reader.skip_to(HEADER);
    if flags & OPCODE_AND_RCODE != 0
        || counts.iter().any(|count| *count > ENTRY_LIMIT)
        || bytes.len() > MESSAGE_LIMIT
    {
        return None;
    }
    let kind = if flags & RESPONSE == 0 { Kind::Query } else { Kind::Response };
    let [question_count, answer_count] = counts;
    let mut questions = Vec::new();
    for _ in 0..question_count {
        let ours = name.matches(&reader.name()?);
        let (kind, class) = (reader.u16()?, reader.u16()?);
        if ours && matches!(class & !TOP_BIT, CLASS_IN | CLASS_ANY) {
            let reply = if class & TOP_BIT == 0 { Reply::Multicast } else { Reply::Unicast };
            questions.push(Question { kind: QuestionType::from_type(kind), reply });
        }
    }
    let mut answers = Vec::new();
    for _ in 0..answer_count {
        let ours = name.matches(&reader.name()?);
        let (kind, class, ttl) = (reader.u16()?, reader.u16()?, reader.u32()?);
        let length = usize::from(reader.u16()?);
        let data = reader.take(length)?;
        if ours
            && class & !TOP_BIT == CLASS_IN
            && let Some(address) = address(kind, data)?
        {
            answers.push(KnownAddress { address, ttl });
        }
    }
    Some(Message { id, kind, questions, answers })
}

impl QuestionType {
    fn from_type(number: u16) -> Self {
        match number {
            TYPE_A => Self::A,
            TYPE_AAAA => Self::Aaaa,
            TYPE_ANY => Self::Any,
            _ => Self::Other,
        }
    }

    fn to_type(self) -> u16 {
        match self {
            Self::A => TYPE_A,
            Self::Aaaa => TYPE_AAAA,
            Self::Any | Self::Other => TYPE_ANY,
        }
    }
}

/// A probe: a QU question of type ANY, the proposed records in the authority section (RFC 6762, 8.1 and 8.2).
pub(super) fn probe(name: &Label, addresses: &[IpAddr], ttl: u32) -> Vec<u8> {
    let count = u16::try_from(addresses.len()).unwrap_or(u16::MAX);
    let mut bytes = header(0, 0, [1, 0, count, 0]);
    name.write(&mut bytes);
    bytes.extend(TYPE_ANY.to_be_bytes());
    bytes.extend((CLASS_IN | TOP_BIT).to_be_bytes());
    for address in addresses {
        write_address(&mut bytes, name, *address, ttl, CacheFlush::Clear);
    }
    bytes
}

/// The content of a response, except for the name.
pub(super) struct Response<'a> {
    /// The ID of an ordinary resolver's query; otherwise 0 (RFC 6762, 18.1).
    pub(super) id: u16,
    /// The question of an ordinary resolver, which expects it repeated (RFC 6762, 6.7).
    pub(super) question: Option<QuestionType>,
    pub(super) addresses: &'a [IpAddr],
    /// All addresses of the name, for a negative response: an NSEC record tells that no other type exists.
    pub(super) nsec: Option<&'a [IpAddr]>,
    /// The life of the records, in seconds.
    pub(super) ttl: u32,
    pub(super) flush: CacheFlush,
}

pub(super) fn response(name: &Label, response: &Response<'_>) -> Vec<u8> {
    let answers = response.addresses.len() + usize::from(response.nsec.is_some());
    let counts = [u16::from(response.question.is_some()), u16::try_from(answers).unwrap_or(u16::MAX), 0, 0];
    let mut bytes = header(response.id, RESPONSE_FLAGS, counts);
    if let Some(question) = response.question {
        name.write(&mut bytes);
        bytes.extend(question.to_type().to_be_bytes());
        bytes.extend(CLASS_IN.to_be_bytes());
    }
    for address in response.addresses {
        write_address(&mut bytes, name, *address, response.ttl, response.flush);
    }
    if let Some(all) = response.nsec {
        write_nsec(&mut bytes, name, all, response.ttl, response.flush);
    }
    bytes
}

fn write_address(bytes: &mut Vec<u8>, name: &Label, address: IpAddr, ttl: u32, flush: CacheFlush) {
    match address {
        IpAddr::V4(address) => write_record(bytes, name, TYPE_A, ttl, flush, &address.octets()),
        IpAddr::V6(address) => write_record(bytes, name, TYPE_AAAA, ttl, flush, &address.octets()),
    }
}

/// An NSEC record: the bit map of the types that exist (RFC 6762, 6.1; RFC 4034, 4.1.2).
fn write_nsec(bytes: &mut Vec<u8>, name: &Label, all: &[IpAddr], ttl: u32, flush: CacheFlush) {
    let bit = |kind: u16, present: bool| if present { 0x80_u8 >> (kind % 8) } else { 0 };
    let mut data = Vec::new();
    name.write(&mut data);
    // Window 0, four bytes: types 0 to 31.
    data.extend([
        0,
        4,
        bit(TYPE_A, all.iter().any(IpAddr::is_ipv4)),
        0,
        0,
        bit(TYPE_AAAA, all.iter().any(IpAddr::is_ipv6)),
    ]);
    write_record(bytes, name, TYPE_NSEC, ttl, flush, &data);
}

fn write_record(bytes: &mut Vec<u8>, name: &Label, kind: u16, ttl: u32, flush: CacheFlush, data: &[u8]) {
    let class = if flush == CacheFlush::Set { CLASS_IN | TOP_BIT } else { CLASS_IN };
    name.write(bytes);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(class.to_be_bytes());
    bytes.extend(ttl.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(data);
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{
        CacheFlush, Kind, KnownAddress, Label, Question, QuestionType, Reply, Response, parse, probe,
        response,
    };

    fn name() -> Label {
        Label::new("hearth-0203").unwrap()
    }

    fn addresses() -> Vec<IpAddr> {
        vec!["192.168.1.7".parse().unwrap(), "fd00::7".parse().unwrap()]
    }

    #[test]
    fn a_probe_is_a_question_for_everything_to_be_answered_to_the_asker() {
        let message = parse(&probe(&name(), &addresses(), 120), &name()).unwrap();
        assert_eq!(message.kind, Kind::Query);
        assert_eq!(message.questions, [Question { kind: QuestionType::Any, reply: Reply::Unicast }]);
        assert!(message.answers.is_empty(), "what it would say is no answer yet");
    }

    #[test]
    fn a_response_is_read_back() {
        let all = addresses();
        let bytes = response(
            &name(),
            &Response {
                id: 77,
                question: Some(QuestionType::A),
                addresses: &all,
                nsec: Some(&all),
                ttl: 10,
                flush: CacheFlush::Set,
            },
        );
        let message = parse(&bytes, &name()).unwrap();
        assert_eq!((message.id, message.kind), (77, Kind::Response));
        let known: Vec<_> = all.iter().map(|address| KnownAddress { address: *address, ttl: 10 }).collect();
        assert_eq!(message.answers, known);
        assert!(bytes.ends_with(&[0, 4, 0x40, 0, 0, 0x08]), "A and AAAA and nothing else");
    }

    #[test]
    fn names_are_compared_without_case_and_with_compression() {
        // Two questions: "HEARTH-0203.Local" written out for A, then a pointer to it for AAAA, then another name.
        let mut bytes = vec![0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0];
        bytes.extend(b"\x0bHEARTH-0203\x05Local\x00\x00\x01\x00\x01");
        bytes.extend([0xc0, 12, 0, 28, 0x80, 1]);
        bytes.extend(b"\x05other\xc0\x18\x00\x01\x00\x01");
        let message = parse(&bytes, &name()).unwrap();
        assert_eq!(
            message.questions,
            [
                Question { kind: QuestionType::A, reply: Reply::Multicast },
                Question { kind: QuestionType::Aaaa, reply: Reply::Unicast }
            ]
        );
    }

    #[test]
    fn messages_that_break_a_rule_are_none() {
        let good = probe(&name(), &addresses(), 120);
        for length in 0..29 {
            assert_eq!(parse(&good[..length], &name()), None, "{length}");
        }
        let head = |questions: u8| vec![0, 0, 0, 0, 0, questions, 0, 0, 0, 0, 0, 0];
        let mut forward = head(1);
        forward.extend([0xc0, 14, 0, 1, 0, 1]);
        let mut itself = head(1);
        itself.extend([0xc0, 12, 0, 1, 0, 1]);
        let mut reserved = head(1);
        reserved.extend([0x40, 0, 0, 1, 0, 1]);
        let mut long = head(1);
        for _ in 0..5 {
            long.push(63);
            long.extend([b'a'; 63]);
        }
        long.extend([0, 0, 1, 0, 1]);
        let mut many = head(129);
        many.extend([0; 1000]);
        let mut failed = good.clone();
        failed[3] = 3;
        for bytes in [forward, itself, reserved, long, many, failed, vec![0; 9001]] {
            assert_eq!(parse(&bytes, &name()), None);
        }
    }

    #[test]
    fn only_host_names_are_labels() {
        for bad in ["", "a.b", "ä", "with space", &"x".repeat(64)] {
            assert_eq!(Label::new(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn noise_never_panics() {
        let good = probe(&name(), &addresses(), 120);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..50_000_usize {
            let mut bytes = good.clone();
            for _ in 0..=round % 6 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = usize::try_from(state >> 8).unwrap_or(0) % bytes.len();
                bytes[at] = state as u8;
            }
            let _ = parse(&bytes, &name());
        }
    }
}
