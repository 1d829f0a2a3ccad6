//! The messages between `hearth init` and `hearth serve` on the box: one JSON object a line, over two pipes.
//!
//! `init` starts `hearth serve --appliance` with the server's standard input and output as the two pipes; the server's
//! standard error is its log. Init owns the devices (LED, button, screen, network) and knows nothing of mail; the
//! server owns the mail and sees no device. A line longer than [`LINE_LIMIT`] or one that does not parse is logged and
//! dropped by the reader: neither side can stop the other by malformed lines.
//!
//! The server asks for nothing but LED and screen. Reboot and factory reset are no messages: init decides on them
//! from the button alone, so that a server that has been taken over cannot erase the box.

use std::net::IpAddr;

use pairing::{DisplayStatus, LedState};
use serde::{Deserialize, Serialize};

/// The longest line either side may send, in bytes.
pub const LINE_LIMIT: usize = 16 * 1024;

/// From `init` to `serve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ToServe {
    /// The button was pressed shortly: open the pairing window.
    OpenPairingWindow,
    /// The box's own addresses changed; link-local ones are not listed.
    Addresses(Vec<IpAddr>),
    /// Finish what is running and exit with status 0.
    Stop,
}

/// From `serve` to `init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ToInit {
    /// All listeners are up and the store is open: the server works. Sent once after the start.
    Ready,
    /// Still working: sent every few seconds; init feeds the watchdog only while these arrive.
    Healthy,
    /// The state of the LED from now on.
    Led(LedState),
    /// The status on the screens from now on. It is sent as it is, not as text: init knows each display's size, and lays it
    /// out for each. The sender bounds it ([`DisplayStatus::bounded`]).
    Screen(Box<DisplayStatus>),
}

#[cfg(test)]
mod tests {
    use pairing::PairingCode;

    use super::{DisplayStatus, LINE_LIMIT, LedState, ToInit};
    use crate::lines::encode;

    #[test]
    fn the_longest_bounded_status_fits_in_a_line() {
        // The longest name there is, and in each text the character that takes most bytes in JSON.
        let name = "a".repeat(253);
        let status = DisplayStatus {
            addresses: vec!["2001:db8:1234:5678:9abc:def0:1234:5678".parse().unwrap(); 1000],
            led: LedState::WaitingForNetwork,
            accounts: usize::MAX,
            version: "1000.1000.1000".to_owned(),
            troubles: vec!["\0".repeat(1000); 1000],
            code: Some(PairingCode {
                link: format!("dclogin:{name}@{name}?p={name}&ih={name}&sh={name}"),
                closes: "when the first account exists".to_owned(),
            }),
            name,
        };
        let line = encode(&ToInit::Screen(Box::new(status.bounded()))).unwrap();
        assert!(line.len() <= LINE_LIMIT, "{} bytes", line.len());
    }
}
