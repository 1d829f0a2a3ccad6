//! SNTP packets (RFC 5905, sections 7.3 and 14), without extension fields and without authentication.

use std::time::Duration;

use crate::nanoseconds::Nanoseconds;

/// Bytes of a packet without extension fields; those of a longer one are not read.
pub const LENGTH: usize = 48;
/// The UDP port of a server.
pub const PORT: u16 = 123;

/// Version 4, mode 3 (client), no leap second.
const CLIENT: u8 = 0b00_100_011;
/// The mode of a server's reply.
const SERVER_MODE: u8 = 4;
/// The oldest version that is taken: the packet is the same.
const OLDEST_VERSION: u8 = 3;
/// The youngest version.
const YOUNGEST_VERSION: u8 = 4;
/// The leap indicator of a server that has not got the time.
const UNKNOWN_TIME: u8 = 3;
/// The first stratum of a server that has not got the time.
const UNSYNCHRONISED: u8 = 16;
/// Seconds from 1900 to 1970.
const UNIX_EPOCH: i64 = 2_208_988_800;
/// Seconds of an era: the seconds of a timestamp are 32 bits (section 6).
const ERA: i64 = 1 << 32;

/// The request whose transmit timestamp is `nonce`. A server sends it back as it is, so it need not be a time: random bits
/// tell nothing about this machine's clock, and nobody who has not seen them can forge a reply.
#[must_use]
pub fn request(nonce: u64) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    if let Some((first, rest)) = packet.split_first_mut() {
        *first = CLIENT;
        if let Some(transmit) = rest.last_chunk_mut::<8>() {
            *transmit = nonce.to_be_bytes();
        }
    }
    packet
}

/// The time by a server, and its distance from the clock that all others follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The delay of the way to that clock and back.
    pub root_delay: Duration,
    /// The error that has added up on that way.
    pub root_dispersion: Duration,
    /// The time at which the request came.
    pub received: Nanoseconds,
    /// The time at which the reply was sent.
    pub sent: Nanoseconds,
}

/// A packet that is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Shorter than [`LENGTH`].
    #[error("it is too short")]
    Short,
    /// Neither version 3 nor 4, or no server's reply.
    #[error("it is no reply of a time server")]
    Unknown,
    /// The reply to another request, or a forged one.
    #[error("it answers another request")]
    NotOurs,
    /// A kiss-o'-death (section 7.4).
    #[error("the server wants to be left alone")]
    Kiss(Kiss),
    /// The server has not got the time itself.
    #[error("the server does not know the time itself")]
    Unsynchronised,
    /// No time of sending, or one before the time of receiving.
    #[error("its times make no sense")]
    Nonsense,
}

/// The wish in a kiss-o'-death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kiss {
    /// `RATE`: ask less often.
    Rate,
    /// `DENY` or `RSTR`: do not ask again.
    Deny,
    /// Another code; it is no time and no wish.
    Other,
}

/// Reads the reply to the request of `nonce`. Its times are those within 68 years of `near`, since a timestamp does not
/// tell its era.
///
/// # Errors
///
/// [`ReplyError`] for a packet that is no time. Whether it answers the request is looked at before its meaning: a stranger
/// cannot send a kiss-o'-death.
pub fn parse(packet: &[u8], nonce: u64, near: Nanoseconds) -> Result<Reply, ReplyError> {
    let packet: &[u8; LENGTH] = packet.first_chunk().ok_or(ReplyError::Short)?;
    // LI, VN, mode; stratum; poll; precision; root delay; root dispersion; reference ID; reference, origin, receive and
    // transmit timestamp.
    let (&[first, stratum, _, _], rest) = packet.split_first_chunk().ok_or(ReplyError::Short)?;
    let (root_delay, rest) = rest.split_first_chunk().ok_or(ReplyError::Short)?;
    let (root_dispersion, rest) = rest.split_first_chunk().ok_or(ReplyError::Short)?;
    let (code, rest) = rest.split_first_chunk::<4>().ok_or(ReplyError::Short)?;
    let (_reference, rest) = rest.split_first_chunk::<8>().ok_or(ReplyError::Short)?;
    let (origin, rest) = rest.split_first_chunk().ok_or(ReplyError::Short)?;
    let (receive, rest) = rest.split_first_chunk().ok_or(ReplyError::Short)?;
    let (transmit, _) = rest.split_first_chunk().ok_or(ReplyError::Short)?;

    let (leap, version, mode) = (first >> 6, (first >> 3) & 7, first & 7);
    if mode != SERVER_MODE || !(OLDEST_VERSION..=YOUNGEST_VERSION).contains(&version) {
        return Err(ReplyError::Unknown);
    }
    if u64::from_be_bytes(*origin) != nonce {
        return Err(ReplyError::NotOurs);
    }
    if stratum == 0 {
        return Err(ReplyError::Kiss(Kiss::of(*code)));
    }
    if leap == UNKNOWN_TIME || stratum >= UNSYNCHRONISED {
        return Err(ReplyError::Unsynchronised);
    }
    let (receive, transmit) = (u64::from_be_bytes(*receive), u64::from_be_bytes(*transmit));
    let (received, sent) = (time(receive, near), time(transmit, near));
    if receive == 0 || transmit == 0 || sent < received {
        return Err(ReplyError::Nonsense);
    }
    let (root_delay, root_dispersion) = (short(*root_delay), short(*root_dispersion));
    Ok(Reply { root_delay, root_dispersion, received, sent })
}

impl Kiss {
    fn of(code: [u8; 4]) -> Self {
        match &code {
            b"RATE" => Self::Rate,
            b"DENY" | b"RSTR" => Self::Deny,
            _ => Self::Other,
        }
    }
}

