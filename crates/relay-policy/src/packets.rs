//! The packet walk over an OpenPGP message (RFC 9580 section 4.2): looks at the frames, never inside.
//!
//! An encrypted message is any number of session keys (PKESK, SKESK) and then one packet of encrypted and
//! integrity-protected data (SEIPD), which ends where the data ends.

/// Public-Key Encrypted Session Key
const PKESK: u8 = 1;
/// Symmetric-Key Encrypted Session Key
const SKESK: u8 = 3;
/// Symmetrically Encrypted and Integrity Protected Data
const SEIPD: u8 = 18;

/// The data is not an encrypted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotEncrypted;

/// The walk; bytes are pushed, the state says what the next one is.
#[derive(Debug)]
pub(crate) struct Packets {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    ExpectTag,
    /// New format: the first length byte, which says how many follow; `continued` after a partial body.
    ExpectLength {
        tag: u8,
        continued: bool,
    },
    /// The second byte of a two-byte length.
    ExpectSecond {
        tag: u8,
        first: u8,
    },
    /// Bytes of a length that is a plain number.
    ExpectNumber {
        tag: u8,
        missing: u8,
        number: u64,
    },
    Body {
        tag: u8,
        left: u64,
        then: Then,
    },
    /// The message is complete; nothing may follow.
    Complete,
}

/// The state after a piece of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The packet ends.
    PacketEnds,
    /// Another length (RFC 9580 section 4.2.1.4).
    MoreLength,
}

impl Default for Packets {
    fn default() -> Self {
        Self { state: State::ExpectTag }
    }
}

impl Packets {
    /// Walks on over these bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), NotEncrypted> {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            match self.state {
                State::Body { tag, left, then } => {
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    rest = rest.get(count..).unwrap_or_default();
                    let left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
                    self.state = body(tag, left, then);
                }
                state => {
                    self.state = step(state, byte)?;
                    rest = after;
                }
            }
        }
        Ok(())
    }

    /// Whether the data ended where an encrypted message ends.
    pub(crate) fn finish(&self) -> Result<(), NotEncrypted> {
        if self.state == State::Complete { Ok(()) } else { Err(NotEncrypted) }
    }
}

/// The state after a byte of a packet's header.
fn step(state: State, byte: u8) -> Result<State, NotEncrypted> {
    match state {
        State::ExpectTag => tag(byte),
        State::ExpectLength { tag, continued } => match byte {
            0..192 => Ok(body(tag, u64::from(byte), Then::PacketEnds)),
            192..224 => Ok(State::ExpectSecond { tag, first: byte }),
            255 => Ok(State::ExpectNumber { tag, missing: 4, number: 0 }),
            // Only data may come in pieces, and its first piece has at least 512 bytes.
            224..255 if tag != SEIPD || (!continued && byte < 224 + 9) => Err(NotEncrypted),
            224..255 => Ok(body(tag, 1 << (byte & 0x1f), Then::MoreLength)),
        },
        State::ExpectSecond { tag, first } => {
            let length = ((u64::from(first) - 192) << 8) + u64::from(byte) + 192;
            Ok(body(tag, length, Then::PacketEnds))
        }
        State::ExpectNumber { tag, missing, number } => {
            let number = (number << 8) | u64::from(byte);
            match missing {
                0 | 1 => Ok(body(tag, number, Then::PacketEnds)),
                _ => Ok(State::ExpectNumber { tag, missing: missing - 1, number }),
            }
        }
        State::Body { .. } | State::Complete => Err(NotEncrypted),
    }
}

/// The first byte of a packet (RFC 9580 section 4.2): bit 7 is always set, bit 6 tells the new format from the old.
fn tag(byte: u8) -> Result<State, NotEncrypted> {
    let (tag, old_length) = match byte >> 6 {
        0b11 => (byte & 0x3f, None),
        0b10 => ((byte >> 2) & 0x0f, Some(byte & 0b11)),
        _ => return Err(NotEncrypted),
    };
    match (tag, old_length) {
        (PKESK | SKESK | SEIPD, None) => Ok(State::ExpectLength { tag, continued: false }),
        // Four bits cannot say SEIPD, so an old-format packet is a session key, and never without a length.
        (PKESK | SKESK, Some(code @ 0..=2)) => Ok(State::ExpectNumber { tag, missing: 1 << code, number: 0 }),
        _ => Err(NotEncrypted),
    }
}

