//! The encryption gate and the header clean-up: any bytes as a message.

use relay_policy::{Content, HeaderCleanup, Inspected, Inspection, Purpose, Refusal};

use crate::pieces;

/// A message is judged the same however it comes in pieces; one without a single packet is never encrypted.
pub(crate) fn gate(data: &[u8]) {
    for start in [Inspection::outgoing, Inspection::incoming] {
        let whole = inspect(start(), data, 0);
        for seed in [1, 2] {
            assert_eq!(inspect(start(), data, seed), whole, "cutting matters");
        }
        let has = |word: &[u8]| data.windows(word.len()).any(|part| part == word);
        if matches!(&whole, Ok(Inspected { content: Content::Encrypted, .. })) {
            assert!(has(b"-----BEGIN PGP MESSAGE-----"), "encrypted without armour");
        }
    }
}

fn inspect(mut inspection: Inspection, data: &[u8], cuts: u64) -> Result<Inspected, Refusal> {
    for piece in pieces(data, cuts) {
        inspection.push(piece);
    }
    inspection.finish()
}

/// What leaves a header stays away, cleaning twice changes nothing, and the body is not touched.
pub(crate) fn cleanup(data: &[u8]) {
    for purpose in [Purpose::Submission, Purpose::LocalDelivery, Purpose::SubmissionToLocal] {
        let once = clean(purpose, data, 0);
        for seed in [1, 2] {
            assert_eq!(clean(purpose, data, seed), once, "cutting matters");
        }
        assert_eq!(clean(purpose, &once, 0), once, "cleaning twice changes something");
        if let Some(body) = body(data) {
            assert!(once.ends_with(body), "the body was touched");
        }
    }
}

fn clean(purpose: Purpose, data: &[u8], cuts: u64) -> Vec<u8> {
    let (mut cleanup, mut clean) = (HeaderCleanup::new(purpose), Vec::new());
    for piece in pieces(data, cuts) {
        cleanup.push(piece, &mut clean);
    }
    cleanup.finish(&mut clean);
    clean
}

/// What stands behind the empty line, with it.
fn body(data: &[u8]) -> Option<&[u8]> {
    let at = data.windows(4).position(|part| part == b"\r\n\r\n")?;
    data.get(at + 2..)
}