/// The NTP short format (section 6): 16 bits of seconds, 16 of their fraction.
fn short(bytes: [u8; 4]) -> Duration {
    let units = u64::from(u32::from_be_bytes(bytes));
    Duration::from_nanos((units * 1_000_000_000) >> 16)
}

/// The NTP timestamp format (section 6): 32 bits of seconds since 1900 in an era, 32 of their fraction.
fn time(timestamp: u64, near: Nanoseconds) -> Nanoseconds {
    let seconds = i64::try_from(timestamp >> 32).unwrap_or_default() - UNIX_EPOCH;
    let nanoseconds = ((timestamp & 0xffff_ffff) * 1_000_000_000) >> 32;
    let earliest = near.split().0.saturating_sub(ERA / 2);
    let in_era = earliest.saturating_add(seconds.saturating_sub(earliest).rem_euclid(ERA));
    Nanoseconds::of_seconds(in_era).plus(Nanoseconds(i64::try_from(nanoseconds).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::{Kiss, LENGTH, Nanoseconds, Reply, ReplyError, parse, request};
    use std::time::Duration;

    /// 2026-11-28, and the same in seconds since 1900.
    const NEAR: Nanoseconds = Nanoseconds(1_795_867_200_000_000_000);
    const NTP: u64 = 1_795_867_200 + 2_208_988_800;
    const NONCE: u64 = 0x0123_4567_89ab_cdef;

    /// A reply as a server sends it.
    fn reply(receive: u64, transmit: u64) -> [u8; LENGTH] {
        let mut packet = [0; LENGTH];
        packet[0] = 0b00_100_100;
        packet[1] = 2;
        packet[4..8].copy_from_slice(&0x0000_8000_u32.to_be_bytes());
        packet[8..12].copy_from_slice(&0x0001_0000_u32.to_be_bytes());
        packet[24..32].copy_from_slice(&NONCE.to_be_bytes());
        packet[32..40].copy_from_slice(&receive.to_be_bytes());
        packet[40..48].copy_from_slice(&transmit.to_be_bytes());
        packet
    }

    fn changed(change: impl FnOnce(&mut [u8; LENGTH])) -> Result<Reply, ReplyError> {
        let mut packet = reply(NTP << 32, NTP << 32);
        change(&mut packet);
        parse(&packet, NONCE, NEAR)
    }

    #[test]
    fn a_request_is_a_clients_and_shows_nothing_but_the_nonce() {
        let packet = request(NONCE);
        assert_eq!((packet[0], &packet[40..]), (0x23, &NONCE.to_be_bytes()[..]));
        assert!(packet[1..40].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_reply_is_a_time_with_its_error() {
        let parsed = parse(&reply(NTP << 32, (NTP << 32) + (1 << 31)), NONCE, NEAR).unwrap();
        let expected = Reply {
            root_delay: Duration::from_millis(500),
            root_dispersion: Duration::from_secs(1),
            received: NEAR,
            sent: NEAR.plus(Nanoseconds(500_000_000)),
        };
        assert_eq!(parsed, expected);
    }

    #[test]
    fn a_packet_that_is_no_time_is_none() {
        assert_eq!(parse(&reply(NTP << 32, NTP << 32)[..47], NONCE, NEAR), Err(ReplyError::Short));
        assert_eq!(parse(&request(NONCE), NONCE, NEAR), Err(ReplyError::Unknown), "a request");
        assert_eq!(changed(|packet| packet[0] = 0b00_010_100), Err(ReplyError::Unknown), "version 2");
        assert_eq!(changed(|packet| packet[0] = 0b00_100_101), Err(ReplyError::Unknown), "broadcast");
        assert_eq!(changed(|packet| packet[31] ^= 1), Err(ReplyError::NotOurs));
        assert_eq!(changed(|packet| packet[0] |= 0xc0), Err(ReplyError::Unsynchronised));
        assert_eq!(changed(|packet| packet[1] = 16), Err(ReplyError::Unsynchronised));
        assert_eq!(changed(|packet| packet[40..].fill(0)), Err(ReplyError::Nonsense));
        assert_eq!(changed(|packet| packet[43] -= 1), Err(ReplyError::Nonsense), "sent before it came");
    }

    #[test]
    fn a_kiss_is_believed_if_it_answers_the_request() {
        for (code, kiss) in
            [(b"RATE", Kiss::Rate), (b"DENY", Kiss::Deny), (b"RSTR", Kiss::Deny), (b"INIT", Kiss::Other)]
        {
            let kissed = |packet: &mut [u8; LENGTH]| {
                packet[1] = 0;
                packet[12..16].copy_from_slice(code);
            };
            assert_eq!(changed(kissed), Err(ReplyError::Kiss(kiss)));
            let strange = changed(|packet| {
                kissed(packet);
                packet[24] ^= 0x80;
            });
            assert_eq!(strange, Err(ReplyError::NotOurs));
        }
    }

    #[test]
    fn the_era_is_the_one_that_is_near() {
        // 2040-01-01 is in the second era, which began in 2036.
        let unix = 2_208_988_800_u64;
        let timestamp = (unix + 2_208_988_800) & 0xffff_ffff;
        let parsed = parse(&reply(timestamp << 32, timestamp << 32), NONCE, NEAR).unwrap();
        assert_eq!(parsed.sent, Nanoseconds::of_seconds(2_208_988_800));
        let past =
            parse(&reply(NTP << 32, NTP << 32), NONCE, Nanoseconds::of_seconds(4_000_000_000)).unwrap();
        assert_eq!(past.sent, Nanoseconds::of_seconds(1_795_867_200 + (1 << 32)), "68 years are the limit");
    }
}
