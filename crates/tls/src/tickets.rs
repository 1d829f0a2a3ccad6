//! TLS session tickets (RFC 8446 section 2.2) that outlive the server: after a restart all clients reconnect at once, and
//! resuming costs a fraction of a handshake.
//!
//! One secret is kept for ever; the key of each day is derived from it. A ticket names its day, and is accepted on that
//! day and the next.

use host::entropy;
use mail_types::{Day, UnixTime};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use rustls::server::ProducesTickets;

/// The length of the kept secret, in bytes.
pub const SECRET_LENGTH: usize = 32;
/// The lifetime that clients are told (`ticket_lifetime`, RFC 8446 section 4.6.1): every ticket is accepted for at least
/// so long, one that was made at midnight for twice as long.
const LIFETIME_SECONDS: u32 = 24 * 60 * 60;
/// The length of the day at a ticket's beginning, in bytes.
const DAY_LENGTH: usize = 4;

/// Encrypts and decrypts tickets (ChaCha20-Poly1305; the day's key is the HMAC-SHA-256 of the day).
pub struct Tickets {
    secret: hmac::Key,
    wall: fn() -> UnixTime,
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tickets(..)")
    }
}

impl Tickets {
    /// Tickets under this secret; `wall` is the calendar clock.
    #[must_use]
    pub fn new(secret: &[u8], wall: fn() -> UnixTime) -> Self {
        Self { secret: hmac::Key::new(hmac::HMAC_SHA256, secret), wall }
    }

    fn key(&self, day: Day) -> Option<LessSafeKey> {
        let bytes = hmac::sign(&self.secret, &day.0.to_be_bytes());
        UnboundKey::new(&CHACHA20_POLY1305, bytes.as_ref()).ok().map(LessSafeKey::new)
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME_SECONDS
    }

    /// `ticket = day nonce sealed`: 4 bytes big-endian, 12 random bytes, the ciphertext with its tag.
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let today = (self.wall)().day();
        let nonce: [u8; NONCE_LEN] = entropy::bytes().ok()?;
        let mut sealed = plain.to_vec();
        let nonce_once = Nonce::assume_unique_for_key(nonce);
        self.key(today)?.seal_in_place_append_tag(nonce_once, Aad::empty(), &mut sealed).ok()?;
        Some([&today.0.to_be_bytes()[..], &nonce[..], &sealed[..]].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (day, rest) = ticket.split_first_chunk::<DAY_LENGTH>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let day = Day(u32::from_be_bytes(*day));
        let today = (self.wall)().day();
        if day != today && Some(day.0) != today.0.checked_sub(1) {
            return None;
        }
        let mut plain = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.key(day)?.open_in_place(nonce, Aad::empty(), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

#[cfg(test)]
mod tests {
    use mail_types::UnixTime;
    use rustls::server::ProducesTickets;

    use super::Tickets;

    const MORNING: fn() -> UnixTime = || UnixTime(86_400 * 20_000);
    const NEXT_EVENING: fn() -> UnixTime = || UnixTime(86_400 * 20_002 - 1);
    const LATER: fn() -> UnixTime = || UnixTime(86_400 * 20_002);

    #[test]
    fn a_ticket_is_good_until_the_next_evening_also_after_a_restart() {
        let ticket = Tickets::new(&[7; 32], MORNING).encrypt(b"session").unwrap();
        let read = |secret: u8, wall| Tickets::new(&[secret; 32], wall).decrypt(&ticket);
        assert_eq!(read(7, MORNING).as_deref(), Some(&b"session"[..]));
        assert_eq!(read(7, NEXT_EVENING).as_deref(), Some(&b"session"[..]));
        assert_eq!(read(7, LATER), None);
        assert_eq!(read(8, MORNING), None);
    }

    #[test]
    fn changed_and_short_tickets_are_worth_nothing() {
        let tickets = Tickets::new(&[7; 32], MORNING);
        let ticket = tickets.encrypt(b"session").unwrap();
        for position in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[position] ^= 1;
            assert_eq!(tickets.decrypt(&changed), None);
            assert_eq!(tickets.decrypt(&ticket[..position]), None);
        }
    }
}
