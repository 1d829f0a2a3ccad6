//! The owner's `wireguard.conf` as it is found on the card, judged beside the text that is kept on the box.

use ipc::appliance::OwnerFile;
use ipc::owner::{TunnelImport, TunnelVerdict};

use super::conf::{Conf, Remark, lines};
use super::mask::unmask;

/// The most remarks in a report.
const REMARKS_LIMIT: usize = 12;

/// Judges the card's file. `kept` is the text that the box has, with its secrets; empty without a tunnel.
///
/// A file with masked secrets means those that are kept. A file without any setting ends the tunnel; no file at all says
/// nothing, since it may have been lost.
#[must_use]
pub fn import(found: &OwnerFile, kept: &str) -> TunnelImport {
    let import = match found {
        OwnerFile { problem: Some(problem), .. } => refused(kept, problem),
        OwnerFile { text: None, problem: None } => silent(kept),
        OwnerFile { text: Some(text), problem: None } if lines(text).next().is_none() => ended(kept),
        OwnerFile { text: Some(text), problem: None } => judge(text, kept),
    };
    let tunnel = Conf::parse(import.keep.as_deref().unwrap_or(kept));
    let addresses = tunnel.map(|(conf, _)| conf.addresses()).unwrap_or_default();
    TunnelImport { addresses, ..import }.bounded()
}

fn judge(text: &str, kept: &str) -> TunnelImport {
    let whole = unmask(text, kept);
    match Conf::parse(&whole) {
        Ok((_, remarks)) => {
            let report = match remarks.as_slice() {
                [] => SET_UP.to_owned(),
                remarks => format!("{SET_UP}\n\n{}", sentences("Note", remarks)),
            };
            TunnelImport {
                keep: (whole != kept).then_some(whole),
                verdict: TunnelVerdict::Taken,
                report,
                ..TunnelImport::default()
            }
        }
        Err(errors) => refused(kept, &sentences("Error", &errors)),
    }
}

fn silent(kept: &str) -> TunnelImport {
    let report = if kept.is_empty() { String::new() } else { LOST.to_owned() };
    TunnelImport { report, ..TunnelImport::default() }
}

fn ended(kept: &str) -> TunnelImport {
    if kept.is_empty() {
        return TunnelImport::default();
    }
    TunnelImport {
        keep: Some(String::new()),
        verdict: TunnelVerdict::Taken,
        addresses: Vec::new(),
        report: "wireguard.conf has no settings: the box has no tunnel any more.".to_owned(),
    }
}

fn refused(kept: &str, problem: &str) -> TunnelImport {
    let stays = if kept.is_empty() { "there is no tunnel" } else { "the tunnel stays as it was" };
    let report = format!("wireguard.conf was NOT taken over, and {stays}:\n\n{problem}");
    TunnelImport { verdict: TunnelVerdict::Refused, report, ..TunnelImport::default() }
}

/// The remarks, one a line.
fn sentences(kind: &str, remarks: &[Remark]) -> String {
    let shown = remarks.iter().take(REMARKS_LIMIT).map(|remark| format!("{kind} in {remark}"));
    let more = remarks.len().saturating_sub(REMARKS_LIMIT);
    let rest = (more > 0).then(|| format!("{more} more."));
    shown.chain(rest).collect::<Vec<_>>().join("\n")
}

