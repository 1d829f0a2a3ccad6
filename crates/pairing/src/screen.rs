//! The status that screens show, and its plain text for terminals and serial lines: at most 80 columns wide, but for the
//! link. Displays have a layout of their own (`layout.rs`).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{LedState, half_blocks};

/// The label before the link, on a line of its own; programs that watch a console search for it.
pub const PAIRING_LINK_LABEL: &str = "Pairing link: ";
/// Addresses in a bounded status.
const MOST_ADDRESSES: usize = 16;
/// Sentences about troubles in a bounded status.
const MOST_TROUBLES: usize = 8;
/// Characters of such a sentence.
const LONGEST_TROUBLE: usize = 240;

/// The status of the box as screens and the web's start page show it. Nothing in it is secret, but for the code of
/// an open window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisplayStatus {
    /// The mail domain, which is also the box's name: `hearth-1a2b.local`.
    pub name: String,
    /// The box's addresses in the home network.
    pub addresses: Vec<IpAddr>,
    /// The state of the LED.
    pub led: LedState,
    /// The number of accounts.
    pub accounts: usize,
    /// The version of the software.
    pub version: String,
    /// Problems that need attention, one sentence each.
    pub troubles: Vec<String>,
    /// The code of the open pairing window.
    pub code: Option<PairingCode>,
}

impl DisplayStatus {
    /// The status with as much of its lists and sentences as a screen could show, so that it also fits in a message of
    /// bounded length.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.addresses.truncate(MOST_ADDRESSES);
        self.troubles.truncate(MOST_TROUBLES);
        for trouble in &mut self.troubles {
            if let Some((end, _)) = trouble.char_indices().nth(LONGEST_TROUBLE) {
                trouble.truncate(end);
            }
        }
        self
    }
}

/// A pairing code: the content of the QR code while the window is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairingCode {
    /// The link to scan or to tap.
    pub link: String,
    /// The end of the window in words: "in 5 minutes", "when the first account exists".
    pub closes: String,
}

/// The status as plain text.
#[must_use]
pub fn screen(status: &DisplayStatus) -> String {
    let addresses: Vec<String> = status.addresses.iter().map(ToString::to_string).collect();
    let addresses = if addresses.is_empty() { "none yet".to_owned() } else { addresses.join(", ") };
    let mut text = format!(
        "\n  Hearth {}   {}\n  State:     {}\n  Address:   {addresses}\n  Accounts:  {}\n",
        status.version,
        status.name,
        status.led.words(),
        status.accounts
    );
    for trouble in &status.troubles {
        text.push_str(&format!("  Attention: {trouble}\n"));
    }
    match &status.code {
        Some(code) => text.push_str(&code_text(code)),
        None => text.push_str("\n  Press the button to add a person or a device.\n"),
    }
    text
}

fn code_text(code: &PairingCode) -> String {
    let PairingCode { link, closes } = code;
    let picture = half_blocks(link).unwrap_or_else(|error| format!("({error})\n"));
    format!(
        "\n  Scan with Delta Chat; the window closes {closes}.\n\n{picture}\n{PAIRING_LINK_LABEL}{link}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: Option<PairingCode>) -> DisplayStatus {
        DisplayStatus {
            name: "hearth-1a2b.local".into(),
            addresses: vec!["192.168.1.7".parse().unwrap()],
            led: LedState::Ready,
            accounts: 2,
            version: "0.1.0".into(),
            troubles: vec!["The disk is nearly full.".into()],
            code,
        }
    }

    #[test]
    fn a_closed_window_shows_no_code() {
        assert_eq!(
            screen(&status(None)),
            "\n  Hearth 0.1.0   hearth-1a2b.local\n  State:     ready\n  Address:   192.168.1.7\n  Accounts:  2\n  \
             Attention: The disk is nearly full.\n\n  Press the button to add a person or a device.\n"
        );
    }

    #[test]
    fn a_bounded_status_keeps_what_comes_first() {
        let mut long = status(None);
        assert_eq!(long.clone().bounded(), long);
        long.addresses = (0..100).map(|number| [192, 168, 1, number].into()).collect();
        long.troubles = vec!["é".repeat(1000); 100];
        let bounded = long.clone().bounded();
        assert_eq!(bounded.addresses, long.addresses[..16]);
        assert_eq!(bounded.troubles, vec!["é".repeat(240); 8]);
    }

    #[test]
    fn an_open_window_shows_code_and_link_within_80_columns() {
        let link = "dclogin:abcdefghi@hearth-1a2b.local?p=abcdefghijklmnopqrstuv&v=1&ih=192.168.100.100&ip=993&is=ssl\
                    &sh=192.168.100.100&sp=465&ss=ssl&ic=3";
        let text = screen(&status(Some(PairingCode { link: link.into(), closes: "in 5 minutes".into() })));
        assert!(text.lines().any(|line| line == format!("{PAIRING_LINK_LABEL}{link}")));
        let widest = text.lines().filter(|line| line.contains('█')).map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|width| width <= 80), "{widest:?}");
    }
}
