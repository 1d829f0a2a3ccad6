//! Answers that are damaged in all ways: the library's parser and our reading of what it makes of them must not panic, since
//! a panic ends the program, and whoever owns a domain writes its records.

use hickory_resolver::proto::op::{Message, OpCode, Query};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use test_support::Random;

use crate::answers;
use crate::upstream::chain;

const NAME: &str = "a.test.";

fn record(owner: &str, kind: RecordType, data: &str) -> Record {
    Record::from_rdata(Name::from_ascii(owner).unwrap(), 60, RData::try_from_str(kind, data).unwrap())
}

fn whole() -> Vec<u8> {
    let mut message = Message::response(7, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(NAME).unwrap(), RecordType::MX));
    for (owner, kind, data) in [
        (NAME, RecordType::CNAME, "b.test."),
        ("b.test.", RecordType::MX, "10 mx.b.test."),
        ("b.test.", RecordType::MX, "0 ."),
        ("b.test.", RecordType::A, "192.0.2.1"),
        ("b.test.", RecordType::AAAA, "2001:db8::1"),
        ("b.test.", RecordType::TXT, "\"v=DKIM1; p=\" \"AAAA\""),
        (
            "b.test.",
            RecordType::TLSA,
            "3 1 1 abababababababababababababababababababababababababababababababab",
        ),
        ("b.test.", RecordType::CAA, "0 issue \"ca.test\""),
        ("b.test.", RecordType::SRV, "0 1 993 mx.b.test."),
        ("b.test.", RecordType::NS, "ns.test."),
    ] {
        message.add_answer(record(owner, kind, data));
    }
    message.to_vec().unwrap()
}

/// Reads a packet as an answer to every question; returns the number of answers that were found.
fn read(packet: &[u8]) -> usize {
    let Ok(message) = Message::from_vec(packet) else { return 0 };
    let records: Vec<Record> =
        chain(&Name::from_ascii(NAME).unwrap(), &message.answers).into_iter().cloned().collect();
    for record in &records {
        let _ = record.data.to_string();
    }
    let hosts = usize::from(answers::mail_hosts(&records).is_ok());
    hosts
        + answers::addresses(&records).len()
        + answers::texts(&records).len()
        + answers::tlsa(&records).len()
}

#[test]
fn damaged_packets_are_read_or_refused() {
    let whole = whole();
    assert_eq!(read(&whole), 5);
    for length in 0..whole.len() {
        read(whole.get(..length).unwrap());
    }
    let mut random = Random::new(1);
    let (mut read_anyway, rounds) = (0, 10_000);
    for _ in 0..rounds {
        let mut packet = whole.clone();
        for _ in 0..=random.below(4) {
            let position = random.below(packet.len());
            match random.below(3) {
                0 => packet[position] = random.byte(),
                1 => packet[position] ^= 1 << random.below(8),
                // A pointer of name compression (RFC 1035 section 4.1.4), to anywhere.
                _ => packet[position] = 0xc0,
            }
        }
        read_anyway += usize::from(read(&packet) > 0);
    }
    assert!(read_anyway > rounds / 10, "most damage is in the data: {read_anyway}");
}
