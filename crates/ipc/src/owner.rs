//! The owner's files on their way from the process that reads them off the card: a line of at most [`LINE_LIMIT`] bytes for
//! each, which `hearth init` passes on without looking into it.
//!
//! That of `hearth.toml` goes to the server, whose answer is [`ToInit::OwnerFile`](crate::appliance::ToInit); that of
//! `wireguard.conf` goes to a process that judges it, whose answer is a [`TunnelImport`].

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::appliance::OwnerFile;
use crate::network::{ADDRESSES_LIMIT, hosts};
use crate::words::{bounded_words, is_control};

/// The longest line with an [`OwnerFile`] or a [`TunnelImport`], in bytes.
pub const LINE_LIMIT: usize = 64 * 1024;
/// The longest text of an owner's file, in bytes.
pub const TEXT_LIMIT: usize = 16 * 1024;
/// The longest problem, in bytes.
pub const PROBLEM_LIMIT: usize = 1024;
/// The longest report about a `wireguard.conf`, in bytes.
pub const TUNNEL_REPORT_LIMIT: usize = 2048;

/// The judgement of the card's `wireguard.conf`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunnelImport {
    /// The text to keep from now on, with its secrets, instead of the one that is kept; empty to have no tunnel any more.
    /// None if there is nothing to write.
    pub keep: Option<String>,
    /// The judgement in a word.
    pub verdict: TunnelVerdict,
    /// The box's addresses in the tunnel that there is from now on; empty if there is none.
    pub addresses: Vec<IpAddr>,
    /// The judgement as plain text for its owner; empty if there is nothing to say.
    pub report: String,
}

/// The judgement of a `wireguard.conf` in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TunnelVerdict {
    /// The card says nothing about a tunnel.
    #[default]
    Nothing,
    /// The card's text is taken over: once [`TunnelImport::keep`] is written, its secrets can be masked on the card.
    Taken,
    /// It has errors. The kept text stays, and so does the card's.
    Refused,
}

impl OwnerFile {
    /// The same with a problem of at most [`PROBLEM_LIMIT`] bytes. A text that is longer than [`TEXT_LIMIT`], or that holds
    /// characters which are no part of a text, is left out, since its line could be longer than [`LINE_LIMIT`].
    #[must_use]
    pub fn bounded(self) -> Self {
        Self {
            text: self.text.filter(|text| is_text(text)),
            problem: self.problem.map(|problem| bounded_words(&problem, PROBLEM_LIMIT)),
        }
    }
}

impl TunnelImport {
    /// The same with a report of at most [`TUNNEL_REPORT_LIMIT`] bytes, and with no more addresses of hosts than a message of
    /// the network's processes has. A text to keep that is longer than [`TEXT_LIMIT`],
    /// or that is none, makes it a refusal.
    #[must_use]
    pub fn bounded(self) -> Self {
        let is_refused = self.keep.as_ref().is_some_and(|text| !is_text(text));
        Self {
            keep: self.keep.filter(|_| !is_refused),
            verdict: if is_refused { TunnelVerdict::Refused } else { self.verdict },
            addresses: hosts(self.addresses, ADDRESSES_LIMIT),
            report: bounded_words(&self.report, TUNNEL_REPORT_LIMIT),
        }
    }
}

fn is_text(text: &str) -> bool {
    text.len() <= TEXT_LIMIT && !text.chars().any(is_control)
}

#[cfg(test)]
mod tests {
    use super::{
        LINE_LIMIT, OwnerFile, PROBLEM_LIMIT, TEXT_LIMIT, TUNNEL_REPORT_LIMIT, TunnelImport, TunnelVerdict,
    };
    use crate::lines::encode;

    /// The character that takes most bytes in JSON, of those that pass.
    const COSTLY: &str = "\"";

    #[test]
    fn the_longest_bounded_file_fits_in_its_line() {
        let problem = Some(COSTLY.repeat(2 * PROBLEM_LIMIT));
        let bounded = OwnerFile { text: Some(COSTLY.repeat(TEXT_LIMIT)), problem }.bounded();
        assert_eq!(bounded.text.as_ref().unwrap().len(), TEXT_LIMIT);
        let line = encode(&bounded).unwrap();
        assert!(line.len() <= LINE_LIMIT, "{} bytes", line.len());
    }

    #[test]
    fn a_text_is_whole_or_left_out() {
        let bounded = |text: String| OwnerFile { text: Some(text), problem: None }.bounded().text;
        assert_eq!(bounded("a = 1\r\n\t# ä".to_owned()), Some("a = 1\r\n\t# ä".to_owned()));
        assert_eq!(bounded("a".repeat(TEXT_LIMIT + 1)), None);
        assert_eq!(bounded("a\0".to_owned()), None);
    }

    #[test]
    fn the_longest_bounded_import_fits_in_its_line_and_one_with_another_text_is_a_refusal() {
        let import = |text: String| {
            let import = TunnelImport {
                keep: Some(text),
                verdict: TunnelVerdict::Taken,
                addresses: vec!["2001:db8:1234:5678:9abc:def0:1234:5678".parse().unwrap(); 1000],
                report: COSTLY.repeat(2 * TUNNEL_REPORT_LIMIT),
            };
            import.bounded()
        };
        let longest = import(COSTLY.repeat(TEXT_LIMIT));
        assert_eq!(longest.verdict, TunnelVerdict::Taken);
        let line = encode(&longest).unwrap();
        assert!(line.len() <= LINE_LIMIT, "{} bytes", line.len());
        for wrong in ["a".repeat(TEXT_LIMIT + 1), "a\0".to_owned()] {
            let import = import(wrong);
            assert_eq!((import.keep, import.verdict), (None, TunnelVerdict::Refused));
        }
    }
}