const SET_UP: &str = "The tunnel of wireguard.conf is set up.";
const LOST: &str = "The card has no wireguard.conf; the box goes on with the tunnel that it has. To end the tunnel, save an \
                    empty file with this name.";

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use ipc::appliance::OwnerFile;
    use ipc::owner::{TunnelImport, TunnelVerdict};

    use super::super::mask::{is_masked, mask_secrets};
    use super::{LOST, SET_UP, import};

    /// Keys of nobody: all bytes are the same.
    const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const OTHER_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
    const THIRD_KEY: &str = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";

    const PUBLIC: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7))];

    fn provided() -> String {
        format!(
            "[Interface]\r\nPrivateKey = {KEY}\r\nAddress = 203.0.113.7/32\r\n\r\n[Peer]\r\nPublicKey = {OTHER_KEY}\r\n\
             PresharedKey = {THIRD_KEY}\r\nAllowedIPs = 0.0.0.0/0\r\nEndpoint = vpn.example.net:51820\r\n"
        )
    }

    /// A box, over its starts.
    #[derive(Default)]
    struct Kept(String);

    impl Kept {
        fn start(&mut self, found: &OwnerFile) -> TunnelImport {
            let import = import(found, &self.0);
            if let Some(keep) = &import.keep {
                assert_eq!(import.verdict, TunnelVerdict::Taken);
                self.0.clone_from(keep);
            }
            assert!(![KEY, OTHER_KEY, THIRD_KEY].iter().any(|key| import.report.contains(key)));
            import
        }

        fn start_with(&mut self, text: &str) -> TunnelImport {
            self.start(&OwnerFile { text: Some(text.to_owned()), problem: None })
        }
    }

    fn nothing_new(report: &str, verdict: TunnelVerdict) -> TunnelImport {
        TunnelImport { keep: None, verdict, addresses: PUBLIC.into(), report: report.to_owned() }
    }

    #[test]
    fn a_box_whose_owner_wants_no_tunnel_says_nothing_about_one() {
        let mut kept = Kept::default();
        assert_eq!(kept.start(&OwnerFile::default()), TunnelImport::default());
        for sample in ["", "\r\n", "# A sample.\r\n#[Interface]\r\n#PrivateKey = \r\n"] {
            assert_eq!(kept.start_with(sample), TunnelImport::default());
        }
        assert_eq!(kept.0, "");
    }

    #[test]
    fn a_text_is_taken_over_once_and_again_for_its_mask_after_each_interruption() {
        let mut kept = Kept::default();
        let first = kept.start_with(&provided());
        assert_eq!((first.keep.as_deref(), first.verdict), (Some(provided().as_str()), TunnelVerdict::Taken));
        assert_eq!((first.report.as_str(), first.addresses.as_slice()), (SET_UP, &PUBLIC[..]));
        // The power went before the mask, in the middle of it, and not at all.
        let half = provided().replace("AQEBAQEBAQEBAQ", "**************");
        for card in [provided(), half, mask_secrets(&provided())] {
            assert_eq!(kept.start_with(&card), nothing_new(SET_UP, TunnelVerdict::Taken), "{card}");
        }
        assert_eq!(kept.0, provided());
    }

    #[test]
    fn a_masked_text_can_be_edited_and_a_lost_one_changes_nothing() {
        let mut kept = Kept::default();
        kept.start_with(&provided());
        let edited =
            mask_secrets(&provided()).replace("/32", "/24").replace("[Peer]", "DNS = 9.9.9.9\r\n[Peer]");
        let import = kept.start_with(&edited);
        assert_eq!(import.verdict, TunnelVerdict::Taken);
        assert!(import.report.starts_with(SET_UP), "{}", import.report);
        assert!(
            import.report.contains("Note in wireguard.conf, line 5: DNS is not used"),
            "{}",
            import.report
        );
        assert!(kept.0.contains(KEY) && kept.0.contains("/24") && !is_masked(&kept.0));
        assert_eq!(kept.start(&OwnerFile::default()), nothing_new(LOST, TunnelVerdict::Nothing));
        assert!(kept.0.contains("/24"));
    }

    #[test]
    fn errors_are_told_by_line_and_the_earlier_tunnel_stays() {
        let mut kept = Kept::default();
        let wrong = provided().replace("Address =", "Adress =");
        let import = kept.start_with(&wrong);
        assert_eq!((import.keep, import.verdict), (None, TunnelVerdict::Refused));
        assert!(
            import
                .report
                .starts_with("wireguard.conf was NOT taken over, and there is no tunnel:\n\nError in")
        );
        assert!(
            import.report.contains("wireguard.conf, line 3: [Interface] has no such key."),
            "{}",
            import.report
        );

        kept.start_with(&provided());
        let import = kept.start_with(&wrong);
        assert!(import.report.contains("and the tunnel stays as it was:"), "{}", import.report);
        assert_eq!(import.addresses, PUBLIC);
        let unread = OwnerFile { text: None, problem: Some("It is a folder.".to_owned()) };
        let import = kept.start(&unread);
        assert_eq!(import.verdict, TunnelVerdict::Refused);
        assert!(
            import.report.ends_with("the tunnel stays as it was:\n\nIt is a folder."),
            "{}",
            import.report
        );
        assert_eq!(kept.0, provided());
    }

    #[test]
    fn a_masked_key_that_nobody_knows_is_to_be_typed_again() {
        let mut kept = Kept::default();
        let import = kept.start_with(&mask_secrets(&provided()));
        assert_eq!(import.verdict, TunnelVerdict::Refused);
        assert!(import.report.contains("line 2: the key is masked and no longer kept"), "{}", import.report);
        assert!(import.report.contains("line 7: the key is masked"), "{}", import.report);
    }

    #[test]
    fn a_text_without_settings_ends_the_tunnel_and_is_told_once() {
        let mut kept = Kept::default();
        kept.start_with(&provided());
        let commented: String =
            mask_secrets(&provided()).lines().map(|line| format!("# {line}\r\n")).collect();
        let import = kept.start_with(&commented);
        assert_eq!((import.keep.as_deref(), import.verdict), (Some(""), TunnelVerdict::Taken));
        assert!(import.report.contains("no tunnel any more"), "{}", import.report);
        assert_eq!(kept.start_with(&commented), TunnelImport::default());
    }

    #[test]
    fn a_text_full_of_errors_has_a_bounded_report() {
        let import = Kept::default().start_with(&"nonsense\r\n".repeat(1600));
        assert!(import.report.len() < 1500, "{}", import.report);
        assert!(
            import.report.contains("line 12: ") && !import.report.contains("line 13: "),
            "{}",
            import.report
        );
        assert!(import.report.ends_with(" more."), "{}", import.report);
    }
}
