//! The messages between `hearth init` and `hearth serve` on the box: one JSON object a line, over two pipes.
//!
//! `init` starts `hearth serve --appliance` with the server's standard input and output as the two pipes; the server's
//! standard error is its log. Init owns the devices (LED, button, screen, network) and knows nothing of mail; the
//! server owns the mail and sees no device. A line longer than [`LINE_LIMIT`] or one that does not parse is logged and
//! dropped by the reader: neither side can stop the other by malformed lines.
//!
//! The server asks for nothing but LED, screen, and an answer to the owner's file. Reboot and factory reset are no messages:
//! init decides on them from the button alone, so that a server that has been taken over cannot erase the box.

use std::net::IpAddr;

use pairing::{DisplayStatus, LedState};
use serde::{Deserialize, Serialize};

use crate::network::{ClockSource, Tunnel};
use crate::words::bounded_words;

/// The longest line either side may send, in bytes.
pub const LINE_LIMIT: usize = 16 * 1024;
/// The longest report about the owner's file, in bytes: before it is bounded, each may take six in JSON.
pub const REPORT_LIMIT: usize = 2048;

/// From `init` to `serve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ToServe {
    /// The button was pressed shortly: open the pairing window.
    OpenPairingWindow,
    /// The box's own addresses changed; link-local ones are not listed.
    Addresses(Vec<IpAddr>),
    /// The clock is right since now, and stays so until the box starts again. Until this comes it may be days behind. Comes
    /// again when other servers tell the time from now on.
    ClockIsRight(ClockSource),
    /// The state of the tunnel through which the internet reaches the box, after it has changed and after each handshake.
    Tunnel(Tunnel),
    /// The card's `wireguard.conf` has errors, which `hearth init` tells beside it: its owner has to look at them.
    TunnelFileRefused,
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
    /// The owner's file was looked at. Sent once after the start, if there was one.
    OwnerFile(OwnerFileResult),
}

/// A file of the owner as it was read off the card: `hearth.toml`, or `wireguard.conf`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerFile {
    /// Its text; none if there is no such file, or it could not be read.
    pub text: Option<String>,
    /// The reason why it could not be read, as a sentence for its owner.
    pub problem: Option<String>,
}

/// The result of the server's look at the owner's file, for the report beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerFileResult {
    /// True when its settings are kept in the store, so that its secrets can be masked on the card.
    pub imported: bool,
    /// Plain text for its owner.
    pub report: String,
}

impl OwnerFileResult {
    /// The result with its report cut to [`REPORT_LIMIT`], and with blanks for control characters but tabs and line ends.
    #[must_use]
    pub fn bounded(self) -> Self {
        Self { report: bounded_words(&self.report, REPORT_LIMIT), ..self }
    }
}

#[cfg(test)]
mod tests {
    use pairing::PairingCode;

    use super::{DisplayStatus, LINE_LIMIT, LedState, OwnerFileResult, ToInit};
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
        let report = "\0".repeat(100_000);
        let line = encode(&ToInit::OwnerFile(OwnerFileResult { imported: false, report }.bounded())).unwrap();
        assert!(line.len() <= LINE_LIMIT, "{} bytes", line.len());
    }
}
