//! Messages to a name server.

use super::numbers::{ANY, IN, SOA};
use crate::name::RecordName;
use crate::rdata::Rdata;
use crate::records::RecordSet;

/// The bits of the header with the operation: UPDATE (RFC 2136 section 1.3).
const UPDATE: u16 = 5 << 11;

/// A question for the records of a name and type, without recursion.
pub(super) fn question(id: u16, name: &RecordName, kind: u16) -> Vec<u8> {
    let mut message = header(id, 0, 1, 0);
    message.extend(name.to_wire());
    message.extend([kind, IN].map(u16::to_be_bytes).as_flattened());
    message
}

/// An update (RFC 2136 section 2) that replaces each of the sets as a whole, with further data for some. None if it is longer
/// than a message with a signature may be.
pub(super) fn update<'a>(
    id: u16,
    zone: &RecordName,
    sets: &'a [RecordSet],
    further: impl Fn(&'a RecordSet) -> &'a [Vec<u8>],
) -> Option<Vec<u8>> {
    let (mut count, mut records) = (0, Vec::new());
    for set in sets {
        // Delete an RRset: class ANY, no time to live, no data (section 2.5.2).
        record(&mut records, set, (ANY, 0), &[])?;
        count += 1;
        let own: Vec<Vec<u8>> = set.data.iter().map(Rdata::to_wire).collect();
        let ttl = if set.data.is_empty() { crate::records::RECORD_TTL.as_secs() } else { set.ttl.into() };
        for data in own.iter().chain(further(set)) {
            record(&mut records, set, (IN, u32::try_from(ttl).ok()?), data)?;
            count += 1;
        }
    }
    let mut message = header(id, UPDATE, 1, count);
    message.extend(zone.to_wire());
    message.extend([SOA, IN].map(u16::to_be_bytes).as_flattened());
    message.extend(records);
    // The rest is for the signature.
    (message.len() + 1024 <= usize::from(u16::MAX)).then_some(message)
}

/// ID, flags, and the numbers of questions (or zones), prerequisites, updates and further records.
fn header(id: u16, flags: u16, questions: u16, updates: u16) -> Vec<u8> {
    [id, flags, questions, 0, updates, 0].map(u16::to_be_bytes).concat()
}

fn record(records: &mut Vec<u8>, set: &RecordSet, (class, ttl): (u16, u32), data: &[u8]) -> Option<()> {
    records.extend(set.name.to_wire());
    records.extend([set.kind.number(), class].map(u16::to_be_bytes).as_flattened());
    records.extend(ttl.to_be_bytes());
    records.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
    records.extend(data);
    Some(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{question, update};
    use crate::name::RecordName;
    use crate::rdata::{Rdata, RecordKind};
    use crate::records::RecordSet;

    fn name(text: &str) -> RecordName {
        text.parse().unwrap()
    }

    #[test]
    fn a_question_is_asked_without_recursion() {
        let expected = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x06\0\x01";
        assert_eq!(question(0x1234, &name("a.bc"), 6), expected);
    }

    #[test]
    fn a_set_is_deleted_and_added_anew() {
        let address = Rdata::parse(RecordKind::A, "192.0.2.1").unwrap();
        let set = RecordSet::new(name("a.bc"), RecordKind::A, Duration::from_secs(60), [address]);
        let gone = RecordSet::absent(name("a.bc"), RecordKind::Mx);
        let sets = [set, gone];
        let expected = [
            &b"\0\x07\x28\0\0\x01\0\0\0\x03\0\0"[..],
            b"\x02bc\x01d\0\0\x06\0\x01",
            b"\x01a\x02bc\0\0\x01\0\xff\0\0\0\0\0\0",
            b"\x01a\x02bc\0\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01",
            b"\x01a\x02bc\0\0\x0f\0\xff\0\0\0\0\0\0",
        ]
        .concat();
        assert_eq!(update(7, &name("bc.d"), &sets, |_| &[]).unwrap(), expected);
    }

    #[test]
    fn an_update_has_a_bound() {
        let text = |number: usize| Rdata::text(&format!("{number:04000}")).unwrap();
        let sets = |number| {
            let data = (0..number).map(text);
            [RecordSet::new(name("a.bc"), RecordKind::Txt, Duration::from_secs(60), data)]
        };
        assert!(update(7, &name("bc.d"), &sets(15), |_| &[]).is_some());
        assert!(update(7, &name("bc.d"), &sets(17), |_| &[]).is_none());
    }
}
