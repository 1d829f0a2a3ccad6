//! One transaction as bytes in the journal.
//!
//! ```text
//! frame     = length u32, crc32 u32, sequence u64, durable u64, operations (length bytes)
//! operation = tag u8, key (u32 + bytes), value (u32 + bytes)
//! ```
//!
//! The checksum covers everything but itself. `durable` is the newest sequence that was known to be on disk when the
//! frame was written; it distinguishes a tail that a power cut tore off (never acknowledged) from acknowledged
//! bytes that rotted: only the latter are followed by a frame that counts them as durable.

use crate::codec::{Fields, put_string};

/// Bytes before the operations.
pub(crate) const HEADER: usize = 24;
/// Offset of a body's bytes in a frame that holds nothing else: behind tag, key and length.
pub(crate) const BODY_OFFSET: usize = HEADER + 1 + 4 + 8 + 4;
/// Bytes of operations in the longest frame that is written, or accepted when read.
pub(crate) const LIMIT: usize = 64 << 20;

/// One effect of a transaction; unknown tags of a newer release are skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    /// Sets a record's value.
    Put { key: &'a [u8], value: &'a [u8] },
    /// Removes a record.
    Delete { key: &'a [u8] },
    /// A small body lives here until the next checkpoint. `offset` counts from the frame's first byte.
    Body { body: u64, offset: usize, length: usize },
    /// Frees a body to which nothing refers any more.
    Free { body: u64 },
}

const PUT: u8 = 1;
const DELETE: u8 = 2;
const BODY: u8 = 3;
const FREE: u8 = 4;

/// Collects a frame's operations.
#[derive(Default)]
pub(crate) struct FrameBuilder(Vec<u8>);

impl FrameBuilder {
    /// Bytes of operations so far.
    pub(crate) fn length(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.operation(PUT, key, value);
    }

    pub(crate) fn delete(&mut self, key: &[u8]) {
        self.operation(DELETE, key, &[]);
    }

    pub(crate) fn body(&mut self, body: u64, bytes: &[u8]) {
        self.operation(BODY, &body.to_le_bytes(), bytes);
    }

    pub(crate) fn free(&mut self, body: u64) {
        self.operation(FREE, &body.to_le_bytes(), &[]);
    }

    fn operation(&mut self, tag: u8, key: &[u8], value: &[u8]) {
        self.0.push(tag);
        put_string(&mut self.0, key);
        put_string(&mut self.0, value);
    }

    /// Appends the finished frame; returns false, and appends nothing, when it is over the limit.
    pub(crate) fn finish(self, sequence: u64, durable: u64, out: &mut Vec<u8>) -> bool {
        let Some(length) = u32::try_from(self.0.len()).ok().filter(|_| self.0.len() <= LIMIT) else {
            return false;
        };
        let (length, sequence, durable) =
            (length.to_le_bytes(), sequence.to_le_bytes(), durable.to_le_bytes());
        let crc = checksum(&[&length, &sequence, &durable, &self.0]);
        for part in [&length[..], &crc.to_le_bytes(), &sequence, &durable, &self.0] {
            out.extend_from_slice(part);
        }
        true
    }
}

/// A frame whose checksum is right.
pub(crate) struct Frame<'a> {
    pub(crate) sequence: u64,
    pub(crate) durable: u64,
    operations: &'a [u8],
}

/// The result of [`read`].
pub(crate) enum Found<'a> {
    /// A whole frame, this many bytes long.
    Frame(Frame<'a>, usize),
    /// No frame, or one whose checksum is wrong.
    Nothing,
}

/// Reads the frame at the beginning of some bytes.
pub(crate) fn read(bytes: &[u8]) -> Found<'_> {
    parse(bytes).map_or(Found::Nothing, |frame| {
        let length = HEADER + frame.operations.len();
        Found::Frame(frame, length)
    })
}

fn parse(bytes: &[u8]) -> Option<Frame<'_>> {
    let mut fields = Fields::new(bytes);
    let length = fields.u32()?;
    let crc = fields.u32()?;
    let sequence = fields.u64()?;
    let durable = fields.u64()?;
    let operations = fields.bytes(usize::try_from(length).ok().filter(|length| *length <= LIMIT)?)?;
    let parts = [&length.to_le_bytes()[..], &sequence.to_le_bytes(), &durable.to_le_bytes(), operations];
    // A stretch of zeros must not pass: sequences begin at one.
    (sequence > 0 && checksum(&parts) == crc).then_some(Frame { sequence, durable, operations })
}

impl<'a> Frame<'a> {
    /// The operations in their order. The checksum was right, so malformed ones are a mistake of the writer; they end
    /// the list, and the caller sees `None` as the last item.
    pub(crate) fn operations(&self) -> impl Iterator<Item = Option<Operation<'a>>> + use<'a> {
        let mut fields = Fields::new(self.operations);
        let total = self.operations.len();
        let mut broken = false;
        std::iter::from_fn(move || {
            while !broken && !fields.is_empty() {
                match operation(&mut fields, total) {
                    Some(Some(operation)) => return Some(Some(operation)),
                    Some(None) => {}
                    None => {
                        broken = true;
                        return Some(None);
                    }
                }
            }
            None
        })
    }
}

/// The outer `None` is malformed, the inner one a tag that this release does not know.
fn operation<'a>(fields: &mut Fields<'a>, total: usize) -> Option<Option<Operation<'a>>> {
    let tag = fields.u8()?;
    let key = fields.string()?;
    let value = fields.string()?;
    let number = || key.as_array().map(|bytes| u64::from_le_bytes(*bytes));
    Some(match tag {
        PUT => Some(Operation::Put { key, value }),
        DELETE => Some(Operation::Delete { key }),
        BODY => {
            let offset = HEADER + total - fields.remaining() - value.len();
            Some(Operation::Body { body: number()?, offset, length: value.len() })
        }
        FREE => Some(Operation::Free { body: number()? }),
        _ => None,
    })
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::{Found, FrameBuilder, Operation, read};

    fn example() -> Vec<u8> {
        let mut builder = FrameBuilder::default();
        builder.put(b"key", b"value");
        builder.operation(200, b"a tag", b"from the future");
        builder.body(7, b"Subject: x");
        builder.free(6);
        builder.delete(b"gone");
        let mut out = Vec::new();
        assert!(builder.finish(3, 2, &mut out));
        out
    }

    #[test]
    fn a_frame_survives_its_bytes_and_skips_unknown_tags() {
        let bytes = example();
        let Found::Frame(frame, length) = read(&bytes) else { panic!("no frame") };
        assert_eq!((frame.sequence, frame.durable, length), (3, 2, bytes.len()));
        let operations: Vec<_> = frame.operations().map(Option::unwrap).collect();
        let offset = bytes.windows(10).position(|window| window == b"Subject: x").unwrap();
        assert_eq!(
            operations,
            [
                Operation::Put { key: b"key", value: b"value" },
                Operation::Body { body: 7, offset, length: 10 },
                Operation::Free { body: 6 },
                Operation::Delete { key: b"gone" },
            ]
        );
    }

    #[test]
    fn a_lone_body_lies_where_packs_expect_it() {
        let mut builder = FrameBuilder::default();
        builder.body(1, b"body");
        let mut out = Vec::new();
        builder.finish(1, 0, &mut out);
        assert_eq!(out.get(super::BODY_OFFSET..), Some(&b"body"[..]));
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_noticed() {
        let bytes = example();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(read(&bad), Found::Nothing), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(matches!(read(&bytes[..length]), Found::Nothing), "length {length}");
        }
        assert!(matches!(read(&[0; 100]), Found::Nothing));
    }
}
