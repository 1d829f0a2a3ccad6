//! The gate and the header clean-up, as submission runs both while a message comes in.

use anyhow::{Result, ensure};
use relay_policy::{Content, HeaderCleanup, Inspection, Purpose};

use crate::message;

/// As the driver reads from a TLS record.
const PIECE: usize = 16 * 1024;

pub(crate) fn small(times: usize) -> Result<()> {
    many(10_000, times)
}

pub(crate) fn large(times: usize) -> Result<()> {
    many(1_000_000, times)
}

fn many(size: usize, times: usize) -> Result<()> {
    let sender = "sender@chat.test";
    let text = message::header(sender, "receiver@chat.test", 1) + &message::body(size);
    let mut clean = Vec::new();
    for _ in 0..times {
        let (mut inspection, mut cleanup) =
            (Inspection::outgoing(), HeaderCleanup::new(Purpose::SubmissionToLocal));
        for piece in text.as_bytes().chunks(PIECE) {
            inspection.push(piece);
            clean.clear();
            cleanup.push(piece, &mut clean);
        }
        cleanup.finish(&mut clean);
        let inspected = inspection.finish();
        ensure!(
            inspected.as_ref().is_ok_and(|found| found.content == Content::Encrypted),
            "the message does not pass the gate: {inspected:?}"
        );
    }
    Ok(())
}
