//! A time server (RFC 5905) whose clock a test chooses.

use std::net::{Ipv4Addr, UdpSocket};
use std::thread;

use anyhow::Result;
use host::clock::since_1970;

/// Seconds from 1900 to 1970.
const EPOCH: u64 = 2_208_988_800;
/// Leap indicator 0, version 4, mode 4 (server); stratum 1.
const HEADER: [u8; 2] = [0x24, 1];

/// Answers at the standard port of an address, until the test's end, with a clock that is ahead of this machine's by so
/// many seconds, or behind.
pub fn start(address: Ipv4Addr, ahead: i64) -> Result<()> {
    let socket = UdpSocket::bind((address, 123))?;
    thread::spawn(move || {
        let mut request = [0; 48];
        while let Ok((48, client)) = socket.recv_from(&mut request) {
            let mut reply = [0; 48];
            reply[..2].copy_from_slice(&HEADER);
            reply[24..32].copy_from_slice(&request[40..]);
            let now = since_1970();
            let seconds = (now.as_secs() + EPOCH).saturating_add_signed(ahead);
            let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
            let time = ((seconds << 32) | fraction).to_be_bytes();
            reply[32..40].copy_from_slice(&time);
            reply[40..].copy_from_slice(&time);
            let _ = socket.send_to(&reply, client);
        }
    });
    Ok(())
}