/// The state with so much of a body left.
fn body(tag: u8, left: u64, then: Then) -> State {
    match (left, then, tag) {
        (0, Then::MoreLength, _) => State::ExpectLength { tag, continued: true },
        (0, Then::PacketEnds, SEIPD) => State::Complete,
        (0, Then::PacketEnds, _) => State::ExpectTag,
        _ => State::Body { tag, left, then },
    }
}

#[cfg(test)]
mod tests {
    use super::{NotEncrypted, Packets};

    fn walk(data: &[u8], chunk: usize) -> Result<(), NotEncrypted> {
        let mut packets = Packets::default();
        data.chunks(chunk).try_for_each(|bytes| packets.push(bytes))?;
        packets.finish()
    }

    #[track_caller]
    fn check(parts: &[&[u8]], expected: Result<(), NotEncrypted>) {
        let data = parts.concat();
        for chunk in [1, 2, 3, 100, data.len().max(1)] {
            assert_eq!(walk(&data, chunk), expected, "in chunks of {chunk}");
        }
    }

    const REFUSED: Result<(), NotEncrypted> = Err(NotEncrypted);
    /// New format, tag 1, three bytes.
    const NEW_PKESK: &[u8] = &[0xc1, 3, 0xd2, 2, 3];
    /// New format, tag 18, two bytes.
    const SHORT_SEIPD: &[u8] = &[0xd2, 2, 1, 9];

    #[test]
    fn session_keys_and_then_encrypted_data() {
        check(&[SHORT_SEIPD], Ok(()));
        check(&[NEW_PKESK, NEW_PKESK, SHORT_SEIPD], Ok(()));
        check(&[&[0xc3, 1, 4], SHORT_SEIPD], Ok(()));
        check(&[&[0xd2, 0]], Ok(()));
        check(&[], REFUSED);
        check(&[NEW_PKESK], REFUSED);
        check(&[SHORT_SEIPD, SHORT_SEIPD], REFUSED);
        check(&[SHORT_SEIPD, NEW_PKESK], REFUSED);
        check(&[SHORT_SEIPD, &[0]], REFUSED);
        check(&[&[0xd2, 3, 1, 9]], REFUSED);
    }

    #[test]
    fn other_packets_are_refused() {
        // Literal data, compressed data, signature, marker, symmetric data without integrity, padding.
        for tag in [11, 8, 2, 10, 9, 20, 21, 0] {
            check(&[&[0xc0 | tag, 1, 0]], REFUSED);
            check(&[&[0xc0 | tag, 1, 0], SHORT_SEIPD], REFUSED);
        }
        check(&[b"Hello, world"], REFUSED);
        check(&[&[0x12, 2, 1, 9]], REFUSED);
    }

    #[test]
    fn old_format_session_keys_as_gpg_writes_them() {
        check(&[&[0x84, 2, 1, 1], SHORT_SEIPD], Ok(()));
        check(&[&[0x85, 0, 2, 1, 1], SHORT_SEIPD], Ok(()));
        check(&[&[0x86, 0, 0, 0, 2, 1, 1], SHORT_SEIPD], Ok(()));
        check(&[&[0x8c, 1, 1], SHORT_SEIPD], Ok(()));
        // Without a length the packet would swallow all the rest.
        check(&[&[0x87, 1, 1], SHORT_SEIPD], REFUSED);
        // Old-format literal data.
        check(&[&[0xac, 1, 1]], REFUSED);
    }

    #[test]
    fn every_form_of_length() {
        check(&[&[0xd2, 192, 0], &[7; 192]], Ok(()));
        check(&[&[0xd2, 223, 255], &[7; 8383]], Ok(()));
        check(&[&[0xd2, 255, 0, 0, 1, 0], &[7; 256]], Ok(()));
        check(&[&[0xd2, 255, 0, 0, 1, 0], &[7; 255]], REFUSED);
        check(&[&[0xd2, 255, 255, 255, 255, 255], &[7; 255]], REFUSED);
        check(&[&[0xd2, 224 + 9], &[7; 512], &[224], &[7], &[3, 1, 2, 3]], Ok(()));
        check(&[&[0xd2, 224 + 9], &[7; 512], &[0]], Ok(()));
        check(&[&[0xd2, 224 + 9], &[7; 512]], REFUSED);
        check(&[&[0xd2, 224 + 8], &[7; 256], &[0]], REFUSED);
        check(&[&[0xc1, 224 + 9], &[7; 512], &[0], SHORT_SEIPD], REFUSED);
    }
}
